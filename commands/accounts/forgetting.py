"""Ask for an account to be forgotten, cancel that, and what the platform does when the time comes.

The order of it all: the waiting time ends (policy ``forgetting``), tokens are revoked, memberships
end, the account is closed (nobody signs in any more, its secrets are deleted, its address is free),
the devices context releases what the account owns and says so, the data key is destroyed (policy
``erasure``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from commands.accounts.grant_endings import end_grants
from commands.accounts.homes import EndMemberships
from commands.accounts.sign_in_sessions import PREFIX as SESSION
from commands.accounts.token_states import Revocations
from commands.accounts.tokens import ACCOUNT, revoke_tokens_of
from commands.kernel.dispatch import Dispatcher, Unit
from commands.kernel.policy import Action, Cancel, Policy, PolicyState, Schedule, Send, Timeout
from commands.kernel.ports import Keyring, Vault
from domain.accounts import account as accounts
from domain.accounts import email_address, forgetting, sessions
from domain.accounts.account import ACCOUNT as PERSON
from domain.accounts.email_address import EMAIL_ADDRESS
from domain.accounts.forgetting import (
    FORGETTING,
    Forgetting,
    ForgettingCanceled,
    ForgettingRequested,
    ForgettingStarted,
    ForgettingStatus,
)
from domain.accounts.grants import Because
from domain.accounts.sessions import SESSIONS
from domain.kernel.event import Event, id_of
from domain.kernel.recorded import Context

WAITING_TIME = "waiting time"
LOOK_AGAIN = timedelta(minutes=1)
SECRETS = ("password#", "totp#", "totp-enrolment#", "recovery#")
"""Items of the vault that an account has one of."""
PASSKEY = "passkey#"
SINCE = datetime(2026, 11, 25, tzinfo=UTC)


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    account_id: str = Field(pattern=ACCOUNT.pattern)


class RequestForgetting(Message):
    after: timedelta = Field(ge=timedelta(0), le=timedelta(days=365))


class CancelForgetting(Message):
    pass


class StartForgetting(Message):
    pass


class RevokeTokens(Message):
    pass


class CloseAccount(Message):
    pass


class FinishForgetting(Message):
    pass


async def request_forgetting(unit: Unit, message: RequestForgetting) -> Forgetting:
    state = await unit.load(FORGETTING, message.account_id)
    events = forgetting.request(
        state,
        account_id=message.account_id,
        due_at=unit.at + message.after,
        by=unit.context.principal,
        at=unit.at,
    )
    return _decided(unit, state, events)


async def cancel_forgetting(unit: Unit, message: CancelForgetting) -> Forgetting:
    """Raises ``ForgettingHasStarted``."""
    state = await unit.load(FORGETTING, message.account_id)
    by = unit.context.principal
    events = forgetting.cancel(state, account_id=message.account_id, by=by, at=unit.at)
    return _decided(unit, state, events)


async def start_forgetting(unit: Unit, message: StartForgetting) -> Forgetting:
    state = await unit.load(FORGETTING, message.account_id)
    return _decided(unit, state, forgetting.start(state, account_id=message.account_id, at=unit.at))


async def close_account(unit: Unit, message: CloseAccount) -> None:
    """Nobody signs in from here on. An account by tokens alone has nothing to be closed."""
    account_id = message.account_id
    account = await unit.load(PERSON, account_id)
    if not account.is_open:
        return
    address = await unit.load(EMAIL_ADDRESS, account.email_hash)
    signed_in = await unit.load(SESSIONS, account_id)
    unit.append(account, accounts.close(account, at=unit.at))
    unit.append(address, email_address.release(address, account_id=account_id, at=unit.at))
    unit.append(signed_in, sessions.close(signed_in, account_id=account_id, at=unit.at))
    for kind in SECRETS:
        unit.write_vault(kind + account_id, None)
    for passkey in account.passkeys:
        unit.write_vault(PASSKEY + passkey.credential_id, None)
    for session in signed_in.live:
        unit.write_vault(SESSION + session.session_id, None)


def _decided(unit: Unit, state: Forgetting, events: Sequence[Event]) -> Forgetting:
    unit.append(state, events)
    for event in events:
        state = FORGETTING.fold(state, event)
    return state


class Eraser:
    """What is done outside of the account's stream. Each may be done again."""

    def __init__(
        self,
        *,
        vault: Vault,
        keyring: Keyring,
        dispatcher: Dispatcher,
        revocations: Revocations,
    ) -> None:
        self._vault = vault
        self._revocations = revocations
        self._keyring = keyring
        self._dispatcher = dispatcher

    async def revoke_tokens(self, context: Context, message: RevokeTokens) -> None:
        await self._revoke(context, message.account_id)

    async def _revoke(self, context: Context, account_id: str) -> None:
        await revoke_tokens_of(self._vault, account_id, revocations=self._revocations)
        await end_grants(
            self._dispatcher,
            self._revocations,
            context,
            account_id,
            which=lambda _: True,
            reason=Because.FORGOTTEN,
        )

    async def close(self, context: Context, message: CloseAccount) -> None:
        """Only one whose forgetting has started."""

        async def decide(unit: Unit) -> None:
            state = await unit.load(FORGETTING, message.account_id)
            if state.status == ForgettingStatus.STARTED:
                await close_account(unit, message)

        await self._dispatcher.execute(context, decide)

    async def finish(self, context: Context, message: FinishForgetting) -> None:
        """The key goes first: who is recorded as forgotten is so. Only one that was started."""

        async def decide(unit: Unit) -> None:
            state = await unit.load(FORGETTING, message.account_id)
            events = forgetting.finish(state, account_id=message.account_id, at=unit.at)
            if events:
                await self._revoke(context, message.account_id)
                await close_account(unit, CloseAccount(account_id=message.account_id))
                await self._keyring.destroy(message.account_id)
            unit.append(state, events)

        await self._dispatcher.execute(context, decide)


class Waiting(PolicyState):
    """``due_at``: of the last request. ``stands``: it was neither canceled nor started."""

    due_at: datetime | None = None
    stands: bool = False


def fold(waiting: Waiting, event: Event) -> Waiting:
    if isinstance(event, ForgettingRequested):
        return Waiting(due_at=event.due_at, stands=True)
    return Waiting(due_at=waiting.due_at)


def react(waiting: Waiting, event: Event) -> Sequence[Action]:
    match event:
        case ForgettingRequested():
            return [Schedule(WAITING_TIME, event.due_at)]
        case ForgettingCanceled() if waiting.due_at:
            return [Cancel(WAITING_TIME, waiting.due_at)]
        case ForgettingStarted():
            return [
                Send(RevokeTokens(account_id=event.account_id), must=True),
                Send(EndMemberships(account_id=event.account_id), must=True),
                Send(CloseAccount(account_id=event.account_id), must=True),
            ]
        case _:
            return ()


def on_timeout(waiting: Waiting, timeout: Timeout) -> Sequence[Action]:
    """The stream decides whether it is time. Clocks differ, so look again until it has started."""
    if not waiting.stands or waiting.due_at is None or timeout.due_at < waiting.due_at:
        return ()
    account_id = id_of(timeout.stream)
    return [
        Send(StartForgetting(account_id=account_id), must=True),
        Schedule(WAITING_TIME, timeout.due_at + LOOK_AGAIN),
    ]


FORGETTING_POLICY = Policy(
    "forgetting", FORGETTING.category, SINCE, Waiting, fold, react, on_timeout
)


class DepartureCompleted(BaseModel):
    """``devices.departure_completed``, as far as this context needs it."""

    account_id: str


def react_to_departure(_: PolicyState, event: Event) -> Sequence[Action]:
    if event.TOPIC != "devices.departure_completed":
        return ()
    gone = DepartureCompleted.model_validate(event, from_attributes=True)
    return [
        Send(EndMemberships(account_id=gone.account_id), must=True),
        Send(FinishForgetting(account_id=gone.account_id), must=True),
    ]


ERASURE = Policy(
    "erasure",
    "departure",
    SINCE,
    PolicyState,
    lambda state, _: state,
    react_to_departure,
)
