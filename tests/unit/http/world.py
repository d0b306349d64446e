"""The API on memory: one account's token, devices with keys, a feed, and knobs to break things."""

from __future__ import annotations

import asyncio
import base64
import builtins
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import OKPKey

from adapters.inbound.http.app import create_app
from adapters.inbound.http.proof import REGISTRY
from adapters.inbound.operations.ports import DeadLettersNotFound, Letter, Redriven, Waiting
from adapters.outbound.dynamodb.codec import to_cloud_event
from adapters.outbound.memory.store import MemoryEventStore, MemorySnapshotStore, MemoryVault
from adapters.outbound.memory.token_states import MemoryTokenStates
from adapters.outbound.system.clock import Ulids
from adapters.outbound.telemetry.tracing import NullTracer
from adapters.settings import Settings
from commands.accounts import homes
from commands.accounts.tokens import HOMES_READ, HOMES_WRITE, SCOPES, issue_token
from commands.devices import remote_commands
from commands.kernel.dispatch import Decide, Dispatcher, R, Repository, Unit
from domain.accounts.membership import MEMBERSHIP, MemberRole, begin, id_of_membership
from domain.devices.lane import LANE
from domain.devices.remote_command import CommandStatus
from domain.kernel.errors import HintsUnavailable, StoreUnavailable
from domain.kernel.event import category_of
from domain.kernel.ids import device_id_of
from domain.kernel.recorded import Context, Recorded
from projections.devices.devices import DEVICES, DeviceRow
from projections.devices.memberships import MEMBERSHIPS, MembershipRow
from projections.devices.ports import FeedReset
from projections.devices.remote_commands import REMOTE_COMMANDS, RemoteCommandRow
from projections.kernel.gate import Gate, Key, Projection, Row
from projections.kernel.parked_rows import ParkedRows
from projections.kernel.slots import Phase, Slot
from projections.kernel.status import ModelStatus
from tests.support.gated import MemoryRegistry, MemoryRows, parked_rows, parking_lot

ACCOUNT = "01JDEMQ0000000000000000001"
OTHER = "01JDEMQ0000000000000000002"
HOME_SCOPES = (*SCOPES, HOMES_READ, HOMES_WRITE)
START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DEADLINE = 5.0
FeedMessage = dict[str, Any] | FeedReset


class FakeClock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class FaultyStore(MemoryEventStore):
    """``away``: nothing answers; ``broken``: a defect."""

    away = False
    broken = False
    reads = 0

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None, personal: bool = True
    ) -> list[Recorded]:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("away")
        if self.broken:
            raise RuntimeError("a secret cause")
        return await super().read(stream, after=after, up_to=up_to, personal=personal)


class FakePresence:
    def __init__(self) -> None:
        self.here: set[str] = set()
        self.asked: list[Sequence[str]] = []
        self.away = False

    async def online(self, device_ids: Sequence[str]) -> dict[str, bool]:
        if self.away:
            raise HintsUnavailable("away")
        self.asked.append(device_ids)
        return {one: one in self.here for one in device_ids}


class FakeFeed:
    """``messages`` go to whoever watches; ``opened`` counts subscriptions."""

    def __init__(self) -> None:
        self.queues: dict[str, list[asyncio.Queue[FeedMessage | None]]] = {}
        self.opened = 0

    @asynccontextmanager
    async def watch(self, account_id: str) -> AsyncIterator[AsyncIterator[FeedMessage]]:
        queue: asyncio.Queue[FeedMessage | None] = asyncio.Queue()
        self.queues.setdefault(account_id, []).append(queue)
        self.opened += 1
        try:
            yield self._messages(queue)
        finally:
            self.queues[account_id].remove(queue)

    async def _messages(
        self, queue: asyncio.Queue[FeedMessage | None]
    ) -> AsyncIterator[FeedMessage]:
        while (message := await queue.get()) is not None:
            yield message

    def tell(self, account_id: str, message: FeedMessage | None) -> None:
        for queue in self.queues.get(account_id, ()):
            queue.put_nowait(message)


class FakeCounters:
    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.calls = 0
        self.away = False

    async def add(self, key: str, amount: int, *, keep_seconds: int) -> int:
        self.calls += 1
        if self.away:
            raise HintsUnavailable("away")
        self.values[key] = self.values.get(key, 0) + amount
        return self.values[key]


class FakeLanes:
    def __init__(self) -> None:
        self.nudged: list[str] = []

    async def nudge(self, device_ids: Sequence[str]) -> None:
        self.nudged += device_ids


class FakeRows:
    """What readers see of ``gated``, the gate's rows; ``index``: what lists show while it lags."""

    def __init__(self) -> None:
        self.gated = MemoryRows()
        self.index: dict[Key, Any] | None = None
        self.listed = self.looked = 0

    @property
    def rows(self) -> dict[Key, Any]:
        return self.gated.rows

    def lag(self) -> None:
        self.index = self.rows


class FakeDevices(FakeRows):
    async def get(self, device_id: str) -> DeviceRow | None:
        self.looked += 1
        return self.rows.get((device_id,))

    async def list(
        self, account_id: str, *, limit: int, cursor: str | None
    ) -> tuple[builtins.list[DeviceRow], str | None]:
        mine = sorted(
            (row for row in self._listed().values() if row.account_id == account_id),
            key=lambda row: str(row.device_id),
        )
        later = [row for row in mine if cursor is None or row.device_id > cursor]
        return later[:limit], later[limit - 1].device_id if len(later) > limit else None

    def _listed(self) -> dict[Key, Any]:
        return self.rows if self.index is None else self.index

    async def count(self, account_id: str) -> int:
        return sum(row.account_id == account_id for row in self.rows.values())

    async def count_by_kind(self) -> dict[str, int]:
        return dict(Counter(row.kind.value for row in self.rows.values() if row.account_id))


class FakeMemberships(FakeRows):
    async def get(self, account_id: str, home_id: str) -> MembershipRow | None:
        self.looked += 1
        return self.rows.get((account_id, home_id))

    async def homes_of(self, account_id: str) -> builtins.list[MembershipRow]:
        return [row for row in self._granting() if row.account_id == account_id]

    async def members_of(self, home_id: str) -> builtins.list[MembershipRow]:
        return [row for row in self._granting() if row.home_id == home_id]

    def _granting(self) -> builtins.list[MembershipRow]:
        return [row for row in self.rows.values() if row.role]


@dataclass(frozen=True)
class FakeAccounts:
    dispatcher: Dispatcher


class FakeCommands(FakeRows):
    async def get(self, device_id: str, number: int) -> RemoteCommandRow | None:
        return self.rows.get((device_id, number))

    async def get_many(
        self, device_id: str, numbers: Sequence[int]
    ) -> builtins.list[RemoteCommandRow]:
        keys = [(device_id, number) for number in numbers]
        return [self.rows[key] for key in keys if key in self.rows]

    async def list(
        self, device_id: str, *, limit: int, before: int | None, consistent: bool = False
    ) -> builtins.list[RemoteCommandRow]:
        self.listed += 1
        shown = self.rows if consistent or self.index is None else self.index
        rows = [
            row
            for row in shown.values()
            if row.device_id == device_id and (before is None or row.number < before)
        ]
        return sorted(rows, key=lambda row: int(-row.number))[:limit]


@dataclass
class FakeTwin:
    state: dict[str, dict[str, Any]]
    reported_at: datetime


@dataclass
class FakeTwins:
    held: dict[str, FakeTwin] = field(default_factory=dict)

    async def get_many(self, device_ids: Sequence[str]) -> dict[str, FakeTwin]:
        return {one: self.held[one] for one in device_ids if one in self.held}


class FakeStatuses:
    """Both models a second behind."""

    async def all(self) -> list[ModelStatus]:
        return [one for model in ("devices", "remote_commands") if (one := self.known(model))]

    def known(self, model: str) -> ModelStatus | None:
        return ModelStatus(
            model=model,
            version=1,
            code_version=2,
            live=Slot.GREEN,
            phase=Phase.IDLE,
            lag_seconds=1.0,
            waiting=3,
            dead_letters=0,
            parked=0,
        )


class FakeDeadLetters:
    """Of one queue, ``devices``."""

    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}
        self.acts: list[tuple[str, str]] = []

    async def waiting(self) -> list[Waiting]:
        return [Waiting("devices", len(self.letters), 0)]

    async def peek(self, queue: str, *, limit: int) -> list[Letter]:
        self._require(queue)
        return list(self.letters.values())[:limit]

    async def redrive(
        self, queue: str, *, who: str, limit: int | None, per_second: int
    ) -> Redriven:
        self._require(queue)
        self.acts.append(("redrive", who))
        moved = list(self.letters)[:limit]
        for one in moved:
            del self.letters[one]
        return Redriven(len(moved))

    async def drop(self, queue: str, letter: str, *, who: str) -> None:
        self._require(queue)
        if self.letters.pop(letter, None) is None:
            raise DeadLettersNotFound("no such letter was found")
        self.acts.append(("drop", who))

    def _require(self, queue: str) -> None:
        if queue != "devices":
            raise DeadLettersNotFound("no such queue")


@dataclass
class FakeOperations:
    parked: ParkedRows
    dead_letters: FakeDeadLetters


class World:
    """A container, its app, and the hands of devices and gateway."""

    def __init__(self, *, rate: int = 100_000, devices: int = 1000) -> None:
        self.settings = Settings(
            rate_limit_per_minute=rate,
            devices_per_account=devices,
            devices_events_table="a",
            devices_snapshots_table="b",
            vault_table="c",
            devices_table="d",
            remote_commands_table="e",
            twins_table="f",
        )
        self.clock = FakeClock()
        self.ids = Ulids()
        self.vault = MemoryVault()
        self.store = FaultyStore(self.vault)
        self.repository = Repository(self.store, MemorySnapshotStore(self.store.keyring))
        self.dispatcher = Dispatcher(
            store=self.store,
            repository=self.repository,
            hints=self,
            clock=self.clock,
            ids=self.ids,
        )
        self.tracer = NullTracer()
        self.presence = FakePresence()
        self.feed = FakeFeed()
        self.lanes = FakeLanes()
        self.devices = FakeDevices()
        self.commands = FakeCommands()
        self.memberships = FakeMemberships()
        self.accounts = FakeAccounts(self.dispatcher)
        self.twins = FakeTwins()
        self.counters = FakeCounters()
        self.token_states = MemoryTokenStates()
        self.statuses = FakeStatuses()
        self.registry = MemoryRegistry()
        self.gates: tuple[Gate[DeviceRow], Gate[RemoteCommandRow]] = (
            self.gate(DEVICES, self.devices.gated),
            self.gate(REMOTE_COMMANDS, self.commands.gated),
        )
        self.members = self.gate(MEMBERSHIPS, self.memberships.gated)
        self.operations = FakeOperations(
            parked_rows(
                self.registry,
                *((one, self.gate(one.projection, MemoryRows())) for one in self.gates),
            ),
            FakeDeadLetters(),
        )
        self.projecting = True
        self.waiting: list[Recorded] = []
        """Stored and not projected yet; ``catch_up`` does that."""
        self.hinting = True

    def gate(self, projection: Projection[Row], rows: MemoryRows) -> Gate[Row]:
        lot = parking_lot(self.registry, projection.name)
        return Gate(projection, rows, self.store, lot)

    async def decode(self, cloud_event: dict[str, Any]) -> Recorded:
        return await self.store.sealer.from_cloud_event(cloud_event)

    async def committed(self, recorded: Sequence[Recorded], *, account_id: str | None) -> None:
        """As hint path and projector together: at once, or not at all."""
        devices = [one for one in recorded if _is_of(one, DEVICES.category)]
        members = [one for one in recorded if _is_of(one, MEMBERSHIPS.category)]
        lanes = [one for one in recorded if _is_of(one, LANE.category)]
        if self.projecting:
            await self.gates[0].apply(devices)
            await self.gates[1].apply(lanes)
            await self.members.apply(members)
        else:
            self.waiting += recorded
        if self.hinting and account_id:
            for one in recorded:
                message = {"type": "event", "event": to_cloud_event(one)}
                self.feed.tell(account_id, message)

    async def catch_up(self, after: float = 0) -> None:
        await asyncio.sleep(after)
        self.projecting, waiting, self.waiting = True, self.waiting, []
        await self.committed(waiting, account_id=None)

    @asynccontextmanager
    async def app(self) -> AsyncIterator[FastAPI]:
        app = create_app(self)
        async with app.router.lifespan_context(app):
            yield app

    async def token(
        self, account_id: str = ACCOUNT, scopes: Sequence[str] = SCOPES, **more: Any
    ) -> str:
        token, _ = await issue_token(
            self.vault,
            clock=self.clock,
            ids=self.ids,
            account_id=account_id,
            scopes=scopes,
            **more,
        )
        return token

    async def join(
        self,
        account_id: str,
        role: MemberRole,
        ends_at: datetime | None = None,
        home_id: str = ACCOUNT,
    ) -> None:
        """As if an invitation had been accepted."""

        async def decide(unit: Unit) -> None:
            member = await unit.load(MEMBERSHIP, id_of_membership(home_id, account_id))
            begun = begin(
                member,
                home_id=home_id,
                account_id=account_id,
                role=role,
                ends_at=ends_at,
                by="test",
                at=unit.at,
            )
            unit.append(member, begun)

        await self.accounts.dispatcher.execute(Context("corr", "cause", "test"), decide)

    async def end_membership(self, account_id: str, home_id: str = ACCOUNT) -> None:
        message = homes.EndMembership(home_id=home_id, account_id=account_id, reason="removed")
        await self.accounts.dispatcher.execute(
            Context("corr", "cause", "test"), lambda unit: homes.end_membership(unit, message)
        )

    async def _as_gateway(self, decide: Decide[R]) -> R:
        context = Context("corr", "cause", "device:test")
        result, _ = await self.dispatcher.execute(context, decide)
        return result

    async def send(self, device_id: str, number: int, session: str = "S1") -> None:
        message = remote_commands.SendRemoteCommand(
            device_id=device_id, number=number, session=session
        )
        await self._as_gateway(lambda unit: remote_commands.send(unit, message))

    async def succeed(self, device_id: str, number: int, **result: Any) -> None:
        message = remote_commands.ReportResult(
            device_id=device_id, number=number, status=CommandStatus.SUCCEEDED, result=result
        )
        await self._as_gateway(lambda unit: remote_commands.report_result(unit, message))

    async def carry_out(self, device_id: str, number: int) -> None:
        await self.send(device_id, number)
        await self.succeed(device_id, number)


def _is_of(recorded: Recorded, category: str) -> bool:
    return category_of(recorded.event.originator_id) == category


class DeviceKey:
    """A device, as far as its key goes."""

    def __init__(self) -> None:
        self.private = Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes_raw()
        self.id = device_id_of(self.public)

    def proof(self, at: datetime = START, **changes: Any) -> str:
        now = int(at.timestamp())
        claims = {
            "iss": self.id,
            "aud": "homecast:claim",
            "iat": now,
            "exp": now + 300,
            "jti": "1",
            "pub": base64.urlsafe_b64encode(self.public).rstrip(b"=").decode(),
            **changes,
        }
        key = OKPKey.import_key(self.private)
        return jwt.encode({"alg": "EdDSA"}, claims, key, ["EdDSA"], registry=REGISTRY)


class Client:
    """Requests with one token."""

    def __init__(self, app: FastAPI, token: str | None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(
            transport=transport, base_url="http://homecast", headers=headers, timeout=None
        )

    async def claim(self, key: DeviceKey, **body: Any) -> httpx.Response:
        content = {"name": "Lamp", "kind": "dimmable_light", "proof": key.proof(), **body}
        return await self.http.post("/v1/devices", json=content)

    async def submit(
        self,
        device_id: str,
        command: str = "OnOff.On",
        *,
        key: str | None = None,
        wait: int | None = None,
        **body: Any,
    ) -> httpx.Response:
        return await self.http.post(
            f"/v1/devices/{device_id}/commands",
            json={"command": command, **body},
            headers={"Idempotency-Key": key} if key else {},
            params={"wait": wait} if wait is not None else {},
        )

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params)

    async def read(self, path: str, token: str, wait: int = 2, **params: Any) -> httpx.Response:
        """With a consistency token."""
        headers = {"Consistency-Token": token, "Prefer": f"wait={wait}"}
        return await self.http.get(path, params=params or None, headers=headers)
