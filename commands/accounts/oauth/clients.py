"""OAuth clients: registered, changed, given secrets, retired; and found, at little cost."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from commands.kernel.dispatch import Repository, Unit
from commands.kernel.ports import Vault
from domain.accounts import client as rules
from domain.accounts.client import CLIENT, CLIENT_ID, Client, ClientConfig, ClientStatus
from domain.kernel.errors import Conflict, Unavailable
from domain.kernel.event import Event

PREFIX = "client-secret#"
REMEMBERED_SECONDS = 5.0
"""The longest that a process takes what an operator changed as it was."""
REMEMBERED = 10_000
REMEMBERED_UNKNOWN = 500
"""Ids of no client: anybody can name them, so they have a place of their own."""
STALE_SECONDS = 30.0
"""A known client is taken for what it was for so long where it cannot be looked at."""
CLI, DASHBOARD = "homecast-cli", "homecast-dashboard"
ID = re.compile(CLIENT_ID)
K = TypeVar("K")
V = TypeVar("V")


class ClientExists(Conflict):
    """A client with this id is there already."""

    code = "client_exists"
    retryable = False


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    client_id: str = Field(pattern=CLIENT_ID)


class RegisterClient(Message):
    """``replace``: configure anew what is there."""

    config: ClientConfig
    replace: bool = False


class IssueSecret(Message):
    """``secret``: made by ``new_secret``."""

    secret_id: str
    secret: str = Field(repr=False)


class RetireClient(Message):
    pass


@dataclass(frozen=True)
class KnownClient:
    """A client as the endpoints know it. ``registered_at``: for the last time. ``hashes``: SHA-256
    of its secrets."""

    client_id: str
    config: ClientConfig
    registered_at: datetime
    hashes: tuple[bytes, ...] = field(default=(), repr=False)

    def has_given(self, created_at: datetime) -> bool:
        """Whether a grant of then is one of this registration: what was before a client was retired
        does not come back with it."""
        return created_at >= self.registered_at

    def has_secret(self, secret: str) -> bool:
        """In constant time."""
        mine = _digest(secret)
        found = [hmac.compare_digest(mine, one) for one in self.hashes]
        return any(found)


def new_secret() -> str:
    """256 random bits; to be shown once."""
    return "hck_" + secrets.token_urlsafe(32)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


async def register(unit: Unit, vault: Vault, message: RegisterClient) -> Client:
    """Raises ``ClientExists``, ``InvalidInput``."""
    state = await unit.load(CLIENT, message.client_id)
    if state.status == ClientStatus.ACTIVE and not message.replace:
        raise ClientExists("there is a client with this id")
    known = await vault.get(PREFIX + message.client_id)
    by = unit.context.principal
    events = rules.configure(
        state, client_id=message.client_id, config=message.config, by=by, at=unit.at
    )
    if known is None:  # without secrets too, so that all clients can be listed
        unit.write_vault(PREFIX + message.client_id, {"secrets": []}, expected=0)
    return _decided(unit, state, events)


async def issue_secret(unit: Unit, vault: Vault, message: IssueSecret) -> Client:
    """The one before stays good for now. Raises ``ClientNotFound`` or ``ClientHasNoSecret``."""
    state = await unit.load(CLIENT, message.client_id)
    fields = {"client_id": message.client_id, "secret_id": message.secret_id}
    events = rules.issue_secret(state, **fields, by=unit.context.principal, at=unit.at)
    after = _decided(unit, state, events)
    held = await vault.get(PREFIX + message.client_id) or {"secrets": [], "version": 0}
    new = {"id": message.secret_id, "hash": _digest(message.secret).hex()}
    kept = [one for one in held["secrets"] if one["id"] in after.secret_ids and one != new]
    unit.write_vault(
        PREFIX + message.client_id, {"secrets": [*kept, new]}, expected=held["version"]
    )
    return after


async def retire(unit: Unit, message: RetireClient) -> None:
    """Raises ``ClientNotFound``."""
    state = await unit.load(CLIENT, message.client_id)
    if state.status is None:
        raise rules.ClientNotFound("no such client")
    events = rules.retire(state, client_id=message.client_id, by=unit.context.principal, at=unit.at)
    unit.append(state, events)
    if events:
        unit.write_vault(PREFIX + message.client_id, None)


def _decided(unit: Unit, state: Client, events: list[Event]) -> Client:
    unit.append(state, events)
    for event in events:
        state = CLIENT.fold(state, event)
    return state


async def list_clients(
    repository: Repository, vault: Vault
) -> list[tuple[str, ClientConfig, tuple[str, ...]]]:
    """Id, configuration and ids of secrets of each that was not retired. For the CLI."""
    found: list[tuple[str, ClientConfig, tuple[str, ...]]] = []
    for key, _ in await vault.list(PREFIX):
        client_id = key.removeprefix(PREFIX)
        state = (await repository.load(CLIENT, client_id)).state
        if state.status == ClientStatus.ACTIVE and state.config is not None:
            found.append((client_id, state.config, state.secret_ids))
    return found


class Clients:
    """All that endpoints ask of clients, remembered for five seconds in this process."""

    def __init__(self, repository: Repository, vault: Vault) -> None:
        self._repository = repository
        self._vault = vault
        self._held: OrderedDict[str, tuple[float, KnownClient]] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._right: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._loading: dict[str, asyncio.Task[KnownClient | None]] = {}

    def held(self, client_id: str) -> KnownClient | None:
        """None also where nothing is remembered."""
        held = self._held.get(client_id)
        return held[1] if held is not None and held[0] > time.monotonic() else None

    async def find(self, client_id: str) -> KnownClient | None:
        """None: there is none, or it was retired."""
        if not ID.fullmatch(client_id) or self._unknown.get(client_id, 0.0) > time.monotonic():
            return None
        held = self.held(client_id)
        if held is not None:
            return held
        return await asyncio.shield(self._loading.get(client_id) or self._begin(client_id))

    def knows(self, client_id: str) -> bool:
        """Whether it was there when it was looked at last, however long ago."""
        return client_id in self._held

    def was_right(self, client: KnownClient, secret: str) -> bool:
        """Whether this is a secret that this process took before, and one of the client's still."""
        mine = _digest(secret)
        return (client.client_id, mine) in self._right and client.has_secret(secret)

    def take_as_right(self, client: KnownClient, secret: str) -> None:
        _keep(self._right, (client.client_id, _digest(secret)), None, REMEMBERED)

    def forget(self) -> None:
        self._held.clear()
        self._unknown.clear()

    def _begin(self, client_id: str) -> asyncio.Task[KnownClient | None]:
        """At most one look at a time for each, however many ask."""
        task = asyncio.create_task(self._looked_up(client_id), name="client look-up")
        self._loading[client_id] = task
        task.add_done_callback(partial(self._ended, client_id))
        return task

    def _ended(self, client_id: str, task: asyncio.Task[KnownClient | None]) -> None:
        self._loading.pop(client_id, None)
        if not task.cancelled():
            task.exception()  # is raised where it was waited for, if anybody still does

    async def _looked_up(self, client_id: str) -> KnownClient | None:
        asked = time.monotonic()
        try:
            found = await self._load(client_id)
        except Unavailable:
            until, stale = self._held.get(client_id, (0.0, None))
            if stale is None or until + STALE_SECONDS < asked:
                raise
            return stale
        until = asked + REMEMBERED_SECONDS
        if found is None:
            self._held.pop(client_id, None)
            _keep(self._unknown, client_id, until, REMEMBERED_UNKNOWN)
        else:
            self._unknown.pop(client_id, None)
            _keep(self._held, client_id, (until, found), REMEMBERED)
        return found

    async def _load(self, client_id: str) -> KnownClient | None:
        state = (await self._repository.load(CLIENT, client_id)).state
        if state.status != ClientStatus.ACTIVE or state.config is None:
            return None
        assert state.registered_at is not None, "an active client was registered"
        hashes = await self._hashes(client_id, state)
        return KnownClient(client_id, state.config, state.registered_at, hashes)

    async def _hashes(self, client_id: str, state: Client) -> tuple[bytes, ...]:
        if not state.secret_ids:
            return ()
        held: dict[str, Any] = await self._vault.get(PREFIX + client_id) or {"secrets": []}
        return tuple(
            bytes.fromhex(one["hash"]) for one in held["secrets"] if one["id"] in state.secret_ids
        )


def _keep(entries: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    entries[key] = value
    entries.move_to_end(key)
    while len(entries) > most:
        entries.popitem(last=False)
