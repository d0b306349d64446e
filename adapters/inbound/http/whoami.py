"""What the token that asks may do: for whoever holds one and wonders."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from adapters.inbound.http.auth import ANY_SCOPE, Caller, Needs
from adapters.inbound.http.problems import DOCUMENTED
from adapters.inbound.http.views import answer

router = APIRouter(prefix="/v1/token", tags=["token"], responses=DOCUMENTED)


class TokenView(BaseModel):
    """``kind``: ``token`` is a personal access token, ``grant`` what was given to a client.

    ``account_id`` null: the client's own. ``expires_at`` null: it holds until revoked.
    """

    kind: Literal["token", "grant"]
    id: str
    account_id: str | None
    client_id: str | None
    scopes: list[str]
    expires_at: datetime | None


@router.get("", response_model=TokenView)
async def look(caller: Annotated[Caller, Depends(Needs(ANY_SCOPE))]) -> Response:
    """Whose the token is and what it may do; any token may ask."""
    grant = caller.grant
    return answer(
        {
            "kind": grant.kind,
            "id": grant.id,
            "account_id": grant.account_id,
            "client_id": grant.client_id,
            "scopes": sorted(grant.scopes),
            "expires_at": grant.expires_at,
        }
    )
