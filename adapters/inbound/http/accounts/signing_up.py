"""Sign up, and get back in: an address, a mail, a link, a password.

Whoever asks gets the same page, whether or not the address has an account. A link's page changes
nothing until its button is pressed.
"""

from __future__ import annotations

from fastapi import Response

from adapters.inbound.http.accounts.visit import Visit
from adapters.inbound.http.accounts.wording import AT_LEAST, WEAK, WRONG_ADDRESS
from commands.accounts.oauth.grants import revoke_own_apps, revoke_with_sessions
from commands.accounts.password_rules import WeakPassword
from commands.accounts.signing_up import (
    Wanted,
    ask_for_link,
    confirm_sign_up,
    look_at_link,
    reset_password,
)
from domain.accounts.email_address import EmailTaken
from domain.kernel.errors import InvalidInput


async def show_sign_up(visit: Visit) -> Response:
    return visit.page("signup.html", email="")


async def sign_up(visit: Visit) -> Response:
    return await _ask(visit, "sign_up", "signup.html")


async def show_forgotten(visit: Visit) -> Response:
    return visit.page("forgot.html", email="")


async def forgotten(visit: Visit) -> Response:
    return await _ask(visit, "reset", "forgot.html")


async def _ask(visit: Visit, wanted: Wanted, template: str) -> Response:
    email = visit.field("email")[:254]
    try:
        await ask_for_link(
            visit.pages.accounts,
            visit.context,
            wanted,
            email=email,
            visitor=visit.visitor,
            return_to=visit.return_to or None,
        )
    except InvalidInput:
        return visit.page(template, email=email, errors={"email": WRONG_ADDRESS})
    return visit.see_other("/mail-sent", of=wanted)


async def show_sent(visit: Visit) -> Response:
    """Says nothing of the address: it is nobody's answer in particular."""
    again = "/password/forgot" if visit.request.query_params.get("of") == "reset" else "/signup"
    return visit.page(
        "sent.html",
        text="We have sent a link to your address. Follow it to go on.",
        again=again,
        outbox=visit.pages.outbox is not None,
    )


async def show_confirm(visit: Visit) -> Response:
    token = visit.request.query_params.get("token", "")
    return await _choose(visit, token)


async def _choose(visit: Visit, token: str, errors: dict[str, str] | None = None) -> Response:
    link = await look_at_link(visit.pages.accounts, token, "sign_up")
    return visit.page(
        "confirm.html", email=link.email, link=token, password_hint=AT_LEAST, errors=errors
    )


async def confirm(visit: Visit) -> Response:
    token = visit.field("token")
    try:
        entered = await confirm_sign_up(
            visit.pages.accounts,
            visit.context,
            token=token,
            password=visit.field("password"),
            visitor=visit.visitor,
        )
    except WeakPassword as weak:
        return await _choose(visit, token, {"password": WEAK[weak.extra["reason"]]})
    except EmailTaken:
        return visit.see_other("/signin", done="already")
    await visit.enter(entered)
    return visit.go_on(entered.return_to)


async def show_reset(visit: Visit) -> Response:
    return await _choose_new(visit, visit.request.query_params.get("token", ""))


async def _choose_new(visit: Visit, token: str, errors: dict[str, str] | None = None) -> Response:
    link = await look_at_link(visit.pages.accounts, token, "reset")
    return visit.page(
        "reset.html", email=link.email, link=token, password_hint=AT_LEAST, errors=errors
    )


async def reset(visit: Visit) -> Response:
    token = visit.field("token")
    oauth, context = visit.pages.oauth, visit.context

    async def end_grants(account_id: str) -> None:
        await revoke_own_apps(oauth, context, account_id)
        await revoke_with_sessions(oauth, context, account_id)

    try:
        await reset_password(
            visit.pages.accounts,
            visit.context,
            token=token,
            password=visit.field("password"),
            visitor=visit.visitor,
            end_own_apps=end_grants,
        )
    except WeakPassword as weak:
        return await _choose_new(visit, token, {"password": WEAK[weak.extra["reason"]]})
    return visit.see_other("/signin", done="password-reset")
