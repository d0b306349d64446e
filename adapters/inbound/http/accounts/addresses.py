"""Change the e-mail address: the new one is asked for its consent."""

from __future__ import annotations

from fastapi import Response

from adapters.inbound.http.accounts.visit import Visit
from adapters.inbound.http.accounts.wording import WRONG_ADDRESS
from commands.accounts.identity import ask_for_email_change, confirm_email_change, is_askers
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
    if visit.signed_in is None or not is_askers(link, visit.signed_in):
        return _elsewhere(visit)
    account = await visit.pages.accounts.account(visit.me.account_id)
    return visit.page(
        "link.html",
        heading="Use this address?",
        text=f"From now on you sign in to the account of {account.email} with {link.email}, and our"
        " mails go there.",
        action="/email/confirm",
        button="Use this address",
        link=token,
    )


def _elsewhere(visit: Visit) -> Response:
    return visit.page(
        "error.html",
        status=403,
        heading="Open this link where you asked for it",
        text="It works in the browser that asked for the new address, as long as that stays signed"
        " in. Nothing was changed.",
        onward=("/account", "To your account"),
        reference=None,
    )


async def confirm(visit: Visit) -> Response:
    if visit.signed_in is None:
        return _elsewhere(visit)
    try:
        await confirm_email_change(
            visit.pages.accounts, visit.context, visit.me, token=visit.field("token")
        )
    except EmailTaken:
        return visit.page(
            "error.html",
            status=409,
            heading="This address is taken",
            text="It belongs to another account by now. Nothing was changed.",
            onward=("/account", "To your account"),
            reference=None,
        )
    return visit.see_other("/account", done="mail-changed")
