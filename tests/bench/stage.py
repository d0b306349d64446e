"""The whole platform in real processes, with homes in it that are ready to be commanded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiobotocore.session import get_session
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.bootstrap.operators import operator
from adapters.settings import Settings
from commands.accounts.tokens import issue_token
from tests.bench.caller import Caller
from tests.bench.devices import BenchDevice, claim
from tests.support.platform import Platform

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

HOMES = 40
"""So many that the usual 600 requests a minute of each one's token are no limit here."""
POLL = 0.05


@dataclass
class Home:
    """An account of its own with one device, and a caller with the account's token."""

    device: BenchDevice
    caller: Caller
    free: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class Stage:
    """``dynamodb`` goes to the engine directly, past any proxy."""

    platform: Platform
    homes: list[Home]
    dynamodb: DynamoDBClient

    @property
    def settings(self) -> Settings:
        return self.platform.settings

    @property
    def pids(self) -> dict[str, int]:
        names = (*self.platform.processes, "ministack", "redis")
        pids = {name: self.platform.supervisor.pid(name) for name in names}
        return pids | {"clients": os.getpid()}

    async def row(self, device_id: str, number: int) -> Mapping[str, Any] | None:
        """A remote command's row straight from its table."""
        answer = await self.dynamodb.get_item(
            TableName=self.settings.remote_commands_table,
            Key={"device_id": {"S": device_id}, "number": {"N": str(number)}},
            ConsistentRead=True,
        )
        return answer.get("Item")

    async def until_projected(self, lives: Mapping[str, int], *, within: float = 90) -> None:
        """Until these commands (the last number of each device) are final in the read model."""
        waiting = dict(lives)
        async with asyncio.timeout(within):
            while waiting:
                for device_id, number in list(waiting.items()):
                    row = await self.row(device_id, number)
                    if row is None or row["status"]["S"] != "SUCCEEDED":
                        break
                    del waiting[device_id]
                else:
                    return
                await asyncio.sleep(POLL)

    async def until_devices_projected(self, *, within: float = 60) -> None:
        async with asyncio.timeout(within):
            waiting = [home.device.device_id for home in self.homes]
            while waiting:
                waiting = [one for one in waiting if not await self._has_device(one)]
                await asyncio.sleep(POLL)

    async def _has_device(self, device_id: str) -> bool:
        answer = await self.dynamodb.get_item(
            TableName=self.settings.devices_table, Key={"device_id": {"S": device_id}}
        )
        return "Item" in answer


@asynccontextmanager
async def dynamodb_of(settings: Settings) -> AsyncIterator[DynamoDBClient]:
    async with get_session().create_client(
        "dynamodb", region_name=settings.aws_region, endpoint_url=settings.aws_endpoint_url
    ) as client:
        yield client


@asynccontextmanager
async def stage(directory: Path, *, proxy: str | None = None) -> AsyncIterator[Stage]:
    """``proxy``: address that the processes find AWS at instead of the engine's own."""
    platform = Platform(directory, endpoint_for_processes=proxy)
    async with AsyncExitStack() as stack:
        yield await set_up(platform, stack)


async def set_up(platform: Platform, stack: AsyncExitStack) -> Stage:
    await stack.enter_async_context(platform)
    dynamodb = await stack.enter_async_context(dynamodb_of(platform.settings))
    keys = [Ed25519PrivateKey.generate() for _ in range(HOMES)]
    tokens = await furnish(platform.settings, keys)
    homes = []
    for key, token in zip(keys, tokens, strict=True):
        device = BenchDevice(platform.gateway_url, key)
        await stack.enter_async_context(device)
        caller = Caller(platform.api_url, token)
        stack.callback(caller.close)
        homes.append(Home(device, caller))
    made = Stage(platform, homes, dynamodb)
    await made.until_devices_projected()
    return made


async def furnish(settings: Settings, keys: list[Ed25519PrivateKey]) -> list[str]:
    """An account for each key, with the device claimed by it; the tokens of the accounts."""
    tokens = []
    async with operator(settings) as parts:
        for key in keys:
            account = parts.ids.new()
            token, _ = await issue_token(
                parts.vault, clock=parts.clock, ids=parts.ids, account_id=account
            )
            await claim(parts.dispatcher, key, account)
            tokens.append(token)
    return tokens
