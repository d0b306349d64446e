"""``/device``: a device without a keyboard shows a code (RFC 8628 section 3.3)."""

from __future__ import annotations

from fastapi import Response

from adapters.inbound.http.accounts import words
from adapters.inbound.http.accounts.visit import Visit
from adapters.inbound.http.limits import network_of
from commands.accounts.oauth import devices
from commands.accounts.oauth.devices import DeviceRequest
from commands.accounts.oauth.errors import UserCodeNotFound
from commands.accounts.oauth.scopes import to_be_told

LONGEST = 20
UNKNOWN = "No device waits with this code. Look whether it still shows the same."


async def show(visit: Visit) -> Response:
    """The code of a link (``verification_uri_complete``) is only filled in: looking it up is an
    attempt, and agreeing takes another page."""
    return visit.page(
        "device.html", user_code=visit.request.query_params.get("user_code", "")[:LONGEST]
    )


async def look_up(visit: Visit, user_code: str) -> DeviceRequest:
    return await devices.look_up(
        visit.pages.oauth,
        user_code,
        account_id=visit.me.account_id,
        network=network_of(visit.visitor.address),
    )


async def ask(visit: Visit) -> Response:
    try:
        request = await look_up(visit, visit.field("user_code")[:LONGEST])
    except UserCodeNotFound:
        code = visit.field("user_code")[:LONGEST]
        return visit.page("device.html", user_code=code, errors={"user_code": UNKNOWN})
    account = await visit.pages.accounts.account(visit.me.account_id)
    return visit.page(
        "device_confirm.html",
        client=request.client.config.name,
        scopes=words.scopes_in_words(to_be_told(request.client.config, request.scopes)),
        user_code=request.user_code,
        email=account.email,
        here="/device",
    )


async def decide(visit: Visit) -> Response:
    try:
        request = await look_up(visit, visit.field("user_code")[:LONGEST])
        if visit.field("decision") != "approve":
            await devices.deny(visit.pages.oauth, request)
            return visit.see_other("/device/done", answer="no")
        await devices.approve(visit.pages.oauth, request, visit.me)
    except UserCodeNotFound:
        return visit.page("device.html", user_code="", errors={"user_code": UNKNOWN})
    return visit.see_other("/device/done", answer="yes")


async def done(visit: Visit) -> Response:
    heading, text = "Connected", "You can go on at your device. It needs a few seconds."
    if visit.request.query_params.get("answer") != "yes":
        heading, text = "Not connected", "The device was told no, and has no access."
    return visit.page("device_done.html", heading=heading, text=text)
