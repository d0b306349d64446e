"""What all ways of signing in end with, and the limits that they begin with.

Strangers' attempts are counted by address, those of a known browser by browser: whoever guesses
passwords locks out strangers, not the owner. Codes are counted by account alone: whoever guesses
them has the password. The account hears of the first failure of a burst and of a lock, after the
answer, so that its time does not tell whether there is an account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from commands.accounts.attempts import Attempt, Limit
from commands.accounts.known_browsers import known_browser, with_account
from commands.accounts.mail import MailKind, request_mail, spelled
from commands.accounts.parts import Parts, carry_out
from commands.accounts.passwords import held_password, mark_of
from commands.accounts.sign_in_sessions import SignedIn, Visitor, start_session
from commands.kernel.dispatch import Unit
from domain.accounts import account as accounts
from domain.accounts.account import ACCOUNT, Account
from domain.kernel.event import Event
from domain.kernel.recorded import Context

WINDOW = 15 * 60
OF_STRANGERS = Limit("sign-in", 10, WINDOW)
"""By e-mail address, whether or not it has an account."""
OF_KNOWN_BROWSER = Limit("sign-in-browser", 10, WINDOW)
OF_VISITOR = Limit("sign-in-visitor", 100, WINDOW)
"""By network, over all accounts."""
OF_BOTH = Limit("sign-in-both", 120, 60 * 60)
"""By e-mail address and network; what succeeds counts too, for it costs a slow hash."""
CODES = Limit("code", 10, WINDOW)
"""By account."""
CODES_A_DAY = Limit("code-day", 50, 24 * 60 * 60)
LOCKS = (OF_STRANGERS, OF_KNOWN_BROWSER, CODES, CODES_A_DAY)
Step = Callable[[Account], list[Event]]


@dataclass(frozen=True)
class Entered:
    """``cookie``, ``device_cookie``: for the browser, to be had here and never again."""

    signed_in: SignedIn
    cookie: str = field(repr=False)
    device_cookie: str = field(repr=False)
    return_to: str | None = None


@dataclass(frozen=True)
class Try:
    """An attempt that was counted. ``account_id`` None: there is none. ``kept``: what is not given
    back for its success."""

    account_id: str | None
    attempts: tuple[Attempt, ...]
    kept: tuple[Attempt, ...] = ()

    def unless_unavailable(self, parts: Parts) -> AbstractAsyncContextManager[None]:
        return parts.attempts.unless_unavailable(*self.attempts, *self.kept)

    async def succeeded(self, parts: Parts) -> None:
        await parts.attempts.give_back(*self.attempts)

    def failed(self, parts: Parts, context: Context) -> None:
        """The account hears of it later, if it is to hear of it at all."""
        full = [one for one in self.attempts if one.is_last and one.limit in LOCKS]
        if self.account_id is not None and (full or self.attempts[-1].number == 1):
            parts.later.do(_record(parts, context, self.account_id, full))


async def begin(
    parts: Parts,
    visitor: Visitor,
    *,
    account_id: str | None,
    key: str,
    mark: str,
) -> Try:
    """``key``: what strangers' attempts are counted by. ``mark``: of the account's password.
    Raises ``TooManyAttempts``."""
    browser = None
    if account_id:
        browser = _known(parts, visitor, account_id, mark)
    take = parts.attempts.take
    by_visitor = await take(OF_VISITOR, visitor.network)
    if browser is None:
        one = await take(OF_STRANGERS, key)
    else:
        one = await take(OF_KNOWN_BROWSER, f"{account_id}.{browser}")
    both = await take(OF_BOTH, f"{key}.{visitor.network}")
    return Try(account_id, (by_visitor, one), (both,))


async def begin_code(parts: Parts, visitor: Visitor, account_id: str) -> Try:
    """Of a code. Raises ``TooManyAttempts``."""
    take = parts.attempts.take
    by_visitor = await take(OF_VISITOR, visitor.network)
    code = await take(CODES, account_id)
    return Try(account_id, (by_visitor, await take(CODES_A_DAY, account_id), code))


def _known(parts: Parts, visitor: Visitor, account_id: str, mark: str) -> str | None:
    now = parts.clock.now()
    return known_browser(parts.keys, visitor.device, account_id, mark=mark, now=now)


def knowing(parts: Parts, visitor: Visitor, account_id: str, mark: str) -> str:
    """The browser's cookie after it was shown to be the account's."""
    now = parts.clock.now()
    return with_account(parts.keys, visitor.device, account_id, mark=mark, now=now)


async def _record(parts: Parts, context: Context, account_id: str, full: Sequence[Attempt]) -> None:
    """``full``: the limits that this attempt was the last of."""
    locks = [one for one in full if one.limit is OF_STRANGERS]
    codes = [one for one in full if one.limit in (CODES, CODES_A_DAY)]

    async def decide(unit: Unit) -> None:
        state = await unit.load(ACCOUNT, account_id)
        steps: list[Step] = [lambda after: accounts.sign_in_failed(after, at=unit.at)]
        if locks:
            until = locks[0].ends_at
            steps.append(lambda after: accounts.lock(after, until=until, at=unit.at))
        carry_out(unit, ACCOUNT, state, *steps)
        if codes and state.is_open:
            over = spelled(max(one.ends_at for one in codes))
            await tell(unit, parts, state, "codes_locked", until=over)

    await parts.dispatcher.execute(context, decide)


Proof = Callable[[Unit, Account], Awaitable[tuple[tuple[str, ...], Sequence[Step]]]]
"""Writes to the vault what makes the proof good once; how they proved it (amr), and what there is
to be told. Raises ``NotPermitted``."""


async def enter(
    parts: Parts,
    context: Context,
    *,
    account_id: str,
    visitor: Visitor,
    proof: Proof,
    return_to: str | None = None,
) -> Entered:
    """A session, in the commit of its proof. A browser that is not known is told of by mail.

    Raises ``AccountNotFound`` when the account was closed.
    """
    mark = mark_of(await held_password(parts, account_id))
    known = _known(parts, visitor, account_id, mark) is not None

    async def decide(unit: Unit) -> tuple[str, SignedIn]:
        account = await unit.load(ACCOUNT, account_id)
        account.require_open()
        amr, steps = await proof(unit, account)
        carry_out(unit, ACCOUNT, account, *steps, lambda after: _unlocked(after, unit))
        started = await start_session(
            unit, ids=parts.ids, account_id=account_id, amr=amr, visitor=visitor
        )
        if not known:
            await tell(unit, parts, account, "sign_in_notice", **place_of(visitor, unit))
        return started

    (cookie, signed_in), _ = await parts.dispatcher.execute(context, decide)
    device = knowing(parts, visitor, account_id, mark)
    return Entered(signed_in, cookie, device, return_to)


def _unlocked(account: Account, unit: Unit) -> list[Event]:
    """A lock that goes on for strangers is not over because the owner signs in."""
    if account.locked_until is None or account.locked_until > unit.at:
        return []
    return accounts.unlock(account, by="sign_in", at=unit.at)


async def tell(
    unit: Unit, parts: Parts, account: Account, kind: MailKind, **parameters: str
) -> None:
    """A notice to the account's own address, with the unit's commit."""
    await request_mail(
        unit,
        parts.ids,
        kind,
        to=account.email,
        parameters={"link": f"{parts.public_url}/account/security", **parameters},
        account_id=account.account_id,
    )


def place_of(visitor: Visitor, unit: Unit) -> dict[str, str]:
    """Where and when, for a notice."""
    return {
        "at": spelled(unit.at),
        "address": visitor.address or "unknown",
        "agent": visitor.agent or "unknown",
        "country": visitor.country or "",
    }
