"""Older versions of a planted event type, in every form that holds one: all fold to the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import orjson
import pytest
from eventsourcing.persistence import StoredEvent

from adapters.outbound.dynamodb import codec
from adapters.outbound.dynamodb.codec import (
    Item,
    from_cloud_event,
    from_item,
    item_to_cloud_event,
    to_item,
)
from adapters.outbound.dynamodb.mapper import PydanticMapper
from adapters.outbound.memory.store import MemoryEventStore, MemorySnapshotStore
from commands.kernel.dispatch import Repository
from commands.kernel.ports import Snapshot
from domain.kernel.errors import ContractError
from domain.kernel.event import Aggregate, Event, State
from tests.support.events import AT, recorded

STREAM = "plant-1"
DATA: dict[int, dict[str, Any]] = {
    1: {"title": "lamp"},
    2: {"label": "lamp", "size": 3},
    3: {"name": "LAMP", "size": 3},
}
"""The same event as each version has written it."""


class Labelled(Event):
    """The third version: it was ``{"title"}``, then ``{"label", "size"}``."""

    TOPIC: ClassVar[str] = "plants.labelled"
    class_version: ClassVar[int] = 3
    name: str
    size: int

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state["label"] = state.pop("title")
        state["size"] = 3

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> None:
        state["name"] = state.pop("label").upper()


class Unbridged(Event):
    """Somebody has forgotten how to come from the first version to the second."""

    TOPIC: ClassVar[str] = "plants.unbridged"
    class_version: ClassVar[int] = 3
    name: str

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> None:
        state["name"] = state.pop("label")


class Plant(State):
    labels: tuple[str, ...] = ()


def fold(state: Plant, event: Event) -> Plant:
    assert isinstance(event, Labelled)
    labels = (*state.labels, f"{event.name}:{event.size}")
    return state.model_copy(update={"version": event.originator_version, "labels": labels})


PLANT = Aggregate("plant", Plant, fold, snapshot_every=50, code_version=2)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    for event_type in (Labelled, Unbridged):
        monkeypatch.setitem(codec.EVENT_TYPES, event_type.TOPIC, event_type)


def labelled(version: int = 1) -> Labelled:
    return Labelled(
        originator_id=STREAM, originator_version=version, timestamp=AT, name="LAMP", size=3
    )


def item(of_version: int, data: dict[str, Any], *, at: int = 1, topic: str = "") -> Item:
    """As code of that version has stored it; the first one wrote no version."""
    made = {**to_item(recorded(labelled(at))), "data": {"S": orjson.dumps(data).decode()}}
    made["type"] = {"S": topic or Labelled.TOPIC}
    made["tv"] = {"N": str(of_version)}
    if of_version == 1:
        del made["tv"]
    return made


every_version = pytest.mark.parametrize("version", sorted(DATA))


@every_version
def test_an_item_of_any_version_is_the_same_event(version: int) -> None:
    assert from_item(item(version, DATA[version])).event == labelled()


@every_version
def test_it_is_published_as_it_was_stored_and_read_as_the_newest(version: int) -> None:
    cloud_event = item_to_cloud_event(item(version, DATA[version]))
    assert (cloud_event["typeversion"], cloud_event["data"]) == (version, DATA[version])
    assert from_cloud_event(cloud_event).event == labelled()


@every_version
def test_a_stored_event_of_eventsourcing_is_the_same_event(version: int) -> None:
    head = {"timestamp": codec.dump_time(AT)} | ({"class_version": version} if version > 1 else {})
    stored = StoredEvent(STREAM, 1, Labelled.TOPIC, orjson.dumps(head | DATA[version]))
    assert PydanticMapper().to_domain_event(stored) == labelled()


def test_what_is_stored_now_says_its_version() -> None:
    assert to_item(recorded(labelled()))["tv"] == {"N": "3"}
    stored = PydanticMapper().to_stored_event(labelled())
    assert orjson.loads(stored.state)["class_version"] == 3


async def loaded(items: Sequence[Item], snapshot: Snapshot | None = None) -> Plant:
    store, snapshots = MemoryEventStore(), MemorySnapshotStore()
    store._streams[STREAM] = list(items)
    if snapshot:
        await snapshots.save(STREAM, snapshot)
    return (await Repository(store, snapshots).load(PLANT, "1")).state


async def test_a_stream_of_all_versions_folds_as_if_all_were_the_newest() -> None:
    versions = sorted(DATA)
    mixed = [item(one, DATA[one], at=at) for at, one in enumerate(versions, 1)]
    newest = [item(3, DATA[3], at=at) for at, _ in enumerate(versions, 1)]
    assert await loaded(mixed) == await loaded(newest)
    assert (await loaded(mixed)).labels == ("LAMP:3",) * 3


@pytest.mark.parametrize(("code_version", "labels"), [(2, ("KEPT",)), (1, ("LAMP:3",) * 2)])
async def test_old_events_follow_a_snapshot_and_a_snapshot_of_old_code_is_folded_anew(
    code_version: int, labels: tuple[str, ...]
) -> None:
    state = Plant(stream=STREAM, version=2, labels=("KEPT",)).model_dump_json().encode()
    items = [item(1, DATA[1], at=at) for at in (1, 2, 3)]
    plant = await loaded(items, Snapshot(2, code_version, state))
    assert plant.version == 3
    assert plant.labels == (*labels, "LAMP:3")


@pytest.mark.parametrize(
    ("version", "data", "topic"),
    [
        (4, DATA[3], Labelled.TOPIC),
        (1, DATA[2], Labelled.TOPIC),
        (1, {"title": 7}, Labelled.TOPIC),
        (1, {"label": "lamp"}, Unbridged.TOPIC),
    ],
    ids=["newer than the code", "not of its version", "upcaster fails", "no upcaster"],
)
async def test_what_cannot_be_brought_up_is_undecodable_everywhere(
    version: int, data: dict[str, Any], topic: str
) -> None:
    stored = item(version, data, topic=topic)
    with pytest.raises(ContractError):
        from_item(stored)
    with pytest.raises(ContractError):
        from_cloud_event(item_to_cloud_event(stored))
    with pytest.raises(ContractError):
        await loaded([stored])
    state = orjson.dumps({"timestamp": codec.dump_time(AT), "class_version": version, **data})
    with pytest.raises(ContractError):
        PydanticMapper().to_domain_event(StoredEvent(STREAM, 1, topic, state))


def test_the_second_version_needs_no_upcaster_from_the_first() -> None:
    bridged = from_item(item(2, {"label": "lamp"}, topic=Unbridged.TOPIC)).event
    assert isinstance(bridged, Unbridged)
    assert bridged.name == "lamp"
