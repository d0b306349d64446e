"""Routes of devices: claim, list, read, rename, release, report lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from adapters.inbound.http.access import Access
from adapters.inbound.http.auth import Caller, Needs, context_of
from adapters.inbound.http.consistency import GIVEN, NAME, Consistency, consistency_of, token_of
from adapters.inbound.http.container import Container
from adapters.inbound.http.errors import PreconditionRequired, TooManyDevices
from adapters.inbound.http.fresh import mended
from adapters.inbound.http.parts import Parts, parts_of
from adapters.inbound.http.problems import DOCUMENTED
from adapters.inbound.http.views import READ_MODEL, DevicePage, DeviceView, answer
from commands.accounts.tokens import ACCOUNT, DEVICES_READ, DEVICES_WRITE
from commands.devices import ownership
from commands.kernel.dispatch import Unit
from domain.devices.capabilities import Capabilities, DeviceKind
from domain.devices.roles import Action
from domain.kernel.recorded import Recorded
from projections.devices.devices import DEVICES, DeviceRow

router = APIRouter(prefix="/v1/devices", tags=["devices"], responses=DOCUMENTED)
Shared = Annotated[Parts, Depends(parts_of)]
Reader = Annotated[Caller, Depends(Needs(DEVICES_READ))]
Writer = Annotated[Caller, Depends(Needs(DEVICES_WRITE))]
Asked = Annotated[Consistency, Depends(consistency_of)]
DeviceId = Annotated[str, Path(pattern="^[a-z2-7]{26}$")]
HomeId = Annotated[
    str | None,
    Query(alias="home", pattern=f"^{ACCOUNT.pattern}$", description="Somebody's; else one's own"),
]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=64)]
ETAG = re.compile(r'"(\d{1,15})"')
CAPABILITIES_MAX = 32
PAGE = 50


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClaimBody(Body):
    """``capabilities``: those of the kind, when missing. ``proof``: signed by the device."""

    name: str = Field(min_length=1, max_length=128)
    kind: DeviceKind
    capabilities: Annotated[Capabilities, Field(max_length=CAPABILITIES_MAX)] | None = None
    proof: str = Field(min_length=1, max_length=4096)


class RenameBody(Body):
    name: str = Field(min_length=1, max_length=128)


def version_wanted(if_match: str | None) -> int | None:
    """None: any. A tag that is none of ours never matches (RFC 9110 section 13.1.1)."""
    if if_match is None or if_match.strip() == "*":
        return None
    ours = ETAG.fullmatch(if_match.strip())
    return int(ours[1]) if ours else -1


def tag(version: int) -> str:
    return f'"{version}"'


def shown(device: dict[str, Any], status: int = 200, **headers: str) -> Response:
    return answer(device, status, ETag=tag(device["version"]), **headers)


@router.post("", status_code=201, response_model=DeviceView, responses={201: GIVEN})
async def claim(
    request: Request, body: ClaimBody, caller: Writer, parts: Shared, home: HomeId = None
) -> Response:
    """Into one's own home. Claiming one's own device again changes nothing and answers as the
    first time."""
    await parts.homes.of_home(caller, home, Action.CLAIM_DEVICE)
    container = parts.container
    from adapters.inbound.http.proof import proven_key  # cryptography, which few requests need

    public_key, proved_at = proven_key(body.proof, now=container.clock.now())
    message = ownership.ClaimDevice(
        account_id=caller.account_id,
        public_key=public_key,
        proved_at=proved_at,
        name=body.name,
        kind=body.kind,
        capabilities=body.capabilities,
    )

    async def decide(unit: Unit) -> tuple[str, int]:
        claimed = await ownership.claim_device(unit, message)
        if unit.appends:  # a new one
            await _require_room(container, caller.account_id)
        return claimed

    (device_id, _), recorded = await container.dispatcher.execute(
        context_of(request, container.tracer), decide
    )
    claimed = [one for one in recorded if DEVICES.category == one.event.originator_id[:6]]
    row = DEVICES.fold(None, claimed[0].event) if claimed else None
    row = row or await parts.devices.row(device_id, caller.account_id)
    [device] = await parts.devices.shown([row])
    token = token_of(recorded, row)
    return shown(device, 201, Location=f"/v1/devices/{device_id}", Consistency_Token=token)


async def _require_room(container: Container, account_id: str) -> None:
    """Claims that come at the same time may exceed the quota by a few."""
    limit = container.settings.devices_per_account
    if await container.devices.count(account_id) >= limit:
        raise TooManyDevices(f"an account may have {limit} devices", limit=limit)


@router.get("", response_model=DevicePage, responses={200: READ_MODEL})
async def list_devices(
    caller: Reader,
    parts: Shared,
    asked: Asked,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    cursor: Annotated[str | None, Query(pattern="^[a-z2-7]{26}$")] = None,
    home: HomeId = None,
) -> Response:
    """In order of id. May lag behind a change by moments; a single device does not."""
    account_id = (await parts.homes.of_home(caller, home, Action.LIST_DEVICES)).home_id
    known = await parts.fresh.devices(account_id, asked)
    page = await parts.container.devices.list(account_id, limit=limit, cursor=cursor)
    rows, next_cursor = mended(page, known, account_id, limit=limit, after=cursor)
    items = await parts.devices.shown(rows)
    return answer({"items": items, "next_cursor": next_cursor}, 200, **parts.read_model("devices"))


@router.get("/{device_id}", response_model=DeviceView, dependencies=[Depends(consistency_of)])
async def read_device(device_id: DeviceId, caller: Reader, parts: Shared) -> Response:
    """As of now: it takes a token and never has to wait for it."""

    async def read(access: Access) -> DeviceRow:
        return await parts.devices.row(device_id, access.home_id)

    row = await parts.homes.acting(caller, device_id, Action.READ_DEVICE, read)
    [device] = await parts.devices.shown([row])
    return shown(device)


async def changed(
    parts: Parts, device_id: str, access: Access, recorded: Sequence[Recorded]
) -> Response:
    row = await parts.devices.row(device_id, access.home_id)
    [device] = await parts.devices.shown([row])
    return shown(device, Consistency_Token=token_of(recorded, row))


@router.patch("/{device_id}", response_model=DeviceView, responses={200: GIVEN})
async def rename(
    request: Request,
    device_id: DeviceId,
    body: RenameBody,
    caller: Writer,
    parts: Shared,
    if_match: IfMatch = None,
) -> Response:
    """Needs ``If-Match``: 428 without it, 412 when the device has changed since."""
    if if_match is None:
        raise PreconditionRequired("send the device's ETag as If-Match")
    container = parts.container
    context = context_of(request, container.tracer)

    async def act(access: Access) -> Response:
        message = ownership.RenameDevice(
            account_id=access.home_id,
            device_id=device_id,
            name=body.name,
            expected_version=version_wanted(if_match),
        )
        _, recorded = await container.dispatcher.execute(
            context, lambda unit: ownership.rename_device(unit, message)
        )
        return await changed(parts, device_id, access, recorded)

    return await parts.homes.acting(caller, device_id, Action.RENAME_DEVICE, act)


@router.delete("/{device_id}", status_code=204, responses={204: GIVEN})
async def release(
    request: Request,
    device_id: DeviceId,
    caller: Writer,
    parts: Shared,
    if_match: IfMatch = None,
) -> Response:
    """The device is free for its next owner, who finds nothing queued."""
    container = parts.container
    context = context_of(request, container.tracer)

    async def act(access: Access) -> Response:
        message = ownership.ReleaseDevice(
            account_id=access.home_id,
            device_id=device_id,
            expected_version=version_wanted(if_match),
        )
        _, recorded = await container.dispatcher.execute(
            context, lambda unit: ownership.release_device(unit, message)
        )
        return Response(status_code=204, headers={NAME: token_of(recorded)})

    return await parts.homes.acting(caller, device_id, Action.RELEASE_DEVICE, act)


@router.post("/{device_id}/lost", response_model=DeviceView, responses={200: GIVEN})
async def report_lost(
    request: Request, device_id: DeviceId, caller: Writer, parts: Shared
) -> Response:
    """Stolen or gone: its credential is revoked, its session cut, and it takes no commands."""
    container = parts.container
    context = context_of(request, container.tracer)

    async def act(access: Access) -> Response:
        message = ownership.ReportDeviceLost(account_id=access.home_id, device_id=device_id)
        _, recorded = await container.dispatcher.execute(
            context, lambda unit: ownership.report_device_lost(unit, message)
        )
        return await changed(parts, device_id, access, recorded)

    return await parts.homes.acting(caller, device_id, Action.REPORT_LOST, act)
