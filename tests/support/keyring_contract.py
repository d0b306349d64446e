"""What every keyring has to do. A test class gives the fixture ``keyrings``: two on one store."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from commands.kernel.ports import Keyring
from domain.kernel.errors import SubjectForgotten

Pair = tuple[Keyring, Keyring]


def new_subject() -> str:
    return uuid4().hex


class KeyringContract:
    async def test_a_subject_has_one_key_for_both_directions(self, keyrings: Pair) -> None:
        one, other = keyrings
        subject, stranger = new_subject(), new_subject()
        key = await one.for_sealing(subject)
        assert len(key.material) == 32
        assert await one.for_sealing(subject) == await other.for_sealing(subject) == key
        assert await one.for_opening(subject) == await other.for_opening(subject) == key
        assert (await one.for_sealing(stranger)).material != key.material

    async def test_to_open_makes_no_key(self, keyrings: Pair) -> None:
        one, other = keyrings
        subject = new_subject()
        assert await one.for_opening(subject) is None
        assert not await one.forgotten(subject)
        key = await other.for_sealing(subject)
        assert await one.for_opening(subject) == key, "that there is none is not remembered"

    async def test_what_was_destroyed_never_comes_back(self, keyrings: Pair) -> None:
        one, other = keyrings
        known, unknown = new_subject(), new_subject()
        await one.for_sealing(known)
        for subject in (known, unknown):
            for _ in range(2):
                await one.destroy(subject)
            for keyring in keyrings:
                assert await keyring.forgotten(subject)
            assert await one.for_opening(subject) is None
            with pytest.raises(SubjectForgotten):
                await one.for_sealing(subject)
        with pytest.raises(SubjectForgotten):
            await other.for_sealing(unknown)

    async def test_others_keep_their_keys(self, keyrings: Pair) -> None:
        one, _ = keyrings
        gone, stays = new_subject(), new_subject()
        key = await one.for_sealing(stays)
        await one.destroy(gone)
        assert await one.for_opening(stays) == key
        assert not await one.forgotten(stays)

    async def test_nothing_has_to_be_destroyed_again_without_a_restore(
        self, keyrings: Pair
    ) -> None:
        one, _ = keyrings
        await one.destroy(new_subject())
        assert await one.reapply() == []


class RacingKeyringContract:
    async def test_two_who_make_the_first_key_at_once_get_one(self, keyrings: Pair) -> None:
        for _ in range(5):
            subject = new_subject()
            keys = await asyncio.gather(*(k.for_sealing(subject) for k in keyrings * 3))
            assert len({key.material for key in keys}) == 1

    async def test_a_first_key_that_races_with_its_end_does_not_outlive_it(
        self, keyrings: Pair
    ) -> None:
        one, other = keyrings
        for _ in range(10):
            subject = new_subject()
            await asyncio.gather(
                one.destroy(subject), other.for_sealing(subject), return_exceptions=True
            )
            assert await one.forgotten(subject)
            assert await one.for_opening(subject) is None
