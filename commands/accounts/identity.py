"""What an account's owner changes about it: the password, and the e-mail address."""

from __future__ import annotations

from commands.accounts.addresses import normalise
from commands.accounts.attempts import Limit
from commands.accounts.entering import begin, tell
from commands.accounts.links import make_link, use
from commands.accounts.mail import MailKind, request_mail
from commands.accounts.parts import Parts, carry_out
from commands.accounts.passwords import prove, write_password, wrong
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
) -> None:
    """All other sessions end. Raises ``WrongCredentials``, ``WeakPassword``, ``TooManyAttempts``,
    ``Busy``."""
    account_id = signed_in.account_id
    account = await parts.account(account_id)
    accepted = parts.rules.accept(new, email=account.email)
    attempt = await begin(parts, visitor, account_id=account_id, key=account.email_hash)
    proved = await prove(parts, account_id, current)
    if proved is None:
        attempt.failed(parts, context)
        raise wrong()
    await attempt.succeeded(parts)
    hashed = await parts.passwords.hash(accepted)

    async def decide(unit: Unit) -> None:
        state = await unit.load(ACCOUNT, account_id)
        await proved.require_unchanged(parts)
        carry_out(
            unit,
            ACCOUNT,
            state,
            lambda after: accounts.set_password(after, how="change", at=unit.at),
        )
        await write_password(unit, parts, account_id, hashed)
        await end_sessions(unit, account_id, None, "password_changed", but=signed_in.session_id)
        await tell(unit, parts, state, "password_changed")

    await parts.dispatcher.execute(context, decide)


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

    async def decide(unit: Unit) -> None:
        account = await unit.load(ACCOUNT, account_id)
        if account.require_open() and account.email == address:
            return
        reserved = await unit.load(EMAIL_ADDRESS, parts.keys.email_hash(address))
        taken = reserved.account_id not in (None, account_id)
        link = make_link(
            unit, "email", base_url=parts.public_url, email=address, account_id=account_id
        )
        parameters = {"link": f"{parts.public_url}/signin" if taken else link}
        kind: MailKind = "email_change_taken" if taken else "email_change"
        await request_mail(unit, parts.ids, kind, to=address, parameters=parameters)
        await tell(unit, parts, account, "email_change_requested")

    await parts.dispatcher.execute(context, decide)


async def confirm_email_change(parts: Parts, context: Context, *, token: str) -> str:
    """The account whose address it is now: the new one reserved and the old one free, in one
    commit. Raises ``InvalidLink``, ``EmailTaken``, ``AccountNotFound``."""

    async def decide(unit: Unit) -> str:
        link = await use(unit, parts.vault, token, "email")
        account = await unit.load(ACCOUNT, str(link.account_id))
        account_id = account.require_open()
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
