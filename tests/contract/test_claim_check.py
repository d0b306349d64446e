"""Large events: what stands in their item and CloudEvent, and what a reference may lead to."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import orjson
import pytest

from adapters.outbound.dynamodb import codec
from adapters.outbound.dynamodb.claim_check import MAX_EVENT_BYTES
from adapters.outbound.dynamodb.codec import item_to_cloud_event, to_cloud_event
from adapters.outbound.memory.store import MemoryEventStore
from commands.kernel.ports import Append
from domain.kernel.errors import ContractError, TooLarge
from domain.kernel.event import Event
from domain.kernel.personal import FORGOTTEN, Personal
from domain.kernel.recorded import Recorded
from tests.support.events import AT
from tests.support.store_contract import commit, new_stream, renamed, token

SECRET = "Grandmother's address"


class Noted(Event):
    TOPIC: ClassVar[str] = "devices.noted_for_a_test"
    SUBJECT: ClassVar[str | None] = "account_id"
    account_id: str
    text: str
    note: Annotated[str, Personal()]


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(codec.EVENT_TYPES, Noted.TOPIC, Noted)


def noted(stream: str, version: int = 1, kilobytes: int = 100) -> Event:
    return Noted(
        originator_id=stream,
        originator_version=version,
        timestamp=AT,
        account_id="01KA",
        text="x" * kilobytes * 1024,
        note=SECRET,
    )


async def stored(**size: int) -> tuple[MemoryEventStore, Recorded, dict[str, Any]]:
    store, stream = MemoryEventStore(), new_stream()
    (recorded,) = await commit(store, Append(stream, 0, [noted(stream, **size)]))
    (item,) = [item async for item in store.scan_items()]
    return store, recorded, dict(item)


async def test_a_large_event_travels_by_reference_and_is_read_whole() -> None:
    store, recorded, item = await stored()
    cloud_event = item_to_cloud_event(item)
    assert cloud_event == to_cloud_event(recorded)
    assert cloud_event["dataref"] == item["ref"]["S"] == recorded.ref
    assert not {"data", "sealed"} & (set(cloud_event) | set(item))
    assert len(orjson.dumps(cloud_event)) < 1500
    read = await store.sealer.from_cloud_event(orjson.loads(orjson.dumps(cloud_event)))
    assert (read.event, read.ref) == (recorded.event, recorded.ref)
    assert await store.read(recorded.event.originator_id) == [recorded]


async def test_the_object_holds_personal_fields_sealed_and_is_forgotten_with_them() -> None:
    store, recorded, _ = await stored()
    (body,) = store.objects.bodies.values()
    assert SECRET.encode() not in body
    await store.keyring.destroy("01KA")
    (read,) = await store.read(recorded.event.originator_id)
    assert isinstance(read.event, Noted)
    assert (read.event.note, len(read.event.text)) == (FORGOTTEN, 100 * 1024)


async def test_who_asks_for_no_personal_data_gets_the_rest() -> None:
    store, recorded, _ = await stored()
    (read,) = await store.read(recorded.event.originator_id, personal=False)
    assert isinstance(read.event, Noted)
    assert read.event.note == FORGOTTEN


async def test_a_commit_repeated_with_its_token_spoils_no_object() -> None:
    """What is sealed anew is another object; the item goes on naming the first."""
    store, stream, again = MemoryEventStore(), new_stream(), token()
    for _ in range(2):
        await commit(store, Append(stream, 0, [noted(stream)]), commit_token=again)
    assert len(store.objects.bodies) == 2
    assert [one.event for one in await store.read(stream)] == [noted(stream)]


async def test_small_and_large_events_are_read_together() -> None:
    store, stream = MemoryEventStore(), new_stream()
    events = [renamed(stream, 1), noted(stream, 2), noted(stream, 3, kilobytes=1)]
    written = await commit(store, Append(stream, 0, events))
    assert await store.read(stream) == written


async def test_the_limit_counts_the_whole_event() -> None:
    store, _, _ = await stored(kilobytes=MAX_EVENT_BYTES // 1024 - 2)
    assert len(store.objects.bodies) == 1
    with pytest.raises(TooLarge):
        await stored(kilobytes=MAX_EVENT_BYTES // 1024)


async def test_an_object_that_is_missing_or_changed_makes_its_event_unreadable() -> None:
    store, recorded, item = await stored()
    ((key, body),) = store.objects.bodies.items()
    for other in (None, body.replace(b"x", b"y", 1), body + b" " * MAX_EVENT_BYTES):
        store.objects.bodies = {key: other} if other else {}
        with pytest.raises(ContractError):
            await store.read(recorded.event.originator_id)
        with pytest.raises(ContractError):
            await store.sealer.from_cloud_event(item_to_cloud_event(item))


async def test_a_reference_leads_to_this_event_in_this_bucket_or_nowhere() -> None:
    store, _, item = await stored()
    cloud_event = item_to_cloud_event(item)
    ref = cloud_event["dataref"]
    for elsewhere in (
        ref.replace("s3://memory/", "s3://theirs/"),
        ref.replace("/1/", "/2/"),
        ref.replace("s3://memory/", "https://memory/"),
        "",
        7,
    ):
        with pytest.raises(ContractError):
            await store.sealer.from_cloud_event({**cloud_event, "dataref": elsewhere})
        with pytest.raises(ContractError):
            await store.sealer.from_items([{**item, "ref": {"S": elsewhere}}])


async def test_an_unreadable_event_keeps_no_other_from_being_read() -> None:
    store, recorded, item = await stored()
    broken = {**item, "ref": {"S": "s3://memory/events/nowhere"}}
    no_event = {"ref": {"S": "s3://memory/x"}}
    outcomes = await store.sealer.outcomes([broken, item, no_event])
    assert [isinstance(one, ContractError) for one in outcomes] == [True, False, True]
    assert outcomes[1] == recorded
