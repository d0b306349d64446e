"""A gateway in this process: memory for the store, a real Redis, real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from adapters.inbound.cli.device_client import connect_token, public_key_of
from adapters.inbound.gateway.container import Limits
from adapters.inbound.gateway.protocol import PATH, SUBPROTOCOL
from adapters.inbound.gateway.server import GatewayServer
from adapters.outbound.dynamodb.codec import from_cloud_event, to_cloud_event
from adapters.outbound.memory.store import MemoryEventStore, MemorySnapshotStore, MemoryVault
from adapters.outbound.redis import (
    Link,
    RedisHints,
    RedisPresence,
    RedisSessions,
    RedisWatchers,
)
from adapters.outbound.redis import connect as connect_redis
from adapters.outbound.system.clock import SystemClock, Ulids
from adapters.outbound.telemetry.tracing import NullTracer
from adapters.settings import Settings
from commands.devices.ownership import ClaimDevice, ReleaseDevice, claim_device, release_device
from commands.devices.remote_commands import (
    CancelRemoteCommand,
    SubmitRemoteCommand,
    cancel,
    submit,
)
from commands.kernel.dispatch import Dispatcher, Repository
from domain.devices.capabilities import DeviceKind
from domain.devices.lane import LANE, Lane
from domain.kernel.errors import HomecastError, StoreUnavailable
from domain.kernel.ids import device_id_of
from domain.kernel.recorded import Context, Recorded
from tests.support.redis import RedisServer

ACCOUNT = "01TESTACC00000000000000000"
QUICK = Limits(head=1.0, offline_after=0.3, heartbeat=0.1, retry=0.1, report_interval=0.2, drain=3)
"""The usual rules at a pace that a test can wait for."""
DEADLINE = 5.0
TRACE = "Root=1-65a1b2c3-0123456789abcdef01234567"
ASKED = Context(correlation_id="asked", causation_id="asked", principal="token:t", trace=TRACE)


class MemoryTwins:
    def __init__(self) -> None:
        self.states: dict[str, dict[str, dict[str, Any]]] = {}
        self.writes: list[tuple[str, int, dict[str, dict[str, Any]]]] = []
        self.claims: list[int] = []
        self.away = False
        self.refuses: HomecastError | None = None

    async def report(
        self,
        device_id: str,
        *,
        claim: int,
        session: str,
        sequence: int,
        state: dict[str, dict[str, Any]],
    ) -> bool:
        if self.away:
            raise StoreUnavailable("no twins now")
        if self.refuses is not None:
            raise self.refuses
        self.claims.append(claim)
        self.writes.append((session, sequence, state))
        held = self.states.setdefault(device_id, {})
        for cluster, attributes in state.items():
            held.setdefault(cluster, {}).update(attributes)
        return True


class FaultyStore(MemoryEventStore):
    """``away``: nothing can be reached. ``loses_answers``: so many commits are stored unheard."""

    away = False
    refused = 0
    loses_answers = 0

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None, personal: bool = True
    ) -> list[Recorded]:
        if self.away:
            raise StoreUnavailable("no store now")
        return await super().read(stream, after=after, up_to=up_to, personal=personal)

    async def commit(self, *args: Any, **kwargs: Any) -> list[Recorded]:
        if self.away:
            self.refused += 1
            raise StoreUnavailable("no store now")
        recorded = await super().commit(*args, **kwargs)
        if self.loses_answers:
            self.loses_answers -= 1
            raise StoreUnavailable("the answer was lost")
        return recorded

    def restore(self, stream: str, *, before: int) -> None:
        del self._streams[stream][before - 1 :]
        self._generation += 1


class PastClock:
    def __init__(self, seconds: float) -> None:
        self._behind = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return datetime.now(UTC) - self._behind


class NoHints:
    async def committed(self, recorded: Sequence[Recorded], *, account_id: str | None) -> None:
        return None


@dataclass
class Container:
    """What ``bootstrap.gateway.gateway`` gives, on other parts."""

    settings: Settings
    store: MemoryEventStore
    vault: MemoryVault
    repository: Repository
    dispatcher: Dispatcher
    hints: RedisHints
    lanes: RedisHints
    watchers: RedisWatchers
    presence: RedisPresence
    sessions: RedisSessions
    twins: MemoryTwins
    link: Link
    clock: SystemClock = field(default_factory=SystemClock)
    ids: Ulids = field(default_factory=Ulids)
    tracer: NullTracer = field(default_factory=NullTracer)


class World:
    """One store and one Redis; as many gateways and APIs around them as a test needs."""

    def __init__(self, redis: RedisServer) -> None:
        self.redis = redis
        self.vault = MemoryVault()
        self.store = FaultyStore(self.vault)
        self.snapshots = MemorySnapshotStore(self.store.keyring)
        self.twins = MemoryTwins()
        self.ids = Ulids()
        self._clients: list[Redis] = []
        self.api = self._container("")
        self.link = self.api.link

    def _container(self, gateway_id: str) -> Container:
        client = connect_redis(self.redis.url)
        self._clients.append(client)
        link, clock = Link(client), SystemClock()
        hints = RedisHints(link, to_cloud_event=to_cloud_event, origin_gateway=gateway_id)
        repository = Repository(self.store, self.snapshots)
        dispatcher = Dispatcher(
            store=self.store, repository=repository, hints=hints, clock=clock, ids=self.ids
        )
        return Container(
            settings=Settings(),
            store=self.store,
            vault=self.vault,
            repository=repository,
            dispatcher=dispatcher,
            hints=hints,
            lanes=hints,
            watchers=RedisWatchers(link),
            presence=RedisPresence(link),
            sessions=RedisSessions(link, gateway_id=gateway_id, from_cloud_event=from_cloud_event),
            twins=self.twins,
            link=link,
            ids=self.ids,
        )

    def past(self, seconds: float) -> Container:
        """An API whose clock is behind: what it accepts may be overdue already."""
        api = self._container("")
        api.dispatcher.clock = PastClock(seconds)
        return api

    def silent(self) -> Container:
        """An API whose hints are all lost."""
        api = self._container("")
        api.dispatcher._hints = NoHints()
        return api

    @asynccontextmanager
    async def gateway(self, limits: Limits = QUICK) -> AsyncIterator[RunningGateway]:
        server = GatewayServer(self._container(self.ids.new()), limits)
        async with server.listening("127.0.0.1", 0) as port:
            yield RunningGateway(server, f"ws://127.0.0.1:{port}{PATH}")

    def restored(self, stream: str, *, before: int) -> World:
        """The world after a backup was put back that lacks a stream's events from a version on."""
        world = World(self.redis)
        world.store, world.vault = self.store, self.vault
        world.store.restore(stream, before=before)
        self._clients += world._clients
        world._clients = self._clients
        world.api = world._container("")
        return world

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()

    # --- the owner --------------------------------------------------------------------------------

    async def claim(
        self, key: Ed25519PrivateKey, kind: DeviceKind = DeviceKind.DIMMABLE_LIGHT
    ) -> str:
        message = ClaimDevice(
            account_id=ACCOUNT, public_key=public_key_of(key), name="Lamp", kind=kind
        )
        (device_id, _), _ = await self.api.dispatcher.execute(
            ASKED, lambda unit: claim_device(unit, message)
        )
        return device_id

    async def submit(
        self,
        device_id: str,
        command: str = "OnOff.On",
        *,
        api: Container | None = None,
        **more: Any,
    ) -> int:
        message = SubmitRemoteCommand(
            account_id=ACCOUNT, client_id="c", device_id=device_id, command=command, **more
        )
        number, _ = await (api or self.api).dispatcher.execute(
            ASKED, lambda unit: submit(unit, message)
        )
        return number

    async def cancel(self, device_id: str, number: int) -> None:
        message = CancelRemoteCommand(account_id=ACCOUNT, device_id=device_id, number=number)
        await self.api.dispatcher.execute(ASKED, lambda unit: cancel(unit, message))

    async def release(self, device_id: str) -> None:
        message = ReleaseDevice(account_id=ACCOUNT, device_id=device_id)
        await self.api.dispatcher.execute(ASKED, lambda unit: release_device(unit, message))

    async def lane(self, device_id: str) -> Lane:
        """As it is stored."""
        return (await self.api.repository.load(LANE, device_id)).state

    async def events(self, device_id: str, number: int) -> list[Recorded]:
        """Of one command."""
        recorded = await self.store.read(LANE.stream(device_id))
        return [one for one in recorded if getattr(one.event, "number", None) == number]

    async def history(self, device_id: str, number: int) -> list[str]:
        """Names of a command's events, without the prefix that all share."""
        events = await self.events(device_id, number)
        return [type(one.event).__name__.removeprefix("RemoteCommand") for one in events]


@dataclass
class RunningGateway:
    server: GatewayServer
    url: str

    @asynccontextmanager
    async def device(self, key: Ed25519PrivateKey) -> AsyncIterator[RawDevice]:
        """Connected and welcomed."""
        async with await self.connect(key) as socket:
            device = RawDevice(socket)
            device.welcome = await device.receive("welcome")
            yield device

    async def connect(self, key: Ed25519PrivateKey, token: str | None = None) -> ClientConnection:
        return await open_socket(self.url, token or connect_token(key))


async def open_socket(url: str, token: str, **options: Any) -> ClientConnection:
    return await connect(
        url,
        additional_headers={"Authorization": f"Bearer {token}"},
        subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
        compression=None,
        proxy=None,
        ping_interval=None,
        **options,
    )


class RawDevice:
    """Says exactly what a test tells it to, right or wrong."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.welcome: dict[str, Any] = {}

    async def say(self, **message: Any) -> None:
        await self.socket.send(orjson.dumps(message).decode())

    async def hear(self, within: float = DEADLINE) -> dict[str, Any]:
        async with asyncio.timeout(within):
            message: dict[str, Any] = orjson.loads(await self.socket.recv())
            return message

    async def receive(self, kind: str, **expected: Any) -> dict[str, Any]:
        """The next message, which has to be of this type and hold these values."""
        message = await self.hear()
        found = {name: message.get(name) for name in expected}
        assert (message["type"], found) == (kind, expected), message
        return message

    async def command(self, number: int, attempt: int = 1) -> dict[str, Any]:
        return await self.receive("command", number=number, attempt=attempt)

    async def succeed(self, number: int, **more: Any) -> None:
        """Answer, and see the answer acknowledged."""
        await self.say(type="result", number=number, status="SUCCEEDED", **more)
        await self.receive("ack", of="result", number=number)

    async def hears_nothing(self, within: float = 0.15) -> bool:
        try:
            message = await self.hear(within)
        except TimeoutError:
            return True
        raise AssertionError(message)

    async def closed(self) -> int:
        """The close code, whatever else is still said before."""
        with pytest.raises(ConnectionClosed) as closed:
            await self._listen()
        assert closed.value.rcvd is not None, "the connection broke without a close frame"
        return closed.value.rcvd.code

    async def _listen(self) -> None:
        async with asyncio.timeout(DEADLINE):
            while True:
                await self.socket.recv()


def device_id_for(key: Ed25519PrivateKey) -> str:
    return device_id_of(public_key_of(key))
