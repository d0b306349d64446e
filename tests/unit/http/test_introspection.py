"""Tokens of both kinds in several processes that share a memory, with all that can come between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.inbound.http.introspection import Introspection
from adapters.outbound.memory.store import MemoryVault
from adapters.outbound.memory.token_states import MemoryTokenStates
from adapters.outbound.system.clock import Ulids
from commands.accounts import tokens
from commands.accounts.bearers import VaultRevocations
from commands.accounts.token_states import TRUSTED_FOR, State
from commands.accounts.tokens import SCOPES, InvalidToken
from domain.kernel.errors import StoreUnavailable
from tests.support import grants
from tests.support.grants import Grant
from tests.unit.http.world import ACCOUNT, START, FakeClock

HERE = "192.0.2.1"


class CountingVault(MemoryVault):
    """``away``; ``pause``: runs after the item was read and before the reader has it."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.away = False
        self.pause: Callable[[], Awaitable[object]] | None = None

    async def get(self, key: str) -> dict[str, Any] | None:
        if self.away:
            raise StoreUnavailable("away")
        self.reads += 1
        held = await super().get(key)
        pause, self.pause = self.pause, None
        if pause:
            await pause()
        else:
            await asyncio.sleep(0)
        return held


class Processes:
    """Any number of them, one vault, one shared memory, and one time that all look at."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.clock, self.ids = FakeClock(), Ulids()
        self.vault = CountingVault()
        self.shared = MemoryTokenStates(self.now)

    def now(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds
        self.clock.advance(seconds)

    def start(self) -> Introspection:
        return Introspection(self.vault, self.clock, self.shared, now=self.now)

    async def grant(self, **more: Any) -> Grant:
        wishes = {"account_id": ACCOUNT, "scopes": SCOPES, "now": self.clock.now(), **more}
        return await grants.give(self.vault, self.ids.new(), **wishes)

    async def personal(self) -> tuple[str, tokens.Grant]:
        return await tokens.issue_token(
            self.vault, clock=self.clock, ids=self.ids, account_id=ACCOUNT
        )


@pytest.fixture
def processes() -> Processes:
    return Processes()


async def holds(process: Introspection, token: str) -> bool:
    try:
        await process.bearer(token, HERE)
    except InvalidToken:
        return False
    return True


async def test_both_kinds_are_the_same_to_whoever_asks(processes: Processes) -> None:
    process = processes.start()
    token, personal = await processes.personal()
    mine = await process.bearer(token, HERE)
    assert (mine.principal, mine.client_id) == (f"token:{personal.token_id}", None)
    grant = await processes.grant(scopes=["devices:read"])
    lent = await process.bearer(grant.token, HERE)
    assert (lent.principal, lent.client_id) == (f"grant:{grant.id}", "alexa")
    assert (lent.account_id, lent.scopes) == (ACCOUNT, frozenset({"devices:read"}))
    assert await process.introspect(grant.token) == lent
    assert await process.introspect(grant.refresh_token or "") is None


async def test_the_first_look_is_one_read_of_the_vault_and_the_next_ones_none(
    processes: Processes,
) -> None:
    process, grant = processes.start(), await processes.grant()
    looks = [process.bearer(grant.token, HERE) for _ in range(5)]
    assert len({one.principal for one in await asyncio.gather(*looks)}) == 1
    assert processes.vault.reads == 1
    assert await holds(processes.start(), grant.token), "another process asks the shared memory"
    processes.advance(TRUSTED_FOR - 1)
    assert await holds(process, grant.token)
    assert processes.vault.reads == 1


async def test_nothing_is_trusted_for_longer_by_passing_it_on(processes: Processes) -> None:
    first, grant = processes.start(), await processes.grant()
    assert await holds(first, grant.token)
    processes.advance(TRUSTED_FOR - 1)
    second = processes.start()
    assert await holds(second, grant.token)
    await processes.vault.delete(grant.key)  # and nobody is told
    processes.advance(1)
    assert not await holds(second, grant.token)
    assert not await holds(first, grant.token)


async def test_a_revocation_reaches_all_processes_at_once(processes: Processes) -> None:
    here, there = processes.start(), processes.start()
    grant = await processes.grant()
    second = await grant.another(START)
    token, personal = await processes.personal()
    for one in (grant.token, second, token):
        assert await holds(here, one)
        assert await holds(there, one)
    await grant.revoke(processes.shared)
    await tokens.revoke_token(processes.vault, personal.token_id, revocations=processes.shared)
    reads = processes.vault.reads
    for one in (grant.token, second, token):
        assert not await holds(here, one)
        assert not await holds(there, one)
        assert not await holds(processes.start(), one), "a process that has just started"
    assert processes.vault.reads == reads


async def test_without_the_shared_memory_a_revocation_takes_30_s_and_no_longer(
    processes: Processes,
) -> None:
    assert TRUSTED_FOR <= 30
    process, grant = processes.start(), await processes.grant()
    processes.shared.away = True
    assert await holds(process, grant.token), "the vault is read"
    await grant.revoke(processes.shared)
    processes.advance(TRUSTED_FOR - 0.001)
    assert await holds(process, grant.token)
    processes.advance(0.001)
    assert not await holds(process, grant.token)


async def test_a_shared_memory_that_missed_a_revocation_is_no_worse(processes: Processes) -> None:
    here, there = processes.start(), processes.start()
    grant = await processes.grant()
    assert await holds(here, grant.token)
    processes.shared.away = True
    await grant.revoke(processes.shared)
    processes.shared.away = False
    assert await holds(there, grant.token), "as it was kept before"
    processes.advance(TRUSTED_FOR)
    assert not await holds(here, grant.token)
    assert not await holds(there, grant.token)


async def test_who_finds_out_tells_the_others(processes: Processes) -> None:
    here, there = processes.start(), processes.start()
    grant = await processes.grant()
    assert await holds(here, grant.token)
    assert await holds(there, grant.token)
    await processes.vault.delete(grant.key)
    with pytest.raises(InvalidToken):
        await here.fresh(grant.token)
    assert not await holds(there, grant.token)


async def test_a_fill_that_began_before_a_revocation_does_not_undo_it(
    processes: Processes,
) -> None:
    here, there = processes.start(), processes.start()
    grant = await processes.grant()
    processes.vault.pause = lambda: grant.revoke(processes.shared)
    assert not await holds(here, grant.token)
    assert not await holds(there, grant.token)
    state = await processes.shared.get(grant.key)
    assert state is not None
    assert state.text is None


async def test_nor_does_one_whose_process_was_told_nothing(processes: Processes) -> None:
    grant = await processes.grant()
    deaf = processes.start()
    await deaf.close()
    processes.vault.pause = lambda: grant.revoke(processes.shared)
    assert not await holds(deaf, grant.token)


async def test_a_new_token_of_a_known_grant_is_taken_at_once(processes: Processes) -> None:
    here, there = processes.start(), processes.start()
    grant = await processes.grant()
    assert await holds(here, grant.token)
    assert await holds(there, grant.token)
    new = await grant.another(processes.clock.now())
    for process in (here, there, processes.start()):
        assert await holds(process, new)
        assert await holds(process, grant.token)


async def test_a_new_token_is_taken_by_who_joins_a_look_that_began_before_it(
    processes: Processes,
) -> None:
    process, grant = processes.start(), await processes.grant()
    joined: list[asyncio.Task[bool]] = []

    async def refresh_and_join() -> None:
        new = await grant.another(processes.clock.now())
        joined.append(asyncio.create_task(holds(process, new)))
        await asyncio.sleep(0)

    processes.vault.pause = refresh_and_join
    assert await holds(process, grant.token)
    assert await joined[0]


async def test_an_older_fill_does_not_replace_a_newer_one(processes: Processes) -> None:
    here, there = processes.start(), processes.start()
    grant = await processes.grant()
    fresh: list[str] = []

    async def overtake() -> None:
        fresh.append(await grant.another(processes.clock.now()))
        assert await holds(there, fresh[0])

    processes.vault.pause = overtake
    assert await holds(here, grant.token)
    reads = processes.vault.reads
    assert await holds(here, fresh[0]), "the slower one has taken over what it found"
    assert processes.vault.reads == reads


async def test_an_expired_token_is_refused_though_it_is_remembered(processes: Processes) -> None:
    process, grant = processes.start(), await processes.grant()
    assert await holds(process, grant.token)
    processes.clock.advance(3600)
    assert not await holds(process, grant.token)


async def test_an_invented_token_of_a_known_grant_is_refused(processes: Processes) -> None:
    process, grant = processes.start(), await processes.grant()
    assert await holds(process, grant.token)
    invented = grant.token[:-43] + "A" * 43
    reads = processes.vault.reads
    for _ in range(3):
        assert not await holds(process, invented)
    assert processes.vault.reads == reads + 1, "refused tokens are remembered"
    assert await holds(process, grant.token)


async def test_when_nobody_can_be_asked_nothing_is_let_in(processes: Processes) -> None:
    process, grant = processes.start(), await processes.grant()
    processes.shared.away = processes.vault.away = True
    with pytest.raises(StoreUnavailable):
        await process.bearer(grant.token, HERE)


async def test_after_a_break_nothing_remembered_here_counts(processes: Processes) -> None:
    process, grant = processes.start(), await processes.grant()
    assert await holds(process, grant.token)
    processes.shared.away = True
    await grant.revoke(processes.shared)
    processes.shared.lose()
    assert not await holds(process, grant.token)


async def test_what_was_under_way_at_a_break_is_not_kept(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of the shared memory comes after the word that something was missed."""
    here, there = processes.start(), processes.start()
    grant = await processes.grant()
    assert await holds(here, grant.token)
    get = processes.shared.get

    async def slow(key: str) -> State | None:
        held = await get(key)
        processes.shared.away = True
        await grant.revoke(processes.shared)
        processes.shared.lose()
        return held

    monkeypatch.setattr(processes.shared, "get", slow)
    assert await holds(there, grant.token), "as it was when it was asked"
    assert not await holds(there, grant.token)


async def test_what_a_later_release_has_written_is_asked_of_the_vault(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = processes.start(), processes.start()
    grant = await processes.grant()
    assert await holds(here, grant.token)
    [key] = processes.shared._held
    state, until = processes.shared._held[key]
    processes.shared._held[key] = (type(state)(state.version, b'{"v":2}', state.seconds), until)
    assert await holds(there, grant.token)


async def test_what_refreshes_a_grant_stays_in_the_vault(processes: Processes) -> None:
    process, grant = processes.start(), await processes.grant()
    await process.bearer(grant.token, HERE)
    held = await processes.vault.get(grant.key)
    state = await processes.shared.get(grant.key)
    assert held is not None
    assert state is not None
    assert held["nonce"].encode() not in (state.text or b"")
    family = await process.get(grant.id)
    assert family is not None
    assert (family.nonce, family.generation, family.client_id) == ("", None, "alexa")


async def test_a_grant_that_is_no_more_is_found_no_more(processes: Processes) -> None:
    process, grant = processes.start(), await processes.grant()
    assert await process.get(grant.id) is not None
    await grant.revoke(processes.shared)
    assert await process.get(grant.id) is None
    assert await process.get(processes.ids.new()) is None


async def test_a_watch_is_told_once_and_only_of_its_own(processes: Processes) -> None:
    process, grant, other = processes.start(), await processes.grant(), await processes.grant()
    told: list[str] = []
    with (
        process.watch(grant.token, lambda: told.append("mine")),
        process.watch(other.token, lambda: told.append("other")),
    ):
        await grant.revoke(processes.shared)
        assert told == ["mine"]
    with process.watch(grant.token, lambda: told.append("late")):
        assert told == ["mine", "late"], "revoked before the watch began"
    assert not process._watchers


async def test_who_gives_up_waiting_leaves_the_look_to_the_others(processes: Processes) -> None:
    process, grant = processes.start(), await processes.grant()
    first = asyncio.create_task(holds(process, grant.token))
    second = asyncio.create_task(holds(process, grant.token))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert processes.vault.reads == 1
    assert not process._lookups


async def test_one_token_of_several_is_taken_back_at_once(processes: Processes) -> None:
    here, there = processes.start(), processes.start()
    grant = await processes.grant()
    other = await grant.another(START)
    revocations = VaultRevocations(processes.vault, processes.shared)

    async def take_back() -> None:
        await grants.take_back(processes.vault, grant, grant.token)
        await revocations.changed([grant.id])

    assert await holds(there, grant.token)
    processes.vault.pause = take_back
    assert not await here.introspect(other[:-43] + "A" * 43)
    for process in (here, there, processes.start()):
        assert not await holds(process, grant.token)
        assert await holds(process, other)


async def test_a_change_of_a_grant_that_is_gone_is_its_end(processes: Processes) -> None:
    process, grant = processes.start(), await processes.grant()
    assert await holds(process, grant.token)
    await processes.vault.delete(grant.key)
    await VaultRevocations(processes.vault, processes.shared).changed([grant.id])
    assert not await holds(process, grant.token)


async def test_telling_of_a_change_never_fails(processes: Processes) -> None:
    process, grant = processes.start(), await processes.grant()
    assert await holds(process, grant.token)
    processes.vault.away = True
    await VaultRevocations(processes.vault, processes.shared).changed([grant.id])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("look"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("refresh"), st.just(0), st.just(0)),
        st.tuples(st.just("revoke"), st.just(0), st.just(0)),
        st.tuples(st.just("turn"), st.integers(1, 3), st.just(0)),
        st.tuples(st.just("break"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 40), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
async def test_in_any_order_of_events_no_revoked_token_outlives_the_bound(
    steps: list[tuple[str, int, int]],
) -> None:
    """A revocation that was told ends all at once; one that was not, after 30 s."""
    processes = Processes()
    members = [processes.start() for _ in range(3)]
    grant = await processes.grant()
    known = [grant.token]
    revoked_at, told = 0.0, False
    looks: list[asyncio.Task[bool]] = []
    for what, one, other in steps:
        match what:
            case "look":
                token = known[other % len(known)]
                looks.append(asyncio.create_task(holds(members[one], token)))
            case "refresh" if not revoked_at:
                known.append(await grant.another(processes.clock.now()))
            case "revoke" if not revoked_at:
                revoked_at, told = processes.time, not processes.shared.away
                await grant.revoke(processes.shared)
            case "turn":
                for _ in range(one):
                    await asyncio.sleep(0)
            case "break":
                processes.shared.away = bool(one)
            case "wait":
                await asyncio.gather(*looks)
                processes.advance(one)
    await asyncio.gather(*looks)
    live = [await holds(member, token) for member in members for token in known[-2:]]
    if not revoked_at:
        assert all(live)
    elif told or processes.time >= revoked_at + TRUSTED_FOR:
        assert not any(live)


class Registered:
    """Clients as they are registered, and since when."""

    def __init__(self, **since: datetime) -> None:
        self.since = since

    async def find(self, client_id: str) -> Since | None:
        at = self.since.get(client_id)
        return Since(at) if at is not None else None


@dataclass(frozen=True)
class Since:
    at: datetime

    def has_given(self, created_at: datetime) -> bool:
        return created_at >= self.at


async def test_tokens_of_a_client_that_was_retired_hold_no_more(processes: Processes) -> None:
    process, grant = processes.start(), await processes.grant()
    personal, _ = await processes.personal()
    now = processes.clock.now()
    process.clients = Registered(alexa=now)
    assert await holds(process, grant.token)
    process.clients = Registered(alexa=now + timedelta(seconds=1))
    assert not await holds(process, grant.token), "it was registered anew since"
    process.clients = Registered()
    assert not await holds(process, grant.token)
    with pytest.raises(InvalidToken):
        await process.fresh(grant.token)
    assert await holds(process, personal)


async def test_a_client_is_one_to_the_limits_however_many_tokens_it_has(
    processes: Processes,
) -> None:
    process = processes.start()
    grants = [await processes.grant(account_id=None) for _ in range(2)]
    bearers = [await process.bearer(one.token, HERE) for one in grants]
    assert {one.principal for one in bearers} == {"client:alexa"}
