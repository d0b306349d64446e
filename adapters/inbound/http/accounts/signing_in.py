"""Sign in: a password, a code where there is a second factor, or a passkey; and sign out."""

from __future__ import annotations

from fastapi import Response

from adapters.inbound.http.accounts import passkeys
from adapters.inbound.http.accounts.cookies import BEFORE, PENDING, SESSION
from adapters.inbound.http.accounts.local_paths import local_path
from adapters.inbound.http.accounts.services import name_of_client
from adapters.inbound.http.accounts.visit import Visit
from adapters.inbound.http.accounts.wording import WRONG, WRONG_CODE, WRONG_PASSWORD
from commands.accounts.passwords import WrongCredentials
from commands.accounts.second_factor import WrongCode
from commands.accounts.signing_in import (
    CodeNeeded,
    PendingSignInOver,
    confirm_identity,
    enter_code,
    sign_in,
)


async def show(visit: Visit) -> Response:
    """Also to who is signed in: a client may want that to be done anew, or by another account."""
    if visit.signed_in is not None and not visit.return_to and not visit.request.query_params:
        return visit.see_other("/account")
    return await _form(visit, email=visit.request.query_params.get("login_hint", "")[:254])


async def _form(visit: Visit, *, email: str, errors: dict[str, str] | None = None) -> Response:
    return visit.page(
        "signin.html",
        script=True,
        email=email,
        errors=errors,
        to_service=await name_of_client(visit, visit.return_to),
        passkey_options=passkeys.options(visit),
    )


async def submit(visit: Visit) -> Response:
    try:
        entered = await sign_in(
            visit.pages.accounts,
            visit.context,
            email=visit.field("email"),
            password=visit.field("password"),
            visitor=visit.visitor,
            return_to=visit.return_to or None,
        )
    except WrongCredentials:
        return await _form(visit, email=visit.field("email")[:254], errors={"password": WRONG})
    if isinstance(entered, CodeNeeded):
        visit.put(PENDING, entered.pending)
        return visit.see_other("/signin/code")
    await visit.enter(entered)
    return visit.go_on(entered.return_to)


async def show_code(visit: Visit) -> Response:
    if visit.cookie(PENDING) is None:
        return visit.see_other("/signin")
    return visit.page("code.html")


async def submit_code(visit: Visit) -> Response:
    try:
        entered = await enter_code(
            visit.pages.accounts,
            visit.context,
            pending=visit.cookie(PENDING) or "",
            code=visit.field("code"),
            visitor=visit.visitor,
        )
    except WrongCode:
        return visit.page("code.html", errors={"code": WRONG_CODE})
    except PendingSignInOver:
        visit.drop(PENDING)
        return visit.see_other("/signin", done="over")
    await visit.enter(entered)
    return visit.go_on(entered.return_to)


async def submit_passkey(visit: Visit) -> Response:
    entered = await passkeys.entered(visit)
    if entered is None:
        return await _form(visit, email="", errors={"": passkeys.REFUSED})
    await visit.enter(entered)
    return visit.go_on(visit.return_to)


async def show_again(visit: Visit) -> Response:
    return await _again(visit)


async def submit_again(visit: Visit) -> Response:
    """Who is signed in shows it once more, for what is only theirs to do."""
    try:
        await confirm_identity(
            visit.pages.accounts,
            visit.context,
            visit.me,
            password=visit.field("password"),
            code=visit.field("code"),
            visitor=visit.visitor,
        )
    except WrongCredentials:
        return await _again(visit, {"password": WRONG_PASSWORD})
    except WrongCode:
        return await _again(visit, {"code": WRONG_CODE})
    return visit.go_on(visit.return_to)


async def submit_again_passkey(visit: Visit) -> Response:
    if not await passkeys.confirmed(visit):
        return await _again(visit, {"": passkeys.REFUSED})
    return visit.go_on(visit.return_to)


async def _again(visit: Visit, errors: dict[str, str] | None = None) -> Response:
    account = await visit.pages.accounts.account(visit.me.account_id)
    return visit.page(
        "again.html",
        script=True,
        email=account.email,
        totp=account.totp,
        passkey_options=passkeys.options(visit) if account.passkeys else None,
        errors=errors,
    )


async def sign_out(visit: Visit) -> Response:
    if visit.signed_in is not None:
        await visit.sign_out()
    visit.drop(SESSION)
    visit.drop(BEFORE)
    target = visit.field("return_to")
    if target:
        return visit.see_other("/signin", return_to=local_path(target))
    return visit.see_other("/signin", done="signed-out")
