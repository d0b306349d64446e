"""One example of every event type, and the golden files made from them.

A golden file is the CloudEvent of a released event version, frozen with the release. Write the
files of new types or versions with ``python -m tests.support.events``; it changes no existing one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from adapters.outbound.dynamodb.codec import to_cloud_event
from domain.accounts import (
    account,
    client,
    email_address,
    forgetting,
    grants,
    home,
    invitation,
    mail,
    membership,
    sessions,
)
from domain.devices import departure, device, lane
from domain.devices import remote_command as rc
from domain.devices.capabilities import KINDS, DeviceKind
from domain.kernel.event import Event
from domain.kernel.personal import personal_fields
from domain.kernel.recorded import Context, Recorded
from domain.media import blocklist, broker, content, creative
from domain.media.rendition import (
    AdFacts,
    Caption,
    CaptionLink,
    Rendition,
    Rung,
    Source,
)
from tests.support.sealing import sealed

GOLDEN = Path(__file__).parent.parent / "golden"
ACCOUNT_ID = "01KA0000000000000000000009"
DEVICE_ID = "abcdefghijklmnopqrstuvwxyz"
AT = datetime(2026, 11, 1, 12, 30, 15, 250_000, tzinfo=UTC)
CONTEXT = Context(
    correlation_id="01KA0000000000000000000001",
    causation_id="01KA0000000000000000000002",
    principal="token:01KA0000000000000000000003",
    trace="Root=1-69060000-000000000000000000000001;Parent=0000000000000001;Sampled=1",
)


def _device(event_type: type[Event], version: int, **fields: Any) -> Event:
    stream = f"device-{DEVICE_ID}"
    return event_type(originator_id=stream, originator_version=version, timestamp=AT, **fields)


def _lane(event_type: type[Event], version: int, **fields: Any) -> Event:
    stream = f"lane-{DEVICE_ID}"
    return event_type(originator_id=stream, originator_version=version, timestamp=AT, **fields)


DEPARTURE: tuple[tuple[type[Event], dict[str, Any]], ...] = (
    (departure.DepartureStarted, {}),
    (departure.DepartureAdvanced, {"device_ids": (DEVICE_ID, DEVICE_ID[::-1])}),
    (departure.DepartureCompleted, {}),
)
FORGETTING: tuple[tuple[type[Event], dict[str, Any]], ...] = (
    (forgetting.ForgettingRequested, {"due_at": AT + timedelta(days=14), "by": "cli:root"}),
    (forgetting.ForgettingCanceled, {"by": "cli:root"}),
    (forgetting.ForgettingStarted, {}),
    (forgetting.AccountForgotten, {}),
)
CLIENT_CONFIG = client.ClientConfig(
    name="Alexa",
    profile=client.Profile.ALEXA,
    redirect_uris=("https://pitangui.amazon.com/api/skill/link/M2AAAAAAAAAAAA",),
    post_logout_redirect_uris=(),
    grant_types=(client.GrantType.AUTHORIZATION_CODE, client.GrantType.REFRESH_TOKEN),
    auth_methods=(client.AuthMethod.BASIC, client.AuthMethod.POST),
    scopes=("commands:write", "devices:read"),
    pkce_required=False,
    rotation=client.RotationKind.GRACE,
    grace_seconds=300,
    idle_days=400,
)
CLIENT: tuple[tuple[type[Event], dict[str, Any]], ...] = (
    (client.ClientRegistered, {"config": CLIENT_CONFIG}),
    (client.ClientSecretIssued, {"secret_id": "01KA0000000000000000000010", "replaced": ()}),
    (client.ClientChanged, {"config": CLIENT_CONFIG.model_copy(update={"absolute_days": 730})}),
    (client.ClientRetired, {}),
)
GRANT_ID = "01KA0000000000000000000011"
GRANTS: tuple[tuple[type[Event], dict[str, Any]], ...] = (
    (
        grants.GrantGiven,
        {
            "grant_id": GRANT_ID,
            "client_id": "alexa",
            "scopes": ("commands:write", "devices:read"),
            "session_id": "01KA0000000000000000000012",
            "refreshable": True,
            "ends_at": AT + timedelta(days=400),
        },
    ),
    (grants.RefreshTokenReused, {"grant_id": GRANT_ID}),
    (
        grants.GrantsRevoked,
        {"grant_ids": (GRANT_ID,), "reason": grants.Because.REFRESH_REUSE},
    ),
)

EMAIL_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PASSKEY = "q83vEjRWeJCrze8SNFZ4kA"
ACCOUNT: tuple[tuple[type[Event], dict[str, Any]], ...] = (
    (account.AccountRegistered, {"email_hash": EMAIL_HASH, "email": "jo@home.example"}),
    (account.EmailChanged, {"email_hash": EMAIL_HASH[::-1], "email": "küche@home.example"}),
    (account.PasswordSet, {"how": "reset"}),
    (account.TotpEnabled, {}),
    (account.TotpDisabled, {}),
    (account.RecoveryCodesIssued, {"count": 10}),
    (account.RecoveryCodeUsed, {"left": 9}),
    (account.PasskeyAdded, {"credential_id": PASSKEY, "name": "Jo’s phone"}),
    (account.PasskeyRemoved, {"credential_id": PASSKEY}),
    (account.SignInsFailed, {}),
    (account.SignInLocked, {"until": AT + timedelta(minutes=15)}),
    (account.SignInUnlocked, {"by": "sign_in"}),
    (account.AccountClosed, {}),
)
SESSION_ID = "01KA0000000000000000000005"
SESSIONS: tuple[tuple[type[Event], dict[str, Any]], ...] = (
    (
        sessions.SessionStarted,
        {
            "session_id": SESSION_ID,
            "amr": ("pwd", "otp", "mfa"),
            "expires_at": AT + timedelta(days=30),
            "address": "2001:db8::7",
            "agent": "Mozilla/5.0 (X11; Linux x86_64)",
            "country": "DE",
        },
    ),
    (sessions.SessionsEnded, {"session_ids": (SESSION_ID,), "reason": "signed_out"}),
)

HOME_ID = "01KA0000000000000000000008"
INVITATION_ID = "01KA0000000000000000000007"
ENDS_AT = AT + timedelta(days=30)
GUEST = membership.MemberRole.GUEST
BY_TOKEN = "token:01KA0000000000000000000003"
HOMES: tuple[tuple[str, tuple[tuple[type[Event], dict[str, Any]], ...]], ...] = (
    (
        f"invitation-{INVITATION_ID}",
        (
            (
                invitation.InvitationSent,
                {
                    "home_id": HOME_ID,
                    "email": "grüße@example.org",
                    "role": GUEST,
                    "ends_at": ENDS_AT,
                    "expires_at": AT + timedelta(days=7),
                    "by": BY_TOKEN,
                },
            ),
            (invitation.InvitationAccepted, {"account_id": ACCOUNT_ID}),
            (invitation.InvitationWithdrawn, {"by": BY_TOKEN}),
        ),
    ),
    (
        f"membership-{HOME_ID}.{ACCOUNT_ID}",
        (
            (
                membership.MembershipBegan,
                {"home_id": HOME_ID, "account_id": ACCOUNT_ID, "role": GUEST, "ends_at": ENDS_AT},
            ),
            (
                membership.MemberRoleChanged,
                {"role": membership.MemberRole.MEMBER, "by": BY_TOKEN},
            ),
            (membership.MembershipEnded, {"reason": "removed", "by": BY_TOKEN}),
        ),
    ),
    (
        f"home-{HOME_ID}",
        (
            (home.HomePlaceTaken, {"holder": f"member:{ACCOUNT_ID}", "until": ENDS_AT}),
            (home.HomePlaceFreed, {"holder": f"member:{ACCOUNT_ID}"}),
        ),
    ),
)

CREATIVE_ID = "abcdefghijklmnopqrstuvwx23"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PREFIX = f"renditions/{SHA256}/6fac3f80/1/"
OPERATOR = "token:01KA0000000000000000000003"
SOURCE = Source(
    width=1280,
    height=720,
    duration_ms=15_040,
    frame_rate=29.97,
    video_codec="h264",
    audio_codec="aac",
    rotation=0,
    container="mov,mp4",
    bit_rate=2_400_000,
)
RENDITION = Rendition(
    ladder="6fac3f80",
    prefix=PREFIX,
    hls=f"{PREFIX}main.m3u8",
    dash=f"{PREFIX}manifest.mpd",
    preview=f"{PREFIX}preview.mp4",
    poster=f"{PREFIX}poster.jpg",
    duration_ms=15_040,
    rungs=(
        Rung(
            width=416,
            height=234,
            bandwidth=289_160,
            average_bandwidth=271_000,
            codecs="avc1.64000d,mp4a.40.2",
            frame_rate=29.97,
        ),
    ),
    size=1_000_557,
    captions=("en",),
)
JOB = f"{CREATIVE_ID}-6fac3f80-1"
CREATIVE: tuple[tuple[type[Event], dict[str, Any]], ...] = (
    (
        creative.CreativeDiscovered,
        {
            "kind": "registered",
            "identity": "acme ad-id.org DEMO0001000H",
            "broker": "acme",
            "media_url": "https://films.example/demo.mp4?x=1",
            "media_type": "video/mp4",
            "captions": (
                CaptionLink(
                    language="en", media_type="text/srt", url="https://films.example/demo.srt"
                ),
            ),
            "ad": AdFacts(
                ad_id="ad-1",
                ad_system="Acme",
                title="Küche",
                advertiser="Acme",
                campaign="spring",
                duration_ms=15_000,
            ),
            "by": "broker:acme",
        },
    ),
    (
        creative.CreativeFetched,
        {
            "content": SHA256,
            "size": 4_500_000,
            "original": f"originals/{SHA256}",
            "source": SOURCE,
            "captions": (
                Caption(language="en", media_type="text/srt", key=f"originals/{SHA256[::-1]}"),
            ),
        },
    ),
    (creative.CreativeLinked, {"creative_id": CREATIVE_ID[::-1], "content": SHA256}),
    (creative.JobSubmitted, {"job_id": JOB, "ladder": "6fac3f80", "attempt": 1}),
    (creative.JobProgressed, {"job_id": JOB, "stage": creative.Stage.TRANSCODING}),
    (creative.TranscodingCompleted, {"job_id": JOB, "rendition": RENDITION}),
    (
        creative.TranscodingFailed,
        {
            "during": "transcoding",
            "attempt": 2,
            "error": "render_timed_out",
            "detail": "too slow",
            "vast_code": 405,
            "retry_at": AT + timedelta(minutes=2),
        },
    ),
    (creative.TranscodingCanceled, {"job_id": JOB, "by": OPERATOR}),
    (creative.TranscodingRequested, {"ladder": "6fac3f80", "by": OPERATOR}),
    (creative.CreativeQuarantined, {"reason": "undecodable", "by": "platform"}),
    (creative.CreativeReleased, {"by": OPERATOR}),
)
BROKER_CONFIG = broker.BrokerConfig(
    url="https://ads.example/vast?cb=[CACHEBUSTING]",
    slate="https://films.example/slate.mp4",
    prices=(broker.PriceRule(match="any", cpm=Decimal("8.50"), currency="EUR"),),
)
ENTRY = blocklist.Entry(kind="advertiser", value="Acme")


def _media(stream: str, event_type: type[Event], version: int, **fields: Any) -> Event:
    return event_type(originator_id=stream, originator_version=version, timestamp=AT, **fields)


def _of_account(category: str, rows: tuple[tuple[type[Event], dict[str, Any]], ...]) -> list[Event]:
    return [
        _media(f"{category}-{ACCOUNT_ID}", event_type, version, account_id=ACCOUNT_ID, **fields)
        for version, (event_type, fields) in enumerate(rows, 1)
    ]


EXAMPLES: tuple[Event, ...] = (
    _device(
        device.DeviceClaimed,
        1,
        account_id="01KA0000000000000000000009",
        name="Küche 💡",
        kind=next(iter(DeviceKind)),
        capabilities=KINDS[next(iter(DeviceKind))],
    ),
    _device(device.DeviceRenamed, 2, name="Kitchen", account_id="01KA0000000000000000000009"),
    _device(device.DeviceReportedLost, 3, by="token:01KA0000000000000000000003"),
    _device(device.DeviceReleased, 4, by="token:01KA0000000000000000000003"),
    _lane(lane.LaneOpened, 1, account_id="01KA0000000000000000000009", device_version=1),
    _lane(
        rc.RemoteCommandAccepted,
        2,
        number=2,
        step=1,
        account_id="01KA0000000000000000000009",
        client_id="01KA0000000000000000000003",
        command="LevelControl.MoveToLevel",
        args={"level": 128, "transition_time": 1.5, "tags": ["a", None, {"deep": True}]},
        expires_at=AT + timedelta(seconds=60),
        execution_timeout=30,
        collapse_key="level",
        idempotency_key="6b86b273ff34fce19d6b804eff5a3f57",
        body_hash="d4735e3a265e16eee03f59718b9b5d03",
    ),
    _lane(
        rc.RemoteCommandSent,
        3,
        number=2,
        step=2,
        session="01KA0000000000000000000004",
        attempt=1,
        deadline=AT + timedelta(seconds=30),
    ),
    _lane(rc.RemoteCommandDelivered, 4, number=2, step=3),
    _lane(rc.RemoteCommandProgressed, 5, number=2, step=4, percent=40, detail="moving"),
    _lane(rc.RemoteCommandSucceeded, 6, number=2, step=5, result={"level": 128}),
    _lane(rc.RemoteCommandFailed, 7, number=2, step=5, error="stuck", detail="motor", late=True),
    _lane(rc.RemoteCommandRejected, 8, number=2, step=5, error="busy"),
    _lane(rc.RemoteCommandTimedOut, 9, number=2, step=5),
    _lane(rc.RemoteCommandExpired, 10, number=2, step=2),
    _lane(rc.RemoteCommandCanceled, 11, number=2, step=2, by="platform", reason="released"),
    _lane(rc.RemoteCommandSuperseded, 12, number=2, step=2, by_number=7),
    _lane(lane.LaneClosed, 13, reason="released"),
    *(
        event_type(
            originator_id=f"departure-{ACCOUNT_ID}",
            originator_version=version,
            timestamp=AT,
            account_id=ACCOUNT_ID,
            **fields,
        )
        for version, (event_type, fields) in enumerate(DEPARTURE, 1)
    ),
    *(
        event_type(
            originator_id=f"forgetting-{ACCOUNT_ID}",
            originator_version=version,
            timestamp=AT,
            account_id=ACCOUNT_ID,
            **fields,
        )
        for version, (event_type, fields) in enumerate(FORGETTING, 1)
    ),
    *_of_account("account", ACCOUNT),
    *_of_account("sessions", SESSIONS),
    _media(f"email-{EMAIL_HASH}", email_address.EmailReserved, 1, account_id=ACCOUNT_ID),
    _media(f"email-{EMAIL_HASH}", email_address.EmailReleased, 2, account_id=ACCOUNT_ID),
    _media(
        "mail-01KA0000000000000000000006",
        mail.MailRequested,
        1,
        kind="sign_in_notice",
        account_id=ACCOUNT_ID,
    ),
    *(
        event_type(
            originator_id="client-alexa",
            originator_version=version,
            timestamp=AT,
            client_id="alexa",
            by="cli:root",
            **fields,
        )
        for version, (event_type, fields) in enumerate(CLIENT, 1)
    ),
    *(
        event_type(
            originator_id=f"grants-{ACCOUNT_ID}",
            originator_version=version,
            timestamp=AT,
            account_id=ACCOUNT_ID,
            **fields,
        )
        for version, (event_type, fields) in enumerate(GRANTS, 1)
    ),
    *(
        event_type(originator_id=stream, originator_version=version, timestamp=AT, **fields)
        for stream, events in HOMES
        for version, (event_type, fields) in enumerate(events, 1)
    ),
    *(
        _media(f"creative-{CREATIVE_ID}", event_type, version, **fields)
        for version, (event_type, fields) in enumerate(CREATIVE, 1)
    ),
    _media(f"content-{SHA256}", content.ContentClaimed, 1, creative_id=CREATIVE_ID),
    _media("broker-acme", broker.BrokerConfigured, 1, config=BROKER_CONFIG, by=OPERATOR),
    _media("broker-acme", broker.BrokerRetired, 2, by=OPERATOR),
    _media("blocklist-all", blocklist.EntryBlocked, 1, entry=ENTRY, reason="unfair", by=OPERATOR),
    _media("blocklist-all", blocklist.EntryUnblocked, 2, entry=ENTRY, by=OPERATOR),
)


def recorded(event: Event) -> Recorded:
    return Recorded(event, CONTEXT, commit_token="")


def golden_file(topic: str, class_version: int, *, sealed: bool = False) -> Path:
    return GOLDEN / f"{topic}.v{class_version}{'.sealed' if sealed else ''}.json"


SEALED = [event.TOPIC for event in EXAMPLES if personal_fields(type(event))]
"""Types with personal fields. A golden file without ``sealed`` shows the form from before."""
SEALED_LATER = {device.DeviceClaimed.TOPIC, device.DeviceRenamed.TOPIC}
"""Those that were released before personal fields were sealed."""
NEVER_PLAIN = set(SEALED) - SEALED_LATER
BEFORE_SEALING = {
    event.TOPIC: event.model_copy(update={"account_id": None})
    for event in EXAMPLES
    if isinstance(event, device.DeviceRenamed)
}


def write_missing() -> None:
    for event in EXAMPLES:
        has_personal = event.TOPIC in SEALED
        path = golden_file(event.TOPIC, event.class_version, sealed=has_personal)
        if not path.exists():
            options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
            stored = sealed(recorded(event))
            path.write_bytes(orjson.dumps(to_cloud_event(stored), option=options))


if __name__ == "__main__":
    write_missing()
