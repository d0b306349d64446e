"""Events as items, CloudEvents and stored events: nothing is lost, and released forms stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any, ClassVar

import orjson
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.outbound.dynamodb import codec
from adapters.outbound.dynamodb.codec import (
    EVENT_TYPES,
    Item,
    item_to_cloud_event,
    place_of,
    public_size,
    to_cloud_event,
    to_item,
)
from adapters.outbound.dynamodb.mapper import PydanticMapper
from adapters.outbound.dynamodb.sealer import opened_item
from adapters.outbound.keys.sealing import seal
from domain.devices.device import DeviceRenamed
from domain.devices.remote_command import RemoteCommandSucceeded
from domain.kernel.errors import ContractError
from domain.kernel.event import Event
from domain.kernel.personal import FORGOTTEN
from domain.kernel.recorded import Recorded
from tests.support.events import (
    AT,
    BEFORE_SEALING,
    EXAMPLES,
    GOLDEN,
    NEVER_PLAIN,
    SEALED,
    golden_file,
    recorded,
)
from tests.support.sealing import DERIVED, opened, sealed

OWNER = "01KA0000000000000000000009"
BY_TOPIC = {event.TOPIC: event for event in EXAMPLES}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
every_event = pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.TOPIC)
every_topic = pytest.mark.parametrize("topic", sorted(EVENT_TYPES))


class Renamed3(DeviceRenamed):
    """The third version of an event: it was ``{"title"}``, then ``{"label"}``."""

    TOPIC: ClassVar[str] = "devices.renamed_for_a_test"
    class_version: ClassVar[int] = 3

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state["label"] = state.pop("title")

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> None:
        state["name"] = state.pop("label").upper()


@pytest.fixture
def third_version(monkeypatch: pytest.MonkeyPatch) -> Renamed3:
    monkeypatch.setitem(codec.EVENT_TYPES, Renamed3.TOPIC, Renamed3)
    return Renamed3(
        originator_id="device-1", originator_version=1, timestamp=AT, name="LAMP", account_id=OWNER
    )


def read(item: Item) -> Recorded:
    return opened_item(DERIVED, item)


def stored(event: Event) -> Recorded:
    return sealed(recorded(event))


# --- released forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", sorted(set(EVENT_TYPES) - NEVER_PLAIN))
def test_every_released_version_has_a_golden_file_that_still_decodes(topic: str) -> None:
    for class_version in range(1, EVENT_TYPES[topic].class_version + 1):
        golden = orjson.loads(golden_file(topic, class_version).read_bytes())
        assert golden["typeversion"] == class_version
        assert opened(golden) == recorded(BEFORE_SEALING.get(topic, BY_TOPIC[topic]))


@pytest.mark.parametrize("topic", SEALED)
def test_the_sealed_form_of_every_version_has_a_golden_file_too(topic: str) -> None:
    for class_version in range(1, EVENT_TYPES[topic].class_version + 1):
        golden = orjson.loads(golden_file(topic, class_version, sealed=True).read_bytes())
        assert opened(golden) == recorded(BY_TOPIC[topic])


@every_topic
def test_the_public_form_of_the_current_version_is_that_of_its_golden_file(topic: str) -> None:
    """But for the sealed text, which is another one each time."""
    golden = golden_file(topic, EVENT_TYPES[topic].class_version, sealed=topic in SEALED)
    written = to_cloud_event(stored(BY_TOPIC[topic]))
    frozen = orjson.loads(golden.read_bytes())
    assert without_ciphertext(written) == without_ciphertext(frozen)


def without_ciphertext(cloud_event: dict[str, Any]) -> dict[str, Any]:
    if "sealed" not in cloud_event:
        return cloud_event
    return {**cloud_event, "sealed": cloud_event["sealed"].rpartition(".")[0]}


def forms_of(topic: str) -> tuple[bool, ...]:
    """Whether sealed, of each golden file."""
    if topic in NEVER_PLAIN:
        return (True,)
    return (False, True) if topic in SEALED else (False,)


def test_every_golden_file_is_of_a_known_event_type() -> None:
    known = {
        golden_file(topic, class_version, sealed=sealed)
        for topic, event_type in EVENT_TYPES.items()
        for class_version in range(1, event_type.class_version + 1)
        for sealed in forms_of(topic)
    }
    assert set(GOLDEN.glob("*.json")) == known


# --- identity -------------------------------------------------------------------------------------


@every_event
def test_an_item_decodes_to_what_it_was_made_of(event: Event) -> None:
    original = replace(stored(event), commit_token="token", generation=7)
    assert read(to_item(original)) == original


@every_event
def test_an_item_and_its_event_have_the_same_public_form(event: Event) -> None:
    item = to_item(stored(event))
    cloud_event = item_to_cloud_event(item)
    assert cloud_event == to_cloud_event(read(item))
    assert public_size(item) == len(orjson.dumps(cloud_event))


@every_event
def test_a_stored_event_decodes_to_what_it_was_made_of(event: Event) -> None:
    mapper = PydanticMapper(keys=DERIVED)
    made = mapper.to_stored_event(event)
    assert made.topic == event.TOPIC
    assert mapper.to_domain_event(made) == event


@given(result=st.dictionaries(st.text(), JSON), offset=st.integers(-12, 12))
@settings(max_examples=100, deadline=None)
def test_any_json_survives_every_form(result: dict[str, Any], offset: int) -> None:
    time = AT.astimezone(timezone(timedelta(hours=offset)))
    event = RemoteCommandSucceeded(
        originator_id="lane-1",
        originator_version=3,
        timestamp=time,
        number=1,
        step=2,
        result=result,
    )
    original = stored(event)
    wire = orjson.loads(orjson.dumps(item_to_cloud_event(to_item(original))))
    assert opened(wire) == original


def test_a_context_without_trace_stays_without() -> None:
    original = stored(EXAMPLES[0])
    original = replace(original, context=replace(original.context, trace=None))
    cloud_event = to_cloud_event(original)
    assert "awstraceheader" not in cloud_event
    assert opened(cloud_event) == original
    assert read(to_item(original)) == original


def test_times_sort_as_strings() -> None:
    times = [AT.replace(microsecond=each) for each in (0, 1, 500_000)]
    written = [codec.dump_time(time) for time in times]
    assert written == sorted(written)
    assert {len(time) for time in written} == {27}


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ContractError):
        codec.dump_time(AT.replace(tzinfo=None))


# --- versions -------------------------------------------------------------------------------------


def test_older_versions_are_upcast_step_by_step(third_version: Renamed3) -> None:
    current = to_item(stored(third_version))
    assert current["tv"] == {"N": "3"}
    for class_version, field in ((1, "title"), (2, "label")):
        item = {**current, **older_item(class_version, {field: "lamp"})}
        assert read(item).event == third_version
        assert item_to_cloud_event(item)["typeversion"] == class_version
        assert opened(item_to_cloud_event(item)).event == third_version
    assert read(current).event == third_version


def test_an_older_version_is_upcast_after_its_subject_was_forgotten(
    third_version: Renamed3,
) -> None:
    for class_version, field in ((1, "title"), (2, "label")):
        older = older_item(class_version, {field: "lamp"})
        item = {**to_item(stored(third_version)), **older}
        event = opened_item({OWNER: None}, item).event
        assert event == third_version.model_copy(update={"name": FORGOTTEN})


def older_item(class_version: int, personal: dict[str, Any]) -> dict[str, Any]:
    """What of the item differs in a version whose personal field had another name."""
    text = seal(DERIVED[OWNER], personal, place_of("device-1", 1, Renamed3.TOPIC))
    return {"tv": {"N": str(class_version)}, "sealed": {"S": text}}


def test_the_mapper_upcasts_what_an_older_version_stored(third_version: Renamed3) -> None:
    mapper = PydanticMapper(keys=DERIVED)
    made = mapper.to_stored_event(third_version)
    assert mapper.to_domain_event(made) == third_version
    older = StoredEvent(
        "device-1", 1, Renamed3.TOPIC, orjson.dumps({"timestamp": AT, "title": "lamp"})
    )
    unsealed = third_version.model_copy(update={"account_id": None})
    assert mapper.to_domain_event(older) == unsealed


def test_an_older_version_that_its_upcaster_cannot_take_is_undecodable(
    third_version: Renamed3,
) -> None:
    cloud_event = {**to_cloud_event(stored(third_version)), "typeversion": 1}
    with pytest.raises(ContractError):
        opened(cloud_event)


def test_a_version_newer_than_the_code_is_undecodable(third_version: Renamed3) -> None:
    cloud_event = {**to_cloud_event(stored(third_version)), "typeversion": 4}
    with pytest.raises(ContractError):
        opened(cloud_event)


# --- the undecodable ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"specversion": "0.3"},
        {"type": "devices.unheard_of"},
        {"type": "os.path"},
        {"type": 7},
        {"sequence": "0"},
        {"sequence": "x"},
        {"sequence": "9" * 5000},
        {"id": "1:device-other:1"},
        {"id": "2:device-abcdefghijklmnopqrstuvwxyz:1"},
        {"time": "yesterday"},
        {"typeversion": 2},
        {"typeversion": 0},
        {"principal": None},
        {"data": "text"},
        {"data": {}},
        {"data": {"name": ""}},
    ],
    ids=str,
)
def test_a_cloud_event_that_is_not_ours_is_undecodable(change: dict[str, Any]) -> None:
    claimed = BY_TOPIC["devices.device_claimed"]
    with pytest.raises(ContractError):
        opened({**to_cloud_event(stored(claimed)), **change})


@pytest.mark.parametrize("name", ["id", "type", "subject", "sequence", "time", "data", "principal"])
def test_a_cloud_event_without_a_needed_attribute_is_undecodable(name: str) -> None:
    cloud_event = to_cloud_event(stored(EXAMPLES[0]))
    del cloud_event[name]
    with pytest.raises(ContractError):
        opened(cloud_event)


@pytest.mark.parametrize(
    "change",
    [
        {"type": {"S": "devices.unheard_of"}},
        {"data": {"S": "no json"}},
        {"data": {"S": "[]"}},
        {"data": {"S": "{}"}},
        {"data": {"B": b"1"}},
        {"version": {"N": "x"}},
        {"tv": {"N": "9"}},
        {"time": {"NULL": True}},
    ],
    ids=str,
)
def test_an_item_that_is_no_event_is_undecodable(change: dict[str, Any]) -> None:
    item = {**to_item(stored(BY_TOPIC["devices.device_claimed"])), **change}
    with pytest.raises(ContractError):
        read(item)


def test_an_item_without_time_has_no_public_form() -> None:
    item = dict(to_item(stored(EXAMPLES[0])))
    del item["time"]
    with pytest.raises(ContractError):
        item_to_cloud_event(item)


@pytest.mark.parametrize("state", [b"state1", b"[]", b"{}", b'{"timestamp":"x"}', b"\xff"], ids=str)
def test_a_stored_event_that_is_not_ours_is_undecodable(state: bytes) -> None:
    with pytest.raises(ContractError):
        PydanticMapper(keys=DERIVED).to_domain_event(
            StoredEvent("device-1", 1, DeviceRenamed.TOPIC, state)
        )
