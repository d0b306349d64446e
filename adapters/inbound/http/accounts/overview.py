"""``/account``: who one is here, whether all is well, and the last sign-ins."""

from __future__ import annotations

from datetime import timedelta

from fastapi import Response

from adapters.inbound.http.accounts import sessions, words
from adapters.inbound.http.accounts.visit import Visit
from commands.accounts.leaving import deletion_due
from domain.accounts.account import Account

LAST = 5
RECENTLY = timedelta(days=7)
FEW_CODES = 3
Concern = tuple[str, str, str]
"""What is the matter, and where something can be done about it, by address and name."""


async def show(visit: Visit) -> Response:
    account = await visit.pages.accounts.account(visit.me.account_id)
    return visit.page(
        "account.html",
        email=account.email,
        registered_at=account.registered_at,
        ways=ways_in_words(account),
        sessions=(await sessions.shown(visit))[:LAST],
        warnings=await warnings(visit, account),
    )


def ways_in_words(account: Account) -> str:
    ways = ["password"]
    if account.totp:
        ways.append("codes of an app")
    if account.passkeys:
        count = len(account.passkeys)
        ways.append("a passkey" if count == 1 else f"{count} passkeys")
    return ", ".join(ways)


async def warnings(visit: Visit, account: Account) -> list[Concern]:
    """The gravest first."""
    found: list[Concern] = []
    if account.passkeys_to_review:
        text = (
            "Your password was reset. Passkeys from before still open this account: remove every"
            " one that you do not know."
        )
        found.append((text, "/account/security", "Review your passkeys"))
    due_at = await deletion_due(visit.pages.accounts, visit.me.account_id)
    if due_at is not None:
        text = f"Your account will be deleted on {words.moment(due_at)}."
        found.append((text, "/account/data", "Keep it"))
    if account.failed_at is not None and visit.now - account.failed_at < RECENTLY:
        when = words.ago(account.failed_at, visit.now)
        text = f"Somebody tried to sign in with a wrong password {when}."
        found.append((text, "/account/sessions", "Look at your sessions"))
    if account.totp and account.recovery_codes_left <= FEW_CODES:
        text = f"You have {account.recovery_codes_left} recovery codes left."
        found.append((text, "/account/security", "Make new ones"))
    if not account.totp and not account.passkeys:
        text = "Only a password stands between others and your home."
        found.append((text, "/account/security", "Add a passkey or an app"))
    return found
