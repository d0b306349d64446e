"""Personal fields on their way through items, CloudEvents and stored events: only ever sealed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.outbound.dynamodb.claim_check import ClaimCheck
from adapters.outbound.dynamodb.codec import item_to_cloud_event, to_cloud_event, to_item
from adapters.outbound.dynamodb.mapper import PydanticMapper
from adapters.outbound.dynamodb.sealer import Sealer, opened_item
from adapters.outbound.keys.sealing import Sealed
from adapters.outbound.memory.keyring import MemoryKeyring
from adapters.outbound.memory.objects import MemoryObjects
from commands.kernel.ports import DataKey
from domain.devices.capabilities import KINDS, DeviceKind
from domain.devices.device import DeviceClaimed, DeviceReleased, DeviceRenamed
from domain.kernel.errors import ContractError, SubjectForgotten
from domain.kernel.personal import FORGOTTEN
from domain.kernel.recorded import Context, Recorded
from tests.support.events import AT
from tests.support.sealing import DERIVED, opened, sealed

NO_OBJECTS = ClaimCheck(MemoryObjects(), "none")
ACCOUNT, OTHER = "01KA0000000000000000000009", "01KA0000000000000000000008"
NAME = "Grandmother's bedside lamp"
NAMES = st.text(min_size=1, max_size=128).filter(lambda text: text.isprintable())


def renamed(name: str = NAME, account: str | None = ACCOUNT, version: int = 2) -> Recorded:
    event = DeviceRenamed(
        originator_id="device-1",
        originator_version=version,
        timestamp=AT,
        name=name,
        account_id=account,
    )
    return Recorded(event, Context("c", "m", "token:t"), "commit")


def claimed(name: str = NAME) -> Recorded:
    event = DeviceClaimed(
        originator_id="device-1",
        originator_version=1,
        timestamp=AT,
        account_id=ACCOUNT,
        name=name,
        kind=DeviceKind.ON_OFF_LIGHT,
        capabilities=KINDS[DeviceKind.ON_OFF_LIGHT],
    )
    return Recorded(event, Context("c", "m", "token:t"), "commit")


# --- identity -------------------------------------------------------------------------------------


@given(name=NAMES)
@settings(max_examples=200, deadline=None)
def test_every_form_gives_back_what_was_sealed(name: str) -> None:
    for original in (claimed(name), renamed(name)):
        item = to_item(sealed(original))
        assert opened_item(DERIVED, item) == original
        wire = orjson.loads(orjson.dumps(item_to_cloud_event(item)))
        assert opened(wire).event == original.event
        mapper = PydanticMapper(keys=DERIVED)
        stored: Any = original.event
        assert mapper.to_domain_event(mapper.to_stored_event(stored)) == original.event


def test_no_form_holds_the_name_in_clear() -> None:
    mapper = PydanticMapper(keys=DERIVED)
    for one in (claimed(), renamed()):
        item, event = to_item(sealed(one)), one.event
        stored: Any = event
        forms = [
            repr(item),
            repr(item_to_cloud_event(item)),
            repr(to_cloud_event(sealed(one))),
            repr(mapper.to_stored_event(stored)),
        ]
        assert not [form for form in forms if NAME in form or "Grandmother" in form]


def test_the_same_fields_are_sealed_to_another_text_each_time() -> None:
    texts = {sealed(renamed()).sealed for _ in range(20)}
    assert len(texts) == 20


def test_nothing_personal_leaves_unsealed() -> None:
    for form in (to_item, to_cloud_event):
        with pytest.raises(ContractError):
            form(renamed())
    with pytest.raises(ContractError):
        PydanticMapper().to_stored_event(renamed().event)


def test_personal_fields_of_nobody_are_refused() -> None:
    with pytest.raises(ContractError):
        sealed(renamed(account=None))


# --- from before names were sealed ----------------------------------------------------------------


def plain_item() -> dict[str, Any]:
    item = dict(to_item(sealed(renamed())))
    del item["sealed"]
    return {**item, "data": {"S": orjson.dumps({"name": NAME}).decode()}}


def test_an_event_from_before_stays_readable() -> None:
    assert opened_item(DERIVED, plain_item()) == renamed(account=None)
    assert opened(item_to_cloud_event(plain_item())).event == renamed(account=None).event


async def test_who_asks_for_no_personal_data_gets_none_of_an_older_event_either() -> None:
    asked = Sealer(MemoryKeyring(), NO_OBJECTS)
    for item in (plain_item(), to_item(sealed(renamed()))):
        (found,) = await asked.from_items([item], personal=False)
        assert isinstance(found.event, DeviceRenamed)
        assert found.event.name == FORGOTTEN


# --- forgetting -----------------------------------------------------------------------------------


async def test_what_was_forgotten_reads_as_its_mark_says_and_nothing_else_changes() -> None:
    keyring = MemoryKeyring()
    sealer = Sealer(keyring, NO_OBJECTS)
    of_other = replace(renamed(version=3), event=renamed("theirs", OTHER, 3).event)
    items = [to_item(one) for one in await sealer.seal([claimed(), renamed(), of_other])]
    await keyring.destroy(ACCOUNT)
    first, second, third = [one.event for one in await sealer.from_items(items)]
    assert first == claimed(FORGOTTEN).event
    assert second == renamed(FORGOTTEN).event
    assert third == of_other.event
    published = await sealer.from_cloud_event(item_to_cloud_event(items[0]))
    assert published.event == claimed(FORGOTTEN).event
    with pytest.raises(SubjectForgotten):
        await sealer.seal([renamed()])


async def test_a_reader_asks_for_the_key_of_each_subject_once() -> None:
    asked: list[str] = []

    class Counting(MemoryKeyring):
        async def for_opening(self, subject: str) -> DataKey | None:
            asked.append(subject)
            return await super().for_opening(subject)

    sealer = Sealer(Counting(), NO_OBJECTS)
    recorded = [renamed(str(n), (ACCOUNT, OTHER)[n % 2], n + 1) for n in range(10)]
    items = [to_item(one) for one in await sealer.seal(recorded)]
    assert await sealer.from_items(items) == recorded
    assert sorted(asked) == sorted([ACCOUNT, OTHER])


async def test_what_has_no_personal_fields_needs_no_key() -> None:
    class NoKeys(MemoryKeyring):
        async def for_sealing(self, subject: str) -> DataKey:
            raise AssertionError("asked for a key")

        async def for_opening(self, subject: str) -> DataKey | None:
            raise AssertionError("asked for a key")

    event = DeviceReleased(originator_id="device-1", originator_version=3, timestamp=AT, by="t")
    one = replace(renamed(), event=event)
    sealer = Sealer(NoKeys(), NO_OBJECTS)
    assert await sealer.seal([one]) == [one]
    assert await sealer.from_items([to_item(one)]) == [one]
    assert (await sealer.from_cloud_event(to_cloud_event(one))).event == event


# --- changed or moved -----------------------------------------------------------------------------


def test_a_text_that_was_moved_does_not_open() -> None:
    item = to_item(sealed(renamed()))
    for change in (
        {"version": {"N": "3"}},
        {"stream": {"S": "device-2"}},
        {"type": {"S": "devices.device_claimed"}},
        {"sealed": to_item(sealed(claimed()))["sealed"]},
    ):
        with pytest.raises(ContractError):
            opened_item(DERIVED, {**item, **change})


def test_a_text_under_another_subject_s_key_does_not_open() -> None:
    text = str(sealed(renamed()).sealed)
    item = to_item(sealed(renamed()))
    for keys, changed in (
        (DERIVED, text.replace(ACCOUNT, OTHER)),
        ({ACCOUNT: DERIVED[OTHER]}, text),
        (DERIVED, text.replace(".name.", ".title.")),
    ):
        with pytest.raises(ContractError):
            opened_item(keys, {**item, "sealed": {"S": changed}})


@given(position=st.integers(0, 200), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_a_text_that_was_changed_anywhere_does_not_open(position: int, bit: int) -> None:
    raw = bytearray(str(sealed(renamed()).sealed).encode())
    raw[position % len(raw)] ^= 1 << bit
    changed = raw.decode("latin-1")
    item = {**to_item(sealed(renamed())), "sealed": {"S": changed}}
    with pytest.raises(ContractError):
        opened_item(DERIVED, item)


@pytest.mark.parametrize("text", ["", ".", "1.a.b", "2.a.b.c", "1..name.AAAA", "1.a..AAAA", 7])
def test_a_text_of_no_known_form_is_undecodable(text: Any) -> None:
    item = {**to_item(sealed(renamed())), "sealed": {"S": text}}
    with pytest.raises(ContractError):
        opened_item(DERIVED, item)
    cloud_event = {**to_cloud_event(sealed(renamed())), "sealed": text}
    with pytest.raises(ContractError):
        opened(cloud_event)


def test_the_names_of_sealed_fields_can_be_read_without_a_key() -> None:
    parts = Sealed.of(str(sealed(claimed()).sealed))
    assert (parts.subject, parts.names) == (ACCOUNT, ("name",))
