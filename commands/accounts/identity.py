"""What an account's owner changes about it: the password, and the e-mail address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from commands.accounts.addresses import normalise
from commands.accounts.attempts import Limit
from commands.accounts.entering import begin, knowing, tell
from commands.accounts.links import InvalidLink, Link, make_link, use
from commands.accounts.mail import MailKind, may_be_sent, request_mail
from commands.accounts.parts import Parts, carry_out
from commands.accounts.passwords import held_password, mark_of, prove, write_password, wrong
from commands.accounts.sign_in_sessions import PREFIX as SESSION
from commands.accounts.sign_in_sessions import SignedIn, Visitor, end_sessions
from commands.kernel.dispatch import Unit
from domain.accounts import account as accounts
from domain.accounts import email_address
from domain.accounts.account import ACCOUNT
from domain.accounts.email_address import EMAIL_ADDRESS
from domain.kernel.recorded import Context

EMAIL_CHANGES = Limit("email-change", 5, 60 * 60)


async def change_password(
    parts: Parts,
    context: Context,
    signed_in: SignedIn,
    *,
    current: str,
    new: str,
    visitor: Visitor,
    end_own_apps: Callable[[str], Awaitable[object]],
) -> str:
    """All other sessions end, and so do own apps (as at ``reset_password``); no other browser is
    known any more. This one's cookie, which is. Raises ``WrongCredentials``, ``WeakPassword``,
    ``TooManyAttempts``, ``Busy``."""
    account_id = signed_in.account_id
    account = await parts.account(account_id)
    accepted = parts.rules.accept(new, email=account.email)
    known = await held_password(parts, account_id)
    attempt = await begin(
        parts, visitor, account_id=account_id, key=account.email_hash, mark=mark_of(known)
    )
    async with attempt.unless_unavailable(parts):
        proved = await prove(parts, account_id, known, current)
        if proved is None:
            attempt.failed(parts, context)
            raise wrong()
        hashed = await parts.passwords.hash(accepted)
    await attempt.succeeded(parts)
    await end_own_apps(account_id)

    async def decide(unit: Unit) -> str:
        state = await unit.load(ACCOUNT, account_id)
        held = await held_password(parts, account_id)
        if mark_of(held) != proved.mark:
            raise wrong()
        carry_out(
            unit,
            ACCOUNT,
            state,
            lambda after: accounts.set_password(after, how="change", at=unit.at),
        )
        mark = write_password(unit, held, account_id, hashed)
        await end_sessions(unit, account_id, None, "password_changed", but=signed_in.session_id)
        await tell(unit, parts, state, "password_changed")
        return mark

    mark, _ = await parts.dispatcher.execute(context, decide)
    await end_own_apps(account_id)
    return knowing(parts, visitor, account_id, mark)


async def ask_for_email_change(
    parts: Parts, context: Context, signed_in: SignedIn, email: str
) -> None:
    """A link to the new address, and a notice to the old one. Whether another account has the new
    address is told to who reads its mail, not here.

    Raises ``InvalidInput``, ``SignInTooOld``, ``TooManyAttempts``.
    """
    signed_in.require_recent(parts.clock.now())
    address = normalise(email)
    account_id = signed_in.account_id
    await parts.attempts.take(EMAIL_CHANGES, account_id)
    sent = await may_be_sent(parts.attempts, address)

    async def decide(unit: Unit) -> None:
        account = await unit.load(ACCOUNT, account_id)
        if account.require_open() and account.email_hash == parts.keys.email_hash(address):
            return
        reserved = await unit.load(EMAIL_ADDRESS, parts.keys.email_hash(address))
        taken = reserved.account_id not in (None, account_id)
        link = make_link(
            unit,
            "email",
            base_url=parts.public_url,
            email=address,
            account_id=account_id,
            email_hash=account.email_hash,
            mark=mark_of(await held_password(parts, account_id)),
            session_id=signed_in.session_id,
        )
        parameters = {"link": f"{parts.public_url}/signin" if taken else link}
        kind: MailKind = "email_change_taken" if taken else "email_change"
        if sent:
            await request_mail(unit, parts.ids, kind, to=address, parameters=parameters)
        await tell(unit, parts, account, "email_change_requested")

    await parts.dispatcher.execute(context, decide)


async def confirm_email_change(
    parts: Parts, context: Context, signed_in: SignedIn, *, token: str
) -> str:
    """The account whose address it is now: the new one reserved and the old one free, in one
    commit. It takes the session that asked, with the password and the address of then.

    Raises ``InvalidLink``, ``EmailTaken``, ``AccountNotFound``.
    """
    account_id, asking = signed_in.account_id, SESSION + signed_in.session_id

    async def decide(unit: Unit) -> str:
        link = await use(unit, parts.vault, token, "email")
        account = await unit.load(ACCOUNT, account_id)
        account.require_open()
        session = await parts.vault.get(asking)
        if session is None or not is_askers(link, signed_in):
            raise InvalidLink("this link is for the browser that asked for it")
        unit.require_vault(asking, session["version"])
        mark = mark_of(await held_password(parts, account_id))
        link.require_standing(email_hash=account.email_hash, mark=mark)
        email_hash = parts.keys.email_hash(link.email)
        if email_hash == account.email_hash:
            return account_id
        new = await unit.load(EMAIL_ADDRESS, email_hash)
        old = await unit.load(EMAIL_ADDRESS, account.email_hash)
        unit.append(new, email_address.reserve(new, account_id=account_id, at=unit.at))
        unit.append(old, email_address.release(old, account_id=account_id, at=unit.at))
        carry_out(
            unit,
            ACCOUNT,
            account,
            lambda after: accounts.change_email(
                after, email=link.email, email_hash=email_hash, at=unit.at
            ),
        )
        await tell(unit, parts, account, "email_changed")
        return account_id

    account_id, _ = await parts.dispatcher.execute(context, decide)
    return account_id


def is_askers(link: Link, signed_in: SignedIn) -> bool:
    """Whether this session asked for the link."""
    asked = (link.account_id, link.session_id)
    return asked == (signed_in.account_id, signed_in.session_id)
