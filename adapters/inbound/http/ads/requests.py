"""Routes of ad requests: ``/v1/brokers/{broker}/vast``, ``/vmap``, ``/assets``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from adapters.inbound.http.ads.asking import AdRequest
from adapters.inbound.http.ads.breaks import Answer
from adapters.inbound.http.ads.errors import NoAdReady
from adapters.inbound.http.ads.parts import AdParts, ad_parts_of
from adapters.inbound.http.edge import Exchange
from adapters.inbound.http.problems import DOCUMENTED
from domain.media.broker import NAME

router = APIRouter(prefix="/v1/brokers", tags=["ads"], responses=DOCUMENTED)
BrokerName = Annotated[str, Path(pattern=NAME)]
Shared = Annotated[AdParts, Depends(ad_parts_of)]
Version = Annotated[
    Literal["2.0", "3.0", "4.0", "4.1", "4.2"], Query(description="Of the VAST in the answer")
]
XML = "application/xml; charset=utf-8"
STATUS = b"homecast-ad-status"
DESCRIBED: dict[int | str, dict[str, Any]] = {200: {"content": {"application/xml": {}}}}


async def asked(request: Request, parts: AdParts, broker: str, version: str) -> AdRequest:
    await parts.admission.admit(request, broker)
    config = await parts.configured.broker(broker)
    exchange: Exchange = request.scope["homecast.exchange"]
    query = list(request.query_params.multi_items())
    peer = request.client.host if request.client else ""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():  # what came in several lines is one list
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return AdRequest(
        broker=broker,
        config=config,
        query=query,
        headers=parts.identity.headers(headers, dict(query), peer=peer),
        request_id=exchange.request_id,
        correlation_id=exchange.correlation_id,
        version=version,
    )


def answered(request: Request, answer: Answer, media_type: str) -> Response:
    """Raises ``NoAdReady``, whose answer has the status too."""
    exchange: Exchange = request.scope["homecast.exchange"]
    told = f"{answer.status};filled={answer.filled};left-out={answer.left_out}"
    exchange.extra_headers.append((STATUS, told.encode()))
    if answer.body is None:
        raise NoAdReady("no ad of the break is ready")
    return Response(answer.body, 200, {"Cache-Control": "no-store"}, media_type)


@router.get("/{broker}/vast", response_class=Response, responses={**DOCUMENTED, **DESCRIBED})
async def vast(
    request: Request, broker: BrokerName, parts: Shared, version: Version = "4.2"
) -> Response:
    """An ad break as VAST. Parameters beside ``key`` and ``version`` go to the broker. A broker
    that fails gives an answer without ads; the header ``Homecast-Ad-Status`` tells."""
    answer = await parts.breaks.vast(await asked(request, parts, broker, version))
    return answered(request, answer, XML)


@router.get("/{broker}/vmap", response_class=Response, responses={**DOCUMENTED, **DESCRIBED})
async def vmap(
    request: Request, broker: BrokerName, parts: Shared, version: Version = "4.2"
) -> Response:
    """All breaks of a programme as VMAP 1.0, with VAST of ``version`` inside."""
    answer = await parts.breaks.vmap(await asked(request, parts, broker, version))
    return answered(request, answer, XML)


@router.get("/{broker}/assets", response_class=Response)
async def assets(request: Request, broker: BrokerName, parts: Shared) -> Response:
    """The asset list of an HLS interstitial (``X-ASSET-LIST``). 404 when nothing is ready: players
    then go back to the programme, while an empty list was seen to freeze them."""
    answer = await parts.breaks.assets(await asked(request, parts, broker, "4.2"))
    return answered(request, answer, "application/json")
