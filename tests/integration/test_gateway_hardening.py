"""What devices, clocks and lost hints may do to a gateway without harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ulid import ULID
from websockets.exceptions import ConnectionClosed, InvalidStatus

from adapters.inbound.gateway import reports
from adapters.inbound.gateway.protocol import MAX_RESULT, MAX_TOLD, Close, Error
from adapters.inbound.gateway.server import GatewayServer
from adapters.inbound.gateway.session import DeviceSession
from adapters.outbound.system.clock import Ulids
from domain.devices.lane import LANE
from domain.devices.remote_command import RemoteCommandSucceeded
from domain.kernel.errors import StoreUnavailable, TooLarge
from domain.kernel.recorded import Recorded
from tests.support.gateway import DEADLINE, QUICK, RawDevice, RunningGateway, World
from tests.support.waiting import eventually

Key = Ed25519PrivateKey
ON = {"OnOff": {"on_off": True}}


def session_of(gateway: RunningGateway, device_id: str) -> DeviceSession:
    return gateway.server.gateway.sessions[device_id]


async def gone(gateway: RunningGateway, device_id: str) -> None:
    async def forgotten() -> bool:
        return device_id not in gateway.server.gateway.sessions

    await eventually(forgotten, within=DEADLINE, every=0.01)


# --- the beginning --------------------------------------------------------------------------------


async def test_a_session_that_could_not_begin_is_not_online(
    world: World, gateway: RunningGateway, key: Key, device_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reads = world.store.read, 0

    async def read_once(
        stream: str, *, after: int = 0, up_to: int | None = None, personal: bool = True
    ) -> list[Recorded]:
        nonlocal reads
        reads += 1
        if reads > 1:
            raise StoreUnavailable("no store now")
        return await read(stream, after=after, up_to=up_to, personal=personal)

    monkeypatch.setattr(world.store, "read", read_once)
    device = RawDevice(await gateway.connect(key))
    assert await device.closed() == Close.TRY_LATER
    assert gateway.server.gateway.sessions == {}
    assert await world.link.client.hget(f"homecast:presence:{device_id}", "left")


async def test_no_device_is_taken_before_the_hints_can_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = world._container("g1")
    hints, subscribed, listening = container.sessions.hints, asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slow_hints() -> AsyncIterator[Any]:
        await subscribed.wait()
        async with hints() as found:
            yield found

    monkeypatch.setattr(container.sessions, "hints", slow_hints)

    async def listen() -> None:
        async with GatewayServer(container, QUICK).listening("127.0.0.1", 0):
            listening.set()

    task = asyncio.create_task(listen())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await listening.wait()
    subscribed.set()
    async with asyncio.timeout(DEADLINE):
        await task
    assert listening.is_set()


async def test_nothing_is_said_before_the_welcome(
    world: World, gateway: RunningGateway, key: Key, device_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = gateway.server.runtime.container.sessions
    connected, numbers = sessions.connected, []

    async def connected_and_asked(device: str, session: str, account: str) -> None:
        await connected(device, session, account)
        numbers.append(await world.submit(device_id))

        async def asked() -> int:
            return session_of(gateway, device_id).outgoing._asked

        await eventually(asked, within=DEADLINE, every=0.01)

    monkeypatch.setattr(sessions, "connected", connected_and_asked)
    async with gateway.device(key) as device:
        await device.command(numbers[0])


# --- devices that do not read ---------------------------------------------------------------------


async def writing(session: DeviceSession) -> None:
    with pytest.raises(ConnectionClosed):
        await session.write(Error(code="x", detail="", retryable=True))


async def closing(session: DeviceSession) -> None:
    session.close(Close.DRAINING, "")


async def pinging(session: DeviceSession) -> None:
    with pytest.raises(ConnectionClosed):
        await session._socket.ping()


@pytest.mark.parametrize("attempt", [writing, closing, pinging])
async def test_a_device_that_does_not_read_loses_its_connection(
    world: World, key: Key, device_id: str, attempt: Callable[[DeviceSession], Awaitable[None]]
) -> None:
    async with world.gateway(replace(QUICK, sending=0.2)) as gateway, gateway.device(key) as device:
        device.socket.transport.pause_reading()
        session = session_of(gateway, device_id)
        session._socket.transport.write(bytes(16 * 1024 * 1024))
        async with asyncio.timeout(DEADLINE):
            await attempt(session)
        await gone(gateway, device_id)


# --- limits ---------------------------------------------------------------------------------------


async def test_a_result_that_is_too_large_may_be_given_again_with_less(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        number = await world.submit(device_id)
        await device.command(number)
        large = {"picture": "x" * MAX_RESULT}
        await device.say(type="result", number=number, status="SUCCEEDED", result=large)
        await device.receive("error", code="result_too_large", of="result", number=number)
        assert await device.hears_nothing(QUICK.head * 1.5)
        await device.succeed(number, result={"picture": "elsewhere"})
    assert await world.history(device_id, number) == ["Accepted", "Sent", "Succeeded"]


async def test_the_largest_result_is_kept_in_an_object_and_read_whole(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    picture = {"picture": "x" * (MAX_RESULT - 20)}
    async with gateway.device(key) as device:
        number = await world.submit(device_id)
        await device.command(number)
        await device.succeed(number, result=picture)
    last = (await world.store.read(f"lane-{device_id}"))[-1]
    assert isinstance(last.event, RemoteCommandSucceeded)
    assert last.event.result == picture
    assert last.ref is not None
    assert len(world.store.objects.bodies) == 1


async def test_what_an_error_quotes_of_a_message_is_short(
    gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        await device.say(type="receipt", number=1, **{"x" * 5_000: 1})
        error = await device.receive("error", code="contract_violation")
        assert len(error["detail"]) == MAX_TOLD


async def test_an_account_has_a_share_of_the_connections(
    world: World, key: Key, device_id: str
) -> None:
    other = Key.generate()
    await world.claim(other)
    async with world.gateway(replace(QUICK, account_connections=1)) as gateway:
        async with gateway.device(key), gateway.device(key):
            refused = RawDevice(await gateway.connect(other))
            assert await refused.closed() == Close.TRY_LATER
        await gone(gateway, device_id)
        async with gateway.device(other):
            pass


async def test_a_device_begins_only_so_many_sessions(
    world: World, key: Key, device_id: str
) -> None:
    other = Key.generate()
    await world.claim(other)
    limits = replace(QUICK, sessions_burst=2, session_every=60)
    async with world.gateway(limits) as gateway:
        for _ in range(2):
            async with gateway.device(key):
                pass
        with pytest.raises(InvalidStatus) as refused:
            await gateway.connect(key)
        assert refused.value.response.status_code == 503
        assert 50 < int(refused.value.response.headers["Retry-After"]) <= 60
        async with gateway.device(other):
            pass


async def test_refused_messages_close_the_session_too(
    gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with gateway.device(key) as device:
        for _ in range(4):
            await device.say(type="result", number=999, status="SUCCEEDED")
            await device.receive("error", code="command_not_found")
        await device.say(type="report", sequence=1, state={"DoorLock": {"lock_state": "Locked"}})
        await device.receive("error", code="invalid_input", sequence=1)
        assert await device.closed() == Close.PROTOCOL_ERROR


async def test_an_unexpected_error_on_the_way_out_sends_the_device_elsewhere(
    world: World, gateway: RunningGateway, key: Key, device_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> list[Recorded]:
        raise RuntimeError("a mistake of ours")

    async with gateway.device(key) as device:
        monkeypatch.setattr(world.store, "read", broken)
        await world.api.lanes.nudge([device_id])
        assert await device.closed() == Close.TRY_LATER


# --- lost hints -----------------------------------------------------------------------------------


async def silently(world: World, work: Callable[[], Awaitable[Any]]) -> None:
    """Without any hint."""
    world.api, usual = world.silent(), world.api
    try:
        await work()
    finally:
        world.api = usual


async def test_a_release_that_nobody_hears_of_ends_the_session_in_time(
    world: World, key: Key, device_id: str
) -> None:
    async with (
        world.gateway(replace(QUICK, heartbeat=60, look_every=0.2)) as gateway,
        gateway.device(key) as device,
    ):
        await silently(world, lambda: world.release(device_id))
        assert await device.closed() == Close.REVOKED


async def test_what_a_device_reports_after_its_release_is_not_kept(
    world: World, key: Key, device_id: str
) -> None:
    async with (
        world.gateway(replace(QUICK, heartbeat=60)) as gateway,
        gateway.device(key) as device,
    ):
        await silently(world, lambda: world.release(device_id))
        await silently(world, lambda: world.claim(key))
        await gateway.server.runtime.container.repository.load(LANE, device_id)
        await device.say(type="report", sequence=1, state=ON)
        assert await device.closed() == Close.REVOKED
    assert world.twins.writes == []


# --- clocks ---------------------------------------------------------------------------------------


class FastUlids(Ulids):
    """Of a clock that is an hour ahead."""

    def __init__(self) -> None:
        super().__init__()
        self._last = int(ULID.from_datetime(datetime.now(UTC) + timedelta(hours=1)))


@asynccontextmanager
async def ahead(world: World) -> AsyncIterator[RunningGateway]:
    world.ids, usual = FastUlids(), world.ids
    entered = world.gateway()
    gateway = await entered.__aenter__()
    world.ids = usual
    try:
        yield gateway
    finally:
        await entered.__aexit__(None, None, None)


async def test_a_session_is_later_than_one_of_a_faster_clock_that_is_still_there(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    async with ahead(world) as fast, fast.device(key) as old, gateway.device(key) as new:
        assert new.welcome["session"] > old.welcome["session"]
        assert await old.closed() == Close.SUPERSEDED
        await new.command(await world.submit(device_id))


@pytest.mark.parametrize("known", ["cached", "stored"])
async def test_a_session_is_later_than_one_of_a_faster_clock_that_took_commands(
    world: World, gateway: RunningGateway, key: Key, device_id: str, known: str
) -> None:
    if known == "cached":
        async with gateway.device(key):
            pass
    async with ahead(world) as fast:
        async with fast.device(key) as device:
            number = await world.submit(device_id)
            await device.command(number)
        await gone(fast, device_id)
    await world.link.client.delete(f"homecast:presence:{device_id}")
    async with gateway.device(key) as device:
        await device.command(number, attempt=2)
        await device.succeed(number)


# --- reported state -------------------------------------------------------------------------------


async def test_no_report_is_acknowledged_before_its_state_is_stored(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    world.twins.away = True
    async with gateway.device(key) as device:
        for sequence in (1, 2, 3, 2):
            await device.say(type="report", sequence=sequence, state=ON)
        assert await device.hears_nothing(QUICK.report_interval * 3)
        world.twins.away = False
        for sequence in (1, 2, 3):
            await device.receive("ack", of="report", sequence=sequence)
        await device.say(type="report", sequence=2, state=ON)
        await device.receive("ack", of="report", sequence=2)
        assert await device.hears_nothing()


async def test_reports_that_wait_are_bounded(
    world: World,
    gateway: RunningGateway,
    key: Key,
    device_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reports, "WAITING", 2)
    world.twins.away = True
    async with gateway.device(key) as device:
        for sequence in (1, 2, 3):
            await device.say(type="report", sequence=sequence, state=ON)
        await device.receive("error", code="busy", of="report", sequence=3, retryable=True)
        world.twins.away = False
        for sequence in (1, 2):
            await device.receive("ack", of="report", sequence=sequence)
        await device.say(type="report", sequence=3, state=ON)
        await device.receive("ack", of="report", sequence=3)


async def test_state_that_can_never_be_stored_is_refused(
    world: World, gateway: RunningGateway, key: Key, device_id: str
) -> None:
    world.twins.refuses = TooLarge("the reported state is over the limit")
    async with gateway.device(key) as device:
        await device.say(type="report", sequence=1, state=ON)
        await device.receive("error", code="too_large", of="report", sequence=1, retryable=False)
        world.twins.refuses = None
        await device.say(type="report", sequence=2, state=ON)
        await device.receive("ack", of="report", sequence=2)
    assert world.twins.claims == [(await world.lane(device_id)).opened_at]
