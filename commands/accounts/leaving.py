"""Deleting one's account: asked for, waited with, and called off by signing in again."""

from __future__ import annotations

from datetime import datetime

from commands.accounts import forgetting
from commands.accounts.entering import tell
from commands.accounts.forgetting import CancelForgetting, RequestForgetting
from commands.accounts.mail import spelled
from commands.accounts.parts import Parts
from commands.accounts.sign_in_sessions import SignedIn
from commands.kernel.dispatch import Unit
from domain.accounts.account import ACCOUNT
from domain.accounts.forgetting import FORGETTING, Forgetting, ForgettingStatus
from domain.kernel.recorded import Context


async def ask_for_deletion(parts: Parts, context: Context, signed_in: SignedIn) -> datetime:
    """When it begins; until then everything works. Raises ``SignInTooOld``."""
    signed_in.require_recent(parts.clock.now())
    message = RequestForgetting(account_id=signed_in.account_id, after=parts.deletion_waits)

    async def decide(unit: Unit) -> datetime:
        account = await unit.load(ACCOUNT, signed_in.account_id)
        account.require_open()
        state = await forgetting.request_forgetting(unit, message)
        due_at = state.due_at or unit.at
        if unit.appends:
            await tell(unit, parts, account, "deletion_requested", due=spelled(due_at))
        return due_at

    due_at, _ = await parts.dispatcher.execute(context, decide)
    return due_at


async def call_off_deletion(parts: Parts, context: Context, signed_in: SignedIn) -> None:
    """Raises ``ForgettingHasStarted``."""
    message = CancelForgetting(account_id=signed_in.account_id)

    async def decide(unit: Unit) -> None:
        account = await unit.load(ACCOUNT, signed_in.account_id)
        await forgetting.cancel_forgetting(unit, message)
        if unit.appends:
            await tell(unit, parts, account, "deletion_canceled")

    await parts.dispatcher.execute(context, decide)


async def deletion_due(parts: Parts, account_id: str) -> datetime | None:
    """When the account's deletion begins, None while nobody has asked for it."""
    state: Forgetting = (await parts.repository.load(FORGETTING, account_id)).state
    return state.due_at if state.status == ForgettingStatus.REQUESTED else None
