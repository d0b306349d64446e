"""Beacons: what players tell of our ads, ``/beacons/{event}?t=<token>``. No other credentials.

A beacon is answered once the stream has it: 204, or a GIF of one pixel to a player that asks for an
image (by ``Accept``, or by ``.gif`` behind the event). A bad token is answered with a problem (400
changed, 410 too late, 503 when the stream is away): players look at no answer of a tracking call,
so nothing breaks, while who sets a player up wrong sees what is wrong in its network panel.

The same beacon again gives the same event id; reports count it once.
"""

from __future__ import annotations

from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from adapters.inbound.http.beacon_tokens import TOKEN_MAX, BeaconTokens, InvalidBeacon
from adapters.inbound.http.problems import DOCUMENTED
from commands.kernel.ports import Clock
from projections.media.statistics import PLAYED, Kind, Record, Records

router = APIRouter(prefix="/beacons", tags=["beacons"], responses=DOCUMENTED)
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
"""A transparent GIF of one pixel."""
HEADERS = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}
"""Players on other sites tell by ``fetch`` and ``sendBeacon``, which send nothing to hide."""
UNDEFINED = 900
"""VAST: undefined error."""
ERROR_CODE = "[ERRORCODE]"
"""The macro that a player puts its error code in place of (VAST 4.3 section 6)."""


class BeaconContainer(Protocol):
    """What beacons need; ``app.state.beacons``."""

    @property
    def records(self) -> Records: ...
    @property
    def beacon_tokens(self) -> BeaconTokens: ...
    @property
    def clock(self) -> Clock: ...


def container_of(request: Request) -> BeaconContainer:
    container: BeaconContainer = request.app.state.beacons
    return container


Container = Annotated[BeaconContainer, Depends(container_of)]
Event = Annotated[str, Path(max_length=32, description="As `impression` or `first_quartile`")]
Token = Annotated[str, Query(alias="t", min_length=1, max_length=TOKEN_MAX)]
Told = Annotated[str, Query(alias="code", max_length=64, description="VAST error code")]


@router.get("/{event}", status_code=204, response_class=Response)
async def tell(
    request: Request, event: Event, token: Token, container: Container, code: Told = ""
) -> Response:
    """Tell that something happened to an ad."""
    return await _told(request, event, token, container, code)


@router.post("/{event}", status_code=204, response_class=Response)
async def tell_by_post(
    request: Request, event: Event, token: Token, container: Container, code: Told = ""
) -> Response:
    """As ``navigator.sendBeacon`` does; the body says nothing."""
    return await _told(request, event, token, container, code)


async def _told(
    request: Request, event: str, token: str, container: BeaconContainer, code: str
) -> Response:
    name = event.removesuffix(".gif")
    if name not in PLAYED:
        raise InvalidBeacon("players do not tell this event")
    now = container.clock.now()
    told = container.beacon_tokens.verify(Kind(name), token, now=now)
    error_code = error_code_of(code) if told.kind is Kind.ERROR else None
    facts = told.facts.model_dump()
    await container.records.put(
        Record(
            event_id=told.event_id,
            occurred_at=now,
            kind=told.kind,
            error_code=error_code,
            **facts,
        )
    )
    if name != event or "image/" in request.headers.get("accept", ""):
        return Response(PIXEL, headers=HEADERS, media_type="image/gif")
    return Response(status_code=204, headers=HEADERS)


def error_code_of(code: str) -> int:
    """What a player put in the macro's place: some leave it as it was, some invent codes."""
    known = len(code) == 3 and code.isascii() and code.isdigit() and code[0] != "0"
    return int(code) if known else UNDEFINED


def beacon_url(base: str, kind: Kind, token: str) -> str:
    """The address to be put into VAST beside the broker's own. ``base``: of the API, in public.

    A token has no character that an address would have to escape.
    """
    code = f"&code={ERROR_CODE}" if kind is Kind.ERROR else ""
    return f"{base.rstrip('/')}/beacons/{kind.value}?t={token}{code}"
