"""What the commands about accounts work with; made once in a process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from commands.accounts.attempts import Attempts
from commands.accounts.keys import AccountKeys
from commands.accounts.password_rules import PasswordRules
from commands.accounts.ports import Passwords, Seals
from commands.kernel.dispatch import Dispatcher, Repository, Unit
from commands.kernel.ports import Clock, Ids, Vault
from domain.accounts.account import ACCOUNT, Account
from domain.accounts.email_address import EMAIL_ADDRESS, EmailAddress
from domain.kernel.errors import HomecastError
from domain.kernel.event import Aggregate, Event, State

S = TypeVar("S", bound=State)
DELETION_WAITS = timedelta(days=7)


class Later:
    """Work that nobody waits for, so that no answer tells by its time that there was some.

    What is under way when the process is killed is lost; what fails is left, and told to
    ``on_error``.
    """

    def __init__(self, on_error: Callable[[HomecastError], None] = lambda _: None) -> None:
        self._on_error = on_error
        self._tasks: set[asyncio.Task[None]] = set()

    def do(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(self._unheard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _unheard(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except HomecastError as error:
            self._on_error(error)


@dataclass(frozen=True)
class Parts:
    """``public_url``: where browsers find the pages, without a slash at its end."""

    dispatcher: Dispatcher
    vault: Vault
    clock: Clock
    ids: Ids
    keys: AccountKeys
    passwords: Passwords
    rules: PasswordRules
    seals: Seals
    attempts: Attempts
    public_url: str
    deletion_waits: timedelta = DELETION_WAITS
    later: Later = field(default_factory=Later)

    @property
    def repository(self) -> Repository:
        return self.dispatcher.repository

    @property
    def relying_party(self) -> str:
        """The domain that passkeys belong to (WebAuthn's RP ID); an IP address is none."""
        return urlsplit(self.public_url).hostname or ""

    @property
    def origin(self) -> str:
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    async def account(self, account_id: str) -> Account:
        """Raises ``AccountNotFound`` unless it is open."""
        state = (await self.repository.load(ACCOUNT, account_id)).state
        state.require_open()
        return state

    async def holder_of(self, email_hash: str) -> str | None:
        """The account that has the address."""
        state: EmailAddress = (await self.repository.load(EMAIL_ADDRESS, email_hash)).state
        return state.account_id


def carry_out(
    unit: Unit, aggregate: Aggregate[S], state: S, *steps: Callable[[S], Sequence[Event]]
) -> S:
    """Decide step after step, each on what the one before has left, and append all of it."""
    after, events = state, list[Event]()
    for step in steps:
        decided = step(after)
        for event in decided:
            after = aggregate.fold(after, event)
        events += decided
    unit.append(state, events)
    return after
