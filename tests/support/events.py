"""One example of every event type, and the golden files made from them.

A golden file is the CloudEvent of a released event version, frozen with the release. Write the
files of new types or versions with ``python -m tests.support.events``; it changes no existing one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from adapters.outbound.dynamodb.codec import to_cloud_event
from domain.accounts import forgetting
from domain.devices import departure, device, lane
from domain.devices import remote_command as rc
from domain.devices.capabilities import KINDS, DeviceKind
from domain.kernel.event import Event
from domain.kernel.personal import personal_fields
from domain.kernel.recorded import Context, Recorded
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
)


def recorded(event: Event) -> Recorded:
    return Recorded(event, CONTEXT, commit_token="")


def golden_file(topic: str, class_version: int, *, sealed: bool = False) -> Path:
    return GOLDEN / f"{topic}.v{class_version}{'.sealed' if sealed else ''}.json"


SEALED = [event.TOPIC for event in EXAMPLES if personal_fields(type(event))]
"""Types with personal fields. A golden file without ``sealed`` shows the form from before."""
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
