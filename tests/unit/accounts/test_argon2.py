"""Passwords by argon2: the parameters, the pool, and its waiting line."""

from __future__ import annotations

import asyncio
import threading

import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST

from adapters.outbound.keys.secrets import KeyringSeals
from adapters.outbound.memory.keyring import MemoryKeyring
from adapters.outbound.passwords.argon2 import Argon2Passwords
from domain.kernel.errors import Busy, ContractError, SubjectForgotten

CHEAP = PasswordHasher.from_parameters(CHEAPEST)


class Gate(PasswordHasher):
    """Hashes when it is let."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.go = threading.Event()
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.go.wait(10)
        with self._lock:
            self.running -= 1
        return super().hash(password, salt=salt)


async def test_the_parameters_are_the_second_of_rfc_9106() -> None:
    async with Argon2Passwords() as passwords:
        made = await passwords.hash("correct horse")
        assert made.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
        assert await passwords.verify(made, "correct horse")
        assert not await passwords.verify(made, "another horse")
        assert not passwords.needs_rehash(made)
        assert passwords.needs_rehash(CHEAP.hash("correct horse"))
        await passwords.dummy("correct horse")


@pytest.mark.parametrize("broken", ["", "x", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$YQ$YQ"])
async def test_what_is_no_hash_fits_nothing(broken: str) -> None:
    async with Argon2Passwords(CHEAP) as passwords:
        assert not await passwords.verify(broken, "correct horse")


async def test_few_are_made_at_once_few_wait_and_the_others_are_told_so() -> None:
    gate = Gate()
    async with Argon2Passwords(gate, at_once=2, waiting=3) as passwords:
        working = [asyncio.create_task(passwords.hash("x" * 8)) for _ in range(5)]
        await asyncio.sleep(0)
        for attempt in (passwords.hash, passwords.dummy):
            with pytest.raises(Busy) as raised:
                await attempt("x" * 8)
            assert raised.value.extra["retry_after"] > 0
        gate.go.set()
        await asyncio.gather(*working)
        assert gate.most <= 2
        await passwords.hash("x" * 8)


async def test_who_goes_away_gives_the_place_back() -> None:
    gate = Gate()
    async with Argon2Passwords(gate, at_once=1, waiting=1) as passwords:
        working = asyncio.create_task(passwords.hash("x" * 8))
        waiting = asyncio.create_task(passwords.hash("x" * 8))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0)
        again = asyncio.create_task(passwords.hash("x" * 8))
        gate.go.set()
        assert await working
        assert await again


async def test_a_seed_opens_in_its_place_and_for_its_account_only() -> None:
    keyring = MemoryKeyring()
    seals = KeyringSeals(keyring)
    sealed = await seals.seal("01A", "totp#01A", {"seed": "ABC"})
    assert "ABC" not in sealed
    assert await seals.open("01A", "totp#01A", sealed) == {"seed": "ABC"}
    for account_id, place in (("01A", "totp#01B"), ("01B", "totp#01A")):
        with pytest.raises(ContractError):
            await seals.open(account_id, place, sealed)
    await keyring.destroy("01A")
    with pytest.raises(SubjectForgotten):
        await seals.open("01A", "totp#01A", sealed)
