"""Change the e-mail address: the new one is asked for its consent."""

from __future__ import annotations

from fastapi import Response

from adapters.inbound.http.accounts.visit import Visit
from adapters.inbound.http.accounts.wording import WRONG_ADDRESS
from commands.accounts.identity import ask_for_email_change, confirm_email_change
from commands.accounts.signing_up import look_at_link
from domain.accounts.email_address import EmailTaken
from domain.kernel.errors import InvalidInput


async def show(visit: Visit) -> Response:
    return await _page(visit, "")


async def _page(visit: Visit, email: str, errors: dict[str, str] | None = None) -> Response:
    account = await visit.pages.accounts.account(visit.me.account_id)
    return visit.page("email.html", current=account.email, email=email, errors=errors)


async def submit(visit: Visit) -> Response:
    email = visit.field("email")[:254]
    try:
        await ask_for_email_change(visit.pages.accounts, visit.context, visit.me, email)
    except InvalidInput:
        return await _page(visit, email, {"email": WRONG_ADDRESS})
    return visit.see_other("/mail-sent", of="email")


async def show_confirm(visit: Visit) -> Response:
    token = visit.request.query_params.get("token", "")
    link = await look_at_link(visit.pages.accounts, token, "email")
    return visit.page(
        "link.html",
        heading="Use this address?",
        text=f"From now on you sign in with {link.email}, and our mails go there.",
        action="/email/confirm",
        button="Use this address",
        link=token,
    )


async def confirm(visit: Visit) -> Response:
    try:
        await confirm_email_change(visit.pages.accounts, visit.context, token=visit.field("token"))
    except EmailTaken:
        return visit.page(
            "error.html",
            status=409,
            heading="This address is taken",
            text="It belongs to another account by now. Nothing was changed.",
            onward=("/account", "To your account"),
            reference=None,
        )
    if visit.signed_in is None:
        return visit.see_other("/signin", done="mail-changed")
    return visit.see_other("/account", done="mail-changed")
