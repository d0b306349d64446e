"""Envelope, ids, errors and the machine itself."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, ClassVar

import pytest
from pydantic import BaseModel

from domain.devices.device import DeviceRenamed
from domain.kernel.errors import HomecastError
from domain.kernel.event import Aggregate, Event, State, category_of, id_of, register
from domain.kernel.ids import device_id_of
from domain.kernel.machine import IllegalMoveError, Machine, Move, moves
from domain.kernel.personal import Personal
from domain.kernel.recorded import Recorded
from tests.support.given import CONTEXT
from tests.support.streams import at


class Light(StrEnum):
    RED = "RED"
    GREEN = "GREEN"


MACHINE = Machine((Move(None, Light.RED, "power", "on"), Move(Light.RED, Light.GREEN, "clock", "")))


def test_a_move_off_the_table_raises() -> None:
    assert MACHINE.enter(None, Light.RED) == Light.RED
    with pytest.raises(IllegalMoveError, match="GREEN → RED"):
        MACHINE.enter(Light.GREEN, Light.RED)


def test_a_row_of_the_design_is_all_pairs() -> None:
    pairs = moves((None, Light.RED), (Light.RED, Light.GREEN), "by", "when")
    assert len(pairs) == 4
    assert MACHINE.sources_of(Light.GREEN) == {Light.RED}


def test_the_picture_has_an_arrow_for_each_row_and_an_end() -> None:
    assert MACHINE.mermaid().splitlines() == [
        "stateDiagram-v2",
        "    [*] --> RED: power",
        "    RED --> GREEN: clock",
        "    GREEN --> [*]",
    ]


def test_a_device_id_is_26_characters_of_its_key() -> None:
    key = hashlib.sha256(b"a device").digest()
    device_id = device_id_of(key)
    assert len(device_id) == 26
    assert device_id == device_id.lower()
    assert device_id != device_id_of(hashlib.sha256(b"another").digest())


def test_a_stream_is_its_category_and_an_id() -> None:
    assert (category_of("lane-a-b"), id_of("lane-a-b")) == ("lane", "a-b")


def test_an_event_id_names_generation_stream_and_version() -> None:
    event = DeviceRenamed(originator_id="device-a", originator_version=7, timestamp=at(0), name="n")
    assert Recorded(event, CONTEXT, "commit", generation=2).id == "2:device-a:7"


def test_an_event_without_a_topic_of_its_own_is_refused() -> None:
    class Inheriting(DeviceRenamed):
        other: ClassVar[int] = 1

    with pytest.raises(TypeError, match="TOPIC"):
        register(Inheriting)


class Owned(Event):
    account_id: str
    name: Annotated[str, Personal()]


class Address(BaseModel):
    street: Annotated[str, Personal()]


def test_an_event_type_with_personal_fields_of_nobody_is_refused() -> None:
    for subject in (None, "name", "unknown"):
        members = {"TOPIC": f"tests.owned_by_{subject}", "SUBJECT": subject}
        with pytest.raises(TypeError, match="SUBJECT"):
            register(type("OfNobody", (Owned,), members))


def test_personal_fields_inside_another_field_are_refused() -> None:
    class Moved(Event):
        TOPIC: ClassVar[str] = "tests.moved"
        homes: tuple[Address, ...] | None = None

    with pytest.raises(TypeError, match="inside"):
        register(Moved)


def test_a_state_with_personal_fields_of_nobody_is_refused() -> None:
    class Home(State):
        name: Annotated[str, Personal()] = ""

    with pytest.raises(TypeError, match="SUBJECT"):
        Aggregate("home", Home, lambda state, _: state, snapshot_every=1)


def leaves(kind: type[HomecastError]) -> list[type[HomecastError]]:
    below = kind.__subclasses__()
    return [kind] if not below else [leaf for one in below for leaf in leaves(one)]


def test_every_leaf_of_the_errors_has_a_code_of_its_own() -> None:
    ours = [leaf for leaf in leaves(HomecastError) if leaf.__module__.startswith("domain.")]
    assert len(ours) > 15
    codes = [leaf.code for leaf in ours]
    assert len(set(codes)) == len(codes)
    assert all("code" in leaf.__dict__ for leaf in ours)
