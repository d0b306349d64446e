"""Routes of brokers and of their keys, for operators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from adapters.inbound.http.ads.parts import AdParts
from adapters.inbound.http.ads.requests import BrokerName, Shared
from adapters.inbound.http.ads.views import BrokerList, BrokerView, broker_json, state_json
from adapters.inbound.http.auth import Caller, Needs, context_of
from adapters.inbound.http.devices import version_wanted
from adapters.inbound.http.problems import DOCUMENTED
from adapters.inbound.http.views import View, answer, iso
from commands.accounts.tokens import ADS_MANAGE, ADS_READ
from commands.media import brokers, creatives
from commands.media.ad_keys import AdKey, issue_ad_key, list_ad_keys, revoke_ad_key
from commands.media.brokers import ConfigureBroker, RetireBroker
from commands.media.creatives import DiscoverCreative
from domain.media.broker import BrokerConfig, BrokerStatus
from domain.media.errors import BrokerNotFound
from domain.media.identity import identity_of

router = APIRouter(prefix="/v1/brokers", tags=["ads"], responses=DOCUMENTED)
Reader = Annotated[Caller, Depends(Needs(ADS_READ))]
Manager = Annotated[Caller, Depends(Needs(ADS_MANAGE))]
Precondition = Annotated[str | None, Header(max_length=64)]


def tagged(content: dict[str, Any], status: int = 200) -> Response:
    return answer(content, status, ETag=f'"{content["version"]}"')


@router.get("", response_model=BrokerList)
async def list_brokers(_: Reader, parts: Shared) -> Response:
    """By name, retired ones too, with how they have been in the last hour."""
    rows = await parts.container.brokers.list()
    health = {one.broker: one for one in await parts.container.health.read()}
    return answer({"items": [broker_json(row, health.get(row.name)) for row in rows]})


@router.get("/{broker}", response_model=BrokerView)
async def read_broker(broker: BrokerName, _: Reader, parts: Shared) -> Response:
    row = await parts.container.brokers.get(broker)
    if row is None:
        raise BrokerNotFound("no such broker")
    health = {one.broker: one for one in await parts.container.health.read()}
    return tagged(broker_json(row, health.get(broker)))


@router.put("/{broker}", response_model=BrokerView)
async def configure(
    request: Request,
    broker: BrokerName,
    config: BrokerConfig,
    _: Manager,
    parts: Shared,
    if_match: Precondition = None,
    if_none_match: Precondition = None,
) -> Response:
    """Make it, or configure it anew as a whole. Ad requests follow within 5 s. The slate is made
    ready at once."""
    only_new = if_none_match is not None and if_none_match.strip() == "*"
    wanted = 0 if only_new else version_wanted(if_match)
    message = ConfigureBroker(name=broker, config=config, expected_version=wanted)
    context = context_of(request, parts.container.tracer)
    state, _events = await parts.container.media.dispatcher.execute(
        context, lambda unit: brokers.configure(unit, message)
    )
    if config.slate:
        await ingest_slate(request, parts, config.slate)
    return tagged(state_json(state, broker))


async def ingest_slate(request: Request, parts: AdParts, url: str) -> None:
    identity = identity_of([], broker=None, media_url=url)
    message = DiscoverCreative(kind=identity.kind, identity=identity.text, media_url=url)
    await parts.container.media.dispatcher.execute(
        context_of(request, parts.container.tracer),
        lambda unit: creatives.discover(unit, message),
    )


@router.delete("/{broker}", status_code=204)
async def retire(
    request: Request,
    broker: BrokerName,
    _: Manager,
    parts: Shared,
    if_match: Precondition = None,
) -> Response:
    """It answers no ad requests any more; configuring it again brings it back."""
    message = RetireBroker(name=broker, expected_version=version_wanted(if_match))
    await parts.container.media.dispatcher.execute(
        context_of(request, parts.container.tracer), lambda unit: brokers.retire(unit, message)
    )
    return Response(status_code=204)


# --- keys -----------------------------------------------------------------------------------------


class KeyBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    label: str = Field("", max_length=100)


class KeyView(View):
    """``key``: only in the answer that makes it."""

    id: str
    broker: str
    label: str
    created_at: str | None
    key: str | None = None


class KeyList(View):
    items: list[KeyView]


def key_json(granted: AdKey, key: str | None = None) -> dict[str, Any]:
    shown = {
        "id": granted.key_id,
        "broker": granted.broker,
        "label": granted.label,
        "created_at": iso(granted.created_at),
    }
    return shown | ({"key": key} if key else {})


async def require_active(parts: AdParts, broker: str) -> None:
    row = await parts.container.brokers.get(broker)
    if row is None:
        await parts.configured.broker(broker)  # perhaps the read model lags
    elif row.status != BrokerStatus.ACTIVE:
        raise BrokerNotFound("the broker was retired")


@router.post("/{broker}/keys", status_code=201, response_model=KeyView)
async def issue_key(broker: BrokerName, body: KeyBody, _: Manager, parts: Shared) -> Response:
    """A publishable key, for players: good for the ad requests of this broker and nothing else."""
    await require_active(parts, broker)
    container = parts.container
    key, granted = await issue_ad_key(
        container.vault, clock=container.clock, ids=container.ids, broker=broker, label=body.label
    )
    return answer(key_json(granted, key), 201)


@router.get("/{broker}/keys", response_model=KeyList)
async def list_keys(broker: BrokerName, _: Manager, parts: Shared) -> Response:
    found = await list_ad_keys(parts.container.vault, broker)
    return answer({"items": [key_json(one) for one in found]})


@router.delete("/{broker}/keys/{key_id}", status_code=204)
async def revoke_key(
    broker: BrokerName,
    key_id: Annotated[str, Path(pattern="^[0-7][0-9A-HJKMNP-TV-Z]{25}$")],
    _: Manager,
    parts: Shared,
) -> Response:
    """Ad requests with it are refused within 30 s."""
    await revoke_ad_key(parts.container.vault, broker, key_id)
    return Response(status_code=204)
