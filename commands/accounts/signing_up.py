"""Signing up, and getting back in: both begin with a mail to the address.

Whatever was asked for, and whether or not the address has an account, the answer is the same and so
is the work: one mail, with one link. Who signs up with an address that has an account is sent a
link to a new password; who forgot the password of an account that does not exist, one to sign up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from commands.accounts.addresses import normalise
from commands.accounts.attempts import Limit
from commands.accounts.entering import OF_STRANGERS, Entered, knowing, tell
from commands.accounts.links import Link, Purpose, look_at, make_link, use
from commands.accounts.mail import MailKind, may_be_sent, request_mail
from commands.accounts.parts import Parts, carry_out
from commands.accounts.passwords import NOBODY, held_password, mark_of, write_password
from commands.accounts.sign_in_sessions import SignedIn, Visitor, end_sessions, start_session
from commands.kernel.dispatch import Unit
from domain.accounts import account as accounts
from domain.accounts import email_address
from domain.accounts.account import ACCOUNT
from domain.accounts.email_address import EMAIL_ADDRESS, EmailTaken
from domain.kernel.recorded import Context

MAILS_FROM_VISITOR = Limit("mail-from", 30, 60 * 60)
LINKS_OF_VISITOR = Limit("link-visitor", 60, 60 * 60)
"""Passwords that are hashed for who has links, by network."""
USES_OF_LINK = Limit("link", 10, 60 * 60)
Wanted = Literal["sign_up", "reset"]
MAILS: dict[tuple[Wanted, bool], tuple[MailKind, Purpose]] = {
    ("sign_up", False): ("sign_up", "sign_up"),
    ("sign_up", True): ("already_registered", "reset"),
    ("reset", True): ("password_reset", "reset"),
    ("reset", False): ("no_account", "sign_up"),
}
"""What is wanted, and whether the address has an account: which mail, and what its link does."""


async def ask_for_link(
    parts: Parts,
    context: Context,
    wanted: Wanted,
    *,
    email: str,
    visitor: Visitor,
    return_to: str | None = None,
) -> None:
    """To the address that the account has, however it is spelled here. Raises ``InvalidInput`` for
    what is no address, ``TooManyAttempts`` by the visitor's own."""
    address = normalise(email)
    email_hash = parts.keys.email_hash(address)
    await parts.attempts.take(MAILS_FROM_VISITOR, visitor.network)
    if not await may_be_sent(parts.attempts, address):
        return

    async def decide(unit: Unit) -> None:
        holder = (await unit.load(EMAIL_ADDRESS, email_hash)).account_id
        account = await unit.load(ACCOUNT, holder or NOBODY)
        to = account.email if holder else address
        kind, purpose = MAILS[wanted, holder is not None]
        link = make_link(
            unit,
            purpose,
            base_url=parts.public_url,
            email=to,
            account_id=holder,
            email_hash=email_hash,
            mark=mark_of(await held_password(parts, holder)),
            return_to=return_to,
        )
        parameters = {"link": link}
        await request_mail(unit, parts.ids, kind, to=to, parameters=parameters, account_id=holder)

    await parts.dispatcher.execute(context, decide)


async def look_at_link(parts: Parts, token: str, purpose: Purpose) -> Link:
    """For the page that it leads to; it stays good. Raises ``InvalidLink``."""
    return await look_at(parts.vault, token, purpose, now=parts.clock.now())


async def confirm_sign_up(
    parts: Parts, context: Context, *, token: str, password: str, visitor: Visitor
) -> Entered:
    """The account, its address, its password and its first session, in one commit.

    Raises ``InvalidLink``, ``WeakPassword``, ``TooManyAttempts``, ``Busy``, and ``EmailTaken`` when
    another link of the same address was followed first.
    """
    link = await look_at_link(parts, token, "sign_up")
    accepted = parts.rules.accept(password, email=link.email)
    email_hash = parts.keys.email_hash(link.email)
    account_id = parts.ids.new()
    if await parts.holder_of(email_hash) is not None:
        raise EmailTaken("the address has an account already")
    hashed = await _hashed(parts, token, accepted, visitor)

    async def decide(unit: Unit) -> tuple[str, SignedIn, str]:
        await use(unit, parts.vault, token, "sign_up")
        address = await unit.load(EMAIL_ADDRESS, email_hash)
        unit.append(address, email_address.reserve(address, account_id=account_id, at=unit.at))
        account = await unit.load(ACCOUNT, account_id)
        carry_out(
            unit,
            ACCOUNT,
            account,
            lambda state: accounts.open_account(
                state, account_id=account_id, email=link.email, email_hash=email_hash, at=unit.at
            ),
            lambda state: accounts.set_password(state, how="sign_up", at=unit.at),
        )
        mark = write_password(unit, None, account_id, hashed)
        started = await start_session(
            unit, ids=parts.ids, account_id=account_id, amr=("pwd",), visitor=visitor
        )
        return *started, mark

    (cookie, signed_in, mark), _ = await parts.dispatcher.execute(context, decide)
    device = knowing(parts, visitor, account_id, mark)
    return Entered(signed_in, cookie, device, link.return_to)


async def _hashed(parts: Parts, token: str, password: str, visitor: Visitor) -> str:
    """A slow hash for who has a link. Raises ``TooManyAttempts``, ``Busy``."""
    by_visitor = await parts.attempts.take(LINKS_OF_VISITOR, visitor.network)
    of_link = await parts.attempts.take(USES_OF_LINK, token)
    async with parts.attempts.unless_unavailable(by_visitor, of_link):
        return await parts.passwords.hash(password)


async def reset_password(
    parts: Parts,
    context: Context,
    *,
    token: str,
    password: str,
    visitor: Visitor,
    end_own_apps: Callable[[str], Awaitable[object]],
) -> str:
    """The account that has a new password by a mail's link: all sessions end, a lock too, and the
    person signs in with it (the second factor is still asked for). No browser is known any more.

    ``end_own_apps`` (by account id) comes first: were it to come last and fail, whoever had the
    old password would stay signed in there. And it comes last, for what began meanwhile. Raises
    ``InvalidLink``, ``WeakPassword``, ``TooManyAttempts``, ``Busy``.
    """
    link = await look_at_link(parts, token, "reset")
    account_id = str(link.account_id)
    accepted = parts.rules.accept(password, email=link.email)
    before = (await parts.repository.load(ACCOUNT, account_id)).state
    before.require_open()
    link.require_standing(
        email_hash=before.email_hash, mark=mark_of(await held_password(parts, account_id))
    )
    hashed = await _hashed(parts, token, accepted, visitor)
    await end_own_apps(account_id)

    async def decide(unit: Unit) -> None:
        used = await use(unit, parts.vault, token, "reset")
        account = await unit.load(ACCOUNT, account_id)
        account.require_open()
        held = await held_password(parts, account_id)
        used.require_standing(email_hash=account.email_hash, mark=mark_of(held))
        carry_out(
            unit,
            ACCOUNT,
            account,
            lambda state: accounts.set_password(state, how="reset", at=unit.at),
            lambda state: accounts.unlock(state, by="reset", at=unit.at),
        )
        write_password(unit, held, account_id, hashed)
        await end_sessions(unit, account_id, None, "password_reset")
        await tell(unit, parts, account, "password_changed")

    await parts.dispatcher.execute(context, decide)
    await parts.attempts.forgive(OF_STRANGERS, link.email_hash)
    await end_own_apps(account_id)
    return account_id
