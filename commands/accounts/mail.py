"""Mails: asked for in the commit of what they tell about, and sent from the outbox.

To whom and with what goes into the vault, for a mail may hold a link's secret; the event says only
that there is one. Whoever sends it deletes the item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from commands.accounts.addresses import folded
from commands.accounts.attempts import Attempts, Limit, TooManyAttempts
from commands.kernel.dispatch import Unit
from commands.kernel.policy import Action, Emit, Policy, PolicyState
from commands.kernel.ports import Ids
from domain.accounts import mail
from domain.accounts.mail import MAIL, MailRequested
from domain.kernel.event import Event, id_of

KIND = "mail"
PREFIX = "mail#"
LIFETIME = timedelta(hours=24)
"""A mail that could not be sent for so long is dropped."""
TO_ADDRESS = Limit("mail-to", 5, 60 * 60)
"""To an address that asked for nothing, as far as we know. More are left out without a word:
telling would tell strangers what others do."""
INVITATIONS = Limit("invitations", 50, 24 * 60 * 60)
"""Of a home, withdrawn or not."""
SINCE = datetime(2026, 11, 25, tzinfo=UTC)

MailKind = Literal[
    "sign_up",
    "already_registered",
    "password_reset",
    "no_account",
    "password_changed",
    "email_change",
    "email_change_taken",
    "email_change_requested",
    "email_changed",
    "totp_enabled",
    "totp_disabled",
    "recovery_codes_issued",
    "recovery_code_used",
    "passkey_added",
    "passkey_removed",
    "sign_in_notice",
    "codes_locked",
    "deletion_requested",
    "deletion_canceled",
    "invitation",
]


class MailItem(BaseModel):
    """The vault's part. ``parameters``: of the template, by name."""

    model_config = ConfigDict(frozen=True)

    to: str = Field(repr=False)
    kind: MailKind
    parameters: dict[str, str] = Field(repr=False)
    expires_at: AwareDatetime


async def request_mail(
    unit: Unit,
    ids: Ids,
    kind: MailKind,
    *,
    to: str,
    parameters: Mapping[str, str] | None = None,
    account_id: str | None = None,
    lifetime: timedelta = LIFETIME,
) -> str:
    """With the unit's commit; its id. ``account_id``: whose mail it is, where there is one."""
    mail_id = ids.new()
    state = await unit.load(MAIL, mail_id)
    unit.append(state, mail.request(state, kind=kind, account_id=account_id, at=unit.at))
    item = MailItem(
        to=to, kind=kind, parameters=dict(parameters or {}), expires_at=unit.at + lifetime
    )
    unit.write_vault(PREFIX + mail_id, item.model_dump(mode="json"))
    return mail_id


async def may_be_sent(attempts: Attempts, address: str) -> bool:
    """Counts a mail to an address that may be a stranger's: whoever asks for it, and as what."""
    try:
        await attempts.take(TO_ADDRESS, folded(address))
    except TooManyAttempts:
        return False
    return True


def react(_: PolicyState, event: Event) -> Sequence[Action]:
    if not isinstance(event, MailRequested):
        return ()
    return [Emit(KIND, {"mail_id": id_of(event.originator_id)})]


MAIL_POLICY = Policy("mail", MAIL.category, SINCE, PolicyState, lambda state, _: state, react)


def spelled(time: datetime) -> str:
    """For a person to read."""
    return time.astimezone(UTC).strftime("%d %B %Y, %H:%M UTC")
