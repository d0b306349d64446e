"""The API as its own process, on the embedded engines: a real socket, real tables, real Redis."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from adapters.bootstrap import http
from adapters.bootstrap.operators import operator
from adapters.bootstrap.read_models import read_models
from adapters.outbound.dynamodb.rows import GatedRows
from adapters.outbound.redis import RedisWatchers
from commands.accounts.tokens import issue_token
from commands.devices import remote_commands
from domain.devices.capabilities import KINDS, DeviceKind
from domain.devices.device import DeviceStatus
from domain.devices.remote_command import CommandStatus
from domain.kernel.recorded import Context
from projections.devices.devices import DEVICES, DeviceRow
from projections.devices.remote_commands import RemoteCommandRow
from projections.kernel.gate import Gate, Held
from projections.kernel.slots import Slot
from tests.support.platform import settings_from
from tests.support.redis import free_port
from tests.support.waiting import eventually
from tests.unit.http.world import ACCOUNT, DeviceKey

DEADLINE = 20.0


class Api:
    """A running API process; ``stop`` gives its exit code."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, token: str) -> None:
        self.process = process
        self.port = port
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
async def running(
    environment: Mapping[str, str], *arguments: str, **changes: str
) -> AsyncIterator[Api]:
    async with operator(settings_from(environment)) as core:
        token, _ = await issue_token(core.vault, clock=core.clock, ids=core.ids, account_id=ACCOUNT)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "adapters.inbound.http", *arguments),
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
    async with operator(settings_from(stack_environment)) as gateway:
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
    async with api.client.stream("GET", "/v1/live") as stream:
        lines = stream.aiter_lines()
        await until(lines, "event: snapshot")
        key = await api.claim()
        assert f'"id":"{key.id}"' in await until(lines, "data: ")
        number = (await api.submit(key)).json()["number"]
        assert f'"id":"{key.id}.{number}"' in await until(lines, "data: ")
        async with operator(settings_from(stack_environment)) as gateway:
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


async def test_a_list_waits_for_ones_own_write_and_tells_when_it_does_not_come(
    api: Api, stack_environment: dict[str, str]
) -> None:
    key = await api.claim()
    renamed = await api.client.patch(
        f"/v1/devices/{key.id}", json={"name": "New"}, headers={"If-Match": '"1"'}
    )
    headers = {"Consistency-Token": renamed.headers["consistency-token"]}
    nobody_projects = await api.client.get("/v1/devices", headers=headers | {"Prefer": "wait=0"})
    assert (nobody_projects.status_code, nobody_projects.json()["behind"]) == (503, {"devices": 2})
    waiting = asyncio.create_task(
        api.client.get("/v1/devices", headers=headers | {"Prefer": "wait=10"})
    )
    settings = settings_from(stack_environment)
    async with operator(settings) as core:
        rows = GatedRows(core.dynamodb, read_models(settings, Slot.BLUE).devices)
        await Gate(DEVICES, rows, core.store).apply(await core.store.read(f"device-{key.id}"))
    [mine] = [one for one in (await waiting).json()["items"] if one["id"] == key.id]
    assert mine["name"] == "New"


# --- clients that keep us waiting -----------------------------------------------------------------


@pytest.fixture
async def impatient(stack_environment: dict[str, str]) -> AsyncIterator[Api]:
    limits = ("--request-within", "0.5", "--taken-within", "0.5")
    async with running(stack_environment, *limits) as api:
        yield api


async def seconds_until_closed(api: Api, sent: bytes, *, again: bytes = b"") -> float:
    """``again`` is sent over and over, as long as that is possible."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    began = time.monotonic()
    try:
        writer.write(sent)
        async with asyncio.timeout(DEADLINE):
            while True:
                try:
                    async with asyncio.timeout(0.05):
                        if not await reader.read(65536):
                            break
                except TimeoutError:
                    writer.write(again)
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
    return time.monotonic() - began


HEAD = b"GET /health/live HTTP/1.1\r\nHost: here\r\n"


@pytest.mark.parametrize(
    ("sent", "again"),
    [
        (b"", b""),
        (HEAD, b""),
        (HEAD, b"X-A: b\r\n"),
        (HEAD + b"\r\n" + HEAD, b"X-A: b\r\n"),
        (b"POST /v1/devices HTTP/1.1\r\nHost: here\r\nContent-Length: 999\r\n\r\n", b"x"),
    ],
    ids=["silent", "unfinished", "dripping", "second-dripping", "refused-body-dripping"],
)
async def test_a_client_that_sends_no_whole_request_is_closed(
    impatient: Api, sent: bytes, again: bytes
) -> None:
    assert 0.4 < await seconds_until_closed(impatient, sent, again=again) < 10


async def test_a_connection_may_pause_between_requests(impatient: Api) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", impatient.port)
    async with asyncio.timeout(DEADLINE):
        for _ in range(2):
            writer.write(HEAD + b"\r\n")
            await reader.readuntil(b'{"status":"ok"}')
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await reader.read(1)
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_takes_no_answer_is_closed(impatient: Api) -> None:
    page = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: here\r\n\r\n"
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", impatient.port))
        await loop.sock_sendall(client, page * 8)
        ours = client.getsockname()[1]
        began = time.monotonic()
        await eventually(lambda: is_given_up(impatient.port, ours), within=DEADLINE)
        assert time.monotonic() - began > 0.4


async def is_given_up(server_port: int, client_port: int) -> bool:
    """Whether the server has closed its end, though the kernel still has to send (Linux)."""
    established = f":{server_port:04X} 0100007F:{client_port:04X} 01 "
    return established not in Path("/proc/net/tcp").read_text()  # noqa: ASYNC240


# --- the read models' questions -------------------------------------------------------------------


async def test_rows_are_read_by_number_and_devices_counted(
    stack_environment: dict[str, str],
) -> None:
    now = datetime.now(UTC)
    settings = settings_from(stack_environment)
    models = read_models(settings, Slot.BLUE)
    async with http.api(settings) as api:
        commands = GatedRows(api.dynamodb, models.remote_commands)
        devices = GatedRows(api.dynamodb, models.devices)
        for number in range(1, 121):
            row = RemoteCommandRow(
                applied=1, stream_version=number, device_id="a" * 26, number=number,
                account_id=ACCOUNT, command="OnOff.On", args={}, status=CommandStatus.ACCEPTED,
                accepted_at=now, expires_at=now + timedelta(days=1), updated_at=now,
            )  # fmt: skip
            assert await commands.put(("a" * 26, number), Held.of(row), None)
        found = await api.commands.get_many("a" * 26, [1, 7, 999, *range(10, 120)])
        assert sorted(one.number for one in found) == [1, 7, *range(10, 120)]
        assert await api.commands.get_many("a" * 26, []) == []
        for name in "abc":
            device = DeviceRow(
                applied=1, stream_version=1, device_id=name * 26, account_id=ACCOUNT, name="Lamp",
                kind=DeviceKind.ON_OFF_LIGHT, status=DeviceStatus.CLAIMED, claimed_at=now,
                capabilities=KINDS[DeviceKind.ON_OFF_LIGHT], updated_at=now,
            )  # fmt: skip
            assert await devices.put((name * 26,), Held.of(device), None)
        assert await api.devices.count(ACCOUNT) == 3
        assert await api.devices.count("nobody") == 0
