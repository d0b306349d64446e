"""The API as its own process, on the embedded engines: a real socket, real tables, real Redis."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest

from adapters import bootstrap
from adapters.outbound.redis import RedisWatchers
from commands.accounts.tokens import issue_token
from commands.devices import remote_commands
from commands.kernel.ports import Context
from domain.devices.remote_command import CommandStatus
from tests.support.platform import settings_from
from tests.support.redis import free_port
from tests.unit.http.world import ACCOUNT, DeviceKey

DEADLINE = 20.0


class Api:
    """A running API process; ``stop`` gives its exit code."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, token: str) -> None:
        self.process = process
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=DEADLINE,
        )

    async def claim(self) -> DeviceKey:
        key = DeviceKey()
        body = {"name": "Lamp", "kind": "on_off_light", "proof": key.proof(datetime.now(UTC))}
        response = await self.client.post("/v1/devices", json=body)
        assert response.status_code == 201, response.text
        return key

    async def submit(self, key: DeviceKey, wait: int = 0) -> httpx.Response:
        address = f"/v1/devices/{key.id}/commands"
        return await self.client.post(
            address, json={"command": "OnOff.On"}, params={"wait": wait} if wait else {}
        )

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()


@asynccontextmanager
async def running(environment: Mapping[str, str], **changes: str) -> AsyncIterator[Api]:
    async with bootstrap.operator(settings_from(environment)) as core:
        token, _ = await issue_token(core.vault, clock=core.clock, ids=core.ids, account_id=ACCOUNT)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "adapters.inbound.http"),
        env={**os.environ, **environment, "HOMECAST_API_PORT": "0", **changes},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    port = None
    async with asyncio.timeout(DEADLINE):
        while port is None:
            line = (await process.stderr.readline()).decode()
            assert line or process.returncode is None, "the API ended"
            found = re.search(r'"event": "listening".*|.*"listening"', line)
            if found:
                port = int(re.findall(r'"port": (\d+)', line)[0])
    drain = asyncio.create_task(process.stderr.read())
    api = Api(process, port, token)
    try:
        yield api
    finally:
        await api.client.aclose()
        await api.stop()
        await drain


@pytest.fixture
async def api(stack_environment: dict[str, str]) -> AsyncIterator[Api]:
    async with running(stack_environment) as api:
        yield api


async def test_a_command_is_readable_at_once_and_its_outcome_is_waited_for(
    api: Api, stack_environment: dict[str, str]
) -> None:
    key = await api.claim()
    waiting = asyncio.create_task(api.submit(key, wait=20))
    async with bootstrap.operator(settings_from(stack_environment)) as gateway:
        number = 0
        async with asyncio.timeout(DEADLINE):
            while not number:
                accepted = await gateway.store.read(f"lane-{key.id}", after=1)
                number = accepted[0].event.originator_version if accepted else 0
        read = await api.client.get(f"/v1/devices/{key.id}/commands/{number}")
        assert (read.status_code, read.json()["status"]) == (200, "ACCEPTED")
        context = Context("corr", "cause", "device:test")
        send = remote_commands.SendRemoteCommand(
            device_id=key.id, number=number, session=gateway.ids.new()
        )
        await gateway.dispatcher.execute(context, lambda u: remote_commands.send(u, send))
        result = remote_commands.ReportResult(
            device_id=key.id, number=number, status=CommandStatus.SUCCEEDED
        )
        await gateway.dispatcher.execute(
            context, lambda u: remote_commands.report_result(u, result)
        )
    response = await waiting
    assert (response.status_code, response.json()["status"]) == (200, "SUCCEEDED")


async def test_the_live_stream_tells_and_a_stop_ends_it(
    api: Api, stack_environment: dict[str, str]
) -> None:
    key = await api.claim()
    async with api.client.stream("GET", "/v1/live") as stream:
        lines = stream.aiter_lines()
        await until(lines, "event: snapshot")
        number = (await api.submit(key)).json()["number"]
        assert f'"id":"{key.id}.{number}"' in await until(lines, "data: ")
        async with bootstrap.operator(settings_from(stack_environment)) as gateway:
            assert isinstance(gateway.watchers, RedisWatchers)
            message = {"type": "presence", "device_id": key.id, "online": True}
            await gateway.watchers.tell(ACCOUNT, message)
        await until(lines, "event: presence")
        assert await api.stop() == 0
        assert not [line async for line in lines if line.startswith("event: reset")]


async def until(lines: AsyncIterator[str], start: str) -> str:
    """The first line that begins so, past the snapshot's own data."""
    async with asyncio.timeout(DEADLINE):
        async for line in lines:
            if line.startswith(start) and not line.startswith('data: {"devices"'):
                return line
    raise AssertionError("the stream ended")


async def test_without_redis_all_that_is_promised_still_holds(
    stack_environment: dict[str, str],
) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    async with running(stack_environment, HOMECAST_REDIS_URL=nowhere) as api:
        key = await api.claim()
        submitted = await api.submit(key)
        assert submitted.status_code == 202
        read = await api.client.get(submitted.headers["location"])
        assert read.json() == submitted.json()
        device = (await api.client.get(f"/v1/devices/{key.id}")).json()
        assert device["online"] is None
        ready = await api.client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")


async def test_the_limit_of_requests_is_shared_by_processes(
    stack_environment: dict[str, str],
) -> None:
    limit = {"HOMECAST_RATE_LIMIT_PER_MINUTE": "5"}
    async with (
        running(stack_environment, **limit) as one,
        running(stack_environment, **limit) as two,
    ):
        two.client.headers["Authorization"] = one.client.headers["Authorization"]
        answers = [
            (await api.client.get("/v1/devices")).status_code
            for _ in range(6)
            for api in (one, two)
        ]
    # A minute may turn over in between, which grants five more at most.
    assert 5 <= answers.count(200) <= 10
    assert set(answers) == {200, 429}
