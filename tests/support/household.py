"""An account on a running platform: its token, its view of the API, and devices that it claims."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import httpx

from adapters.inbound.cli.simulator import Member, claim_body
from adapters.outbound.dynamodb.vault import DynamoDbVault
from adapters.outbound.system.clock import SystemClock, Ulids
from adapters.settings import Settings
from commands.accounts.tokens import SCOPES, issue_token
from domain.devices.capabilities import DeviceKind
from tests.support.tables import connect
from tests.support.wayward import WaywardDevice, make_device

Json = dict[str, Any]


async def make_token(
    settings: Settings, endpoint_url: str, account_id: str, scopes: Sequence[str] = SCOPES
) -> str:
    async with connect(endpoint_url).dynamodb() as client:
        vault = DynamoDbVault(client, settings.vault_table)
        token, _ = await issue_token(
            vault, clock=SystemClock(), ids=Ulids(), account_id=account_id, scopes=scopes
        )
        return token


class Household:
    """``async with await Household.found(settings, endpoint_url)``: a new account.

    ``settings`` name the tables, the API and the gateway; ``endpoint_url`` is the engine's.
    """

    def __init__(self, account_id: str, token: str, settings: Settings) -> None:
        self.account_id = account_id
        self.token = token
        self._gateway_url = settings.gateway_url
        self.api = httpx.AsyncClient(
            base_url=settings.api_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        )

    @classmethod
    async def found(cls, settings: Settings, endpoint_url: str) -> Self:
        account_id = Ulids().new()
        return cls(account_id, await make_token(settings, endpoint_url, account_id), settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.api.aclose()

    async def claim(self, member: Member) -> Json:
        answer = await self.api.post("/v1/devices", json=claim_body(member))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def new_device(
        self, name: str, kind: DeviceKind = DeviceKind.DIMMABLE_LIGHT, **options: Any
    ) -> tuple[Member, WaywardDevice]:
        """Claimed, but not connected."""
        member, device = make_device(self._gateway_url, name, kind, **options)
        await self.claim(member)
        return member, device

    async def submit(
        self,
        device_id: str,
        command: str,
        args: Json | None = None,
        *,
        wait: int = 0,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        return await self.api.post(
            f"/v1/devices/{device_id}/commands",
            params={"wait": wait} if wait else {},
            json={"command": command, "args": args or {}, **more},
            headers=headers,
        )

    async def command(self, device_id: str, number: int) -> Json:
        answer = await self.api.get(f"/v1/devices/{device_id}/commands/{number}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def device(self, device_id: str) -> httpx.Response:
        return await self.api.get(f"/v1/devices/{device_id}")

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[asyncio.Queue[tuple[str, Json]]]:
        """The live events as they come; the snapshot has been taken when this is entered."""
        events: asyncio.Queue[tuple[str, Json]] = asyncio.Queue()
        async with AsyncExitStack() as stack:
            stream = self.api.stream("GET", "/v1/live", timeout=httpx.Timeout(30, read=None))
            answer = await stack.enter_async_context(stream)
            assert answer.status_code == 200
            reading = asyncio.create_task(_read_events(answer, events))
            stack.push_async_callback(_stopped, reading)
            async with asyncio.timeout(10):
                while (await events.get())[0] != "snapshot":
                    pass
            yield events


async def _read_events(answer: httpx.Response, events: asyncio.Queue[tuple[str, Json]]) -> None:
    kind = ""
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            events.put_nowait((kind, json.loads(value)))


async def _run(device: WaywardDevice) -> None:
    await asyncio.sleep(device.away_for)
    await device.run()


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def connected(*devices: WaywardDevice) -> AsyncIterator[None]:
    """Their processes run; whether they are connected is for ``sessions`` to say."""
    tasks = [asyncio.create_task(_run(device)) for device in devices]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
