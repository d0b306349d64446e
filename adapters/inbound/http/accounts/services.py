"""Linked services: which clients have access, to what, and an end to it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from fastapi import Response

from adapters.inbound.http.accounts import words
from adapters.inbound.http.accounts.visit import Visit
from commands.accounts.oauth.grants import Service, list_services, revoke_grants
from commands.accounts.oauth.requests import AUTHORIZE
from domain.accounts.grants import Because


async def show(visit: Visit) -> Response:
    found = await list_services(visit.pages.oauth, visit.me.account_id)
    return visit.page("services.html", services=[_shown(one) for one in found])


def _shown(service: Service) -> dict[str, Any]:
    return {
        "client_id": service.client_id,
        "name": service.name,
        "since": service.since,
        "count": len(service.grant_ids),
        "scopes": words.scopes_in_words(service.scopes),
    }


async def name_of_client(visit: Visit, return_to: str) -> str | None:
    """Of the client that waits for the person; None where none does."""
    path, _, query = return_to.partition("?")
    if path != AUTHORIZE:
        return None
    asked = dict(parse_qsl(query)).get("client_id", "")
    client = await visit.pages.oauth.clients.find(asked)
    return client.config.name if client else None


async def unlink(visit: Visit) -> Response:
    """What is not linked, or no longer, is unlinked: no answer tells of clients."""
    await revoke_grants(
        visit.pages.oauth,
        visit.context,
        visit.me.account_id,
        client_id=visit.field("client_id"),
        reason=Because.USER,
    )
    return visit.see_other("/account/services", done="unlinked")
