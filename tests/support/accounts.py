"""People with accounts, on memory: what the pages would do, without the pages.

``World`` is a platform; ``beside`` is another process of it. Its clock stands until a test moves
it, its password hashes are quick and counted, and mails are rendered as the outbox would.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.outbound.keys.secrets import KeyringSeals
from adapters.outbound.mail.templates import render
from adapters.outbound.memory.store import MemoryEventStore, MemorySnapshotStore
from adapters.outbound.memory.token_states import MemoryTokenStates
from adapters.outbound.system.clock import Ulids
from commands.accounts import signing_in, signing_up
from commands.accounts.attempts import Attempts
from commands.accounts.entering import Entered
from commands.accounts.forgetting import Eraser
from commands.accounts.keys import AccountKeys
from commands.accounts.known_browsers import known_browser
from commands.accounts.mail import MailItem
from commands.accounts.parts import Parts
from commands.accounts.password_rules import PasswordRules
from commands.accounts.ports import Mail
from commands.accounts.sign_in_sessions import Visitor
from commands.kernel.dispatch import Dispatcher, NoHints, Repository
from commands.kernel.ports import EventStore
from domain.accounts.account import ACCOUNT, Account
from domain.kernel.errors import Busy, HintsUnavailable
from domain.kernel.event import Event
from domain.kernel.recorded import Context, Recorded
from tests.support.interleave import PassingStore

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CONTEXT = Context("c", "m", "browser")
EMAIL, PASSWORD = "jo@home.example", "correct horse battery"
URL = "https://homecast.example"
VISITOR = Visitor("203.0.113.7", "Mozilla/5.0 (X11; Linux x86_64)", "DE")


async def no_apps(_: str) -> None:
    """Where nobody has own apps."""


class MovableClock:
    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


class SharedCounters:
    """As Redis has them for all processes."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.away = False

    async def add(self, key: str, amount: int, *, keep_seconds: int) -> int:
        if self.away:
            raise HintsUnavailable("away")
        self.values[key] = self.values.get(key, 0) + amount
        return self.values[key]


class QuickPasswords:
    """The port ``Passwords``, by one round of SHA-256; ``work``: which hashes were made.
    ``busy``: how many more find no place."""

    def __init__(self, parameters: str = "1") -> None:
        self.parameters = parameters
        self.work: list[str] = []
        self.busy = 0

    def _made(self, password: str, parameters: str) -> str:
        if self.busy:
            self.busy -= 1
            raise Busy("too many at once")
        return f"quick${parameters}${hashlib.sha256(password.encode()).hexdigest()}"

    async def hash(self, password: str) -> str:
        self.work.append("hash")
        return self._made(password, self.parameters)

    async def verify(self, hashed: str, password: str) -> bool:
        self.work.append("compare")
        return hashed == self._made(password, hashed.split("$")[1])

    def needs_rehash(self, hashed: str) -> bool:
        return hashed.split("$")[1] != self.parameters

    async def dummy(self, password: str) -> None:
        self.work.append("compare")
        self._made(password, self.parameters)


class Racing(PassingStore):
    """All processes have decided before the first of them commits."""

    def __init__(self, store: EventStore, barrier: asyncio.Barrier) -> None:
        super().__init__(store)
        self._barrier = barrier
        self._first = True

    async def commit(self, *args: Any, **kwargs: Any) -> list[Recorded]:
        if self._first:
            self._first = False
            await self._barrier.wait()
        return await super().commit(*args, **kwargs)


class World:
    def __init__(self, *, store: EventStore | None = None, first: World | None = None) -> None:
        self.memory: MemoryEventStore = first.memory if first else MemoryEventStore()
        self.clock: MovableClock = first.clock if first else MovableClock()
        self.counters: SharedCounters = first.counters if first else SharedCounters()
        self.ids = Ulids()
        self.keys: AccountKeys = first.keys if first else AccountKeys({"k": bytes(range(32))})
        self.passwords: QuickPasswords = first.passwords if first else QuickPasswords()
        self.vault = self.memory.vault
        self.used = store or self.memory
        repository = Repository(self.used, MemorySnapshotStore(self.memory.keyring))
        self.dispatcher = Dispatcher(
            store=self.used, repository=repository, hints=NoHints(), clock=self.clock, ids=self.ids
        )
        self.parts = Parts(
            dispatcher=self.dispatcher,
            vault=self.vault,
            clock=self.clock,
            ids=self.ids,
            keys=self.keys,
            passwords=self.passwords,
            rules=PasswordRules(),
            seals=KeyringSeals(self.memory.keyring),
            attempts=Attempts(self.counters, self.keys, self.clock),
            public_url=URL,
        )

    def beside(self, store: EventStore | None = None) -> World:
        return World(store=store, first=self)

    def racing(self, processes: int = 2) -> list[World]:
        """So many processes, whose first commits meet."""
        barrier = asyncio.Barrier(processes)
        return [self.beside(Racing(self.memory, barrier)) for _ in range(processes)]

    def eraser(self) -> Eraser:
        return Eraser(
            vault=self.vault,
            keyring=self.memory.keyring,
            dispatcher=self.dispatcher,
            revocations=MemoryTokenStates(),
        )

    # --- what is there ----------------------------------------------------------------------------

    async def events(self) -> list[Event]:
        """All there are; each stream in its order."""
        return [one.event async for one in self.memory.scan()]

    async def said(self, stream: str) -> list[str]:
        """Names of a stream's events."""
        return [type(one.event).__name__ for one in await self.memory.read(stream)]

    async def account(self, account_id: str) -> Account:
        state = ACCOUNT.initial(f"account-{account_id}")
        for recorded in await self.memory.read(state.stream):
            state = ACCOUNT.fold(state, recorded.event)
        return state

    async def mark(self, account_id: str) -> str:
        """Of the account's password."""
        held = await self.vault.get(f"password#{account_id}")
        return str(held["mark"]) if held else ""

    async def is_known(self, cookie: str, account_id: str) -> bool:
        """Whether the cookie is one of a browser that the account knows."""
        mark, now = await self.mark(account_id), self.clock.now()
        return known_browser(self.keys, cookie, account_id, mark=mark, now=now) is not None

    def kinds(self) -> list[str]:
        """Of the vault's items, with repetitions, without mails and links."""
        kinds = sorted(key.partition("#")[0] for key in self.vault.items)
        return [kind for kind in kinds if kind not in ("mail", "link", "challenge")]

    async def mails(self) -> list[tuple[str, Mail]]:
        """Kind and content of those that wait to be sent, oldest first."""
        held = await self.vault.list("mail#")
        items = [(key.partition("#")[2], MailItem.model_validate(value)) for key, value in held]
        return [(one.kind, render(name, one.to, one.kind, one.parameters)) for name, one in items]

    async def mail_kinds(self) -> list[str]:
        return [kind for kind, _ in await self.mails()]

    async def last_mail(self) -> Mail:
        return (await self.mails())[-1][1]

    async def last_token(self, kind: str | None = None) -> str:
        """Of the link in the newest mail (of this kind)."""
        mails = [mail for one, mail in await self.mails() if kind in (None, one)]
        found = re.search(r"token=([\w-]+)", mails[-1].text)
        assert found, "the mail has no link with a token"
        return found[1]

    # --- what a person does -----------------------------------------------------------------------

    async def ask(self, wanted: signing_up.Wanted, email: str = EMAIL, **more: Any) -> None:
        visitor = more.pop("visitor", VISITOR)
        await signing_up.ask_for_link(
            self.parts, CONTEXT, wanted, email=email, visitor=visitor, **more
        )

    async def sign_up(self, email: str = EMAIL, password: str = PASSWORD) -> Entered:
        await self.ask("sign_up", email)
        token = await self.last_token()
        return await signing_up.confirm_sign_up(
            self.parts, CONTEXT, token=token, password=password, visitor=VISITOR
        )

    async def sign_in(
        self,
        password: str = PASSWORD,
        *,
        email: str = EMAIL,
        device: str = "",
        visitor: Visitor = VISITOR,
    ) -> Entered | signing_in.CodeNeeded:
        return await signing_in.sign_in(
            self.parts,
            CONTEXT,
            email=email,
            password=password,
            visitor=replace(visitor, device=device),
        )

    async def entered(self, *args: Any, **more: Any) -> Entered:
        found = await self.sign_in(*args, **more)
        assert isinstance(found, Entered)
        return found


def names(events: Sequence[Event]) -> list[str]:
    return [type(one).__name__ for one in events]
