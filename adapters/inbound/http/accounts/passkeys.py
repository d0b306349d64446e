"""Passkeys: their options stand in the page, their answers come in a form. The script only carries
them to the browser's authenticator and back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson
from fastapi import Response

from adapters.inbound.http.accounts import words
from adapters.inbound.http.accounts.visit import Visit
from commands.accounts.entering import Entered
from commands.accounts.passkeys import (
    PasskeyRefused,
    PasskeysNeedADomain,
    begin_authentication,
    begin_registration,
    confirm_with_passkey,
    finish_registration,
    remove_passkey,
    sign_in_with_passkey,
)
from domain.accounts.account import PasskeyNotFound, TooManyPasskeys
from domain.kernel.errors import InvalidInput

REFUSED = "The passkey did not work, or it took too long. Try again, or use your password."
NOT_ADDED = "This passkey could not be added, or it took too long. Try again."
TOO_MANY = "You have as many passkeys as an account can have. Remove one first."
NO_DOMAIN = "Passkeys need a name in the address of this page, and it has only numbers."


def options(visit: Visit) -> str | None:
    """For signing in, or for who is signed in to show it again; None where the pages are at an
    address that passkeys cannot belong to."""
    again = visit.signed_in if not visit.anonymous else None
    try:
        return begin_authentication(visit.pages.accounts, again)
    except PasskeysNeedADomain:
        return None


async def entered(visit: Visit) -> Entered | None:
    try:
        return await sign_in_with_passkey(
            visit.pages.accounts, visit.context, answer(visit), visitor=visit.visitor
        )
    except (PasskeyRefused, InvalidInput):
        return None


async def confirmed(visit: Visit) -> bool:
    try:
        await confirm_with_passkey(visit.pages.accounts, visit.context, visit.me, answer(visit))
    except (PasskeyRefused, InvalidInput):
        return False
    return True


def answer(visit: Visit) -> Mapping[str, Any]:
    """What the authenticator said. Raises ``InvalidInput``."""
    try:
        credential = orjson.loads(visit.field("credential"))
    except orjson.JSONDecodeError as error:
        raise InvalidInput("the passkey's answer is no JSON") from error
    if not isinstance(credential, dict):
        raise InvalidInput("the passkey's answer is no object")
    return credential


async def show_add(visit: Visit) -> Response:
    return await _adding(visit, words.device_in_words(visit.visitor.agent))


async def _adding(visit: Visit, name: str, errors: dict[str, str] | None = None) -> Response:
    try:
        made = await begin_registration(visit.pages.accounts, visit.me)
    except PasskeysNeedADomain:
        return visit.page(
            "error.html",
            status=422,
            heading="Passkeys do not work here",
            text=NO_DOMAIN,
            onward=("/account/security", "Back"),
            reference=None,
        )
    return visit.page(
        "passkey_add.html", script=True, passkey_options=made, name=name, errors=errors
    )


async def add(visit: Visit) -> Response:
    name = visit.field("name")
    try:
        await finish_registration(
            visit.pages.accounts, visit.context, visit.me, answer(visit), name=name
        )
    except (PasskeyRefused, InvalidInput):
        return await _adding(visit, name, {"": NOT_ADDED})
    except TooManyPasskeys:
        return await _adding(visit, name, {"": TOO_MANY})
    return visit.see_other("/account/security", done="passkey-added")


async def remove(visit: Visit) -> Response:
    with suppress(PasskeyNotFound):  # it is gone, which is what was asked for
        await remove_passkey(
            visit.pages.accounts, visit.context, visit.me, visit.field("credential_id")
        )
    return visit.see_other("/account/security", done="passkey-removed")
