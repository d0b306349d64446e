"""A change that breaks a released event is found, whichever way it is planted."""

from __future__ import annotations

import json
import subprocess
import types
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, Field

from adapters.inbound.cli.contracts import MANIFEST, REMEDY, ROOT, Release
from adapters.inbound.cli.schemas import PUBLIC, schema_of
from adapters.outbound.dynamodb.codec import EVENT_TYPES
from domain.kernel.event import Event
from domain.kernel.personal import Personal


class Kind(StrEnum):
    LAMP = "lamp"
    LOCK = "lock"


class FewerKinds(StrEnum):
    LAMP = "lamp"


class MoreKinds(StrEnum):
    LAMP = "lamp"
    LOCK = "lock"
    BLIND = "blind"


class Dimmer(BaseModel):
    tag: Literal["dimmer"] = "dimmer"
    steps: int = 10


class Switch(BaseModel):
    tag: Literal["switch"] = "switch"


class Motor(BaseModel):
    tag: Literal["motor"] = "motor"


class CoarseDimmer(BaseModel):
    tag: Literal["dimmer"] = "dimmer"


Parts = list[Annotated[Dimmer | Switch, Field(discriminator="tag")]]
FIELDS: dict[str, Any] = {
    "name": (Annotated[str, Field(min_length=1, max_length=64)], ...),
    "kind": (Kind, ...),
    "level": (Annotated[int, Field(ge=0, le=100)], 50),
    "note": (str | None, None),
    "parts": (Parts, ...),
}


def planted(version: int = 1, **changes: Any) -> type[Event]:
    """An event type with these fields; None leaves one out."""
    fields = {name: one for name, one in (FIELDS | changes).items() if one is not None}
    body = {name: default for name, (_, default) in fields.items() if default is not ...}
    body |= {"__annotations__": {name: kind for name, (kind, _) in fields.items()}}
    body["__annotations__"] |= {"TOPIC": ClassVar[str], "class_version": ClassVar[int]}
    body |= {"TOPIC": "devices.planted", "class_version": version, "__module__": __name__}
    event_type: type[Event] = types.new_class(
        "Planted", (Event,), {}, lambda all_: all_.update(body)
    )
    return event_type


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the first version of the planted event was released."""
    golden(tmp_path, 1)
    Release(tmp_path, [planted()]).write()
    assert problems(tmp_path, planted()) == []
    return tmp_path


def golden(root: Path, version: int) -> None:
    file = root / f"tests/golden/devices.planted.v{version}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")


def problems(root: Path, *public: type[Event]) -> list[str]:
    return Release(root, public).problems()


def test_the_released_events_are_what_they_were() -> None:
    assert Release().problems() == []
    assert {one.TOPIC: one for one in PUBLIC} == EVENT_TYPES


BREAKING: dict[str, tuple[dict[str, Any], str]] = {
    "removed": ({"name": None}, "data.name was removed or renamed"),
    "renamed": ({"name": None, "title": (str, ...)}, "data.name was removed or renamed"),
    "retyped": ({"level": (str, "50")}, "data.level was retyped from integer to string"),
    "reshaped": ({"name": (list[str], ...)}, "data.name was retyped from string to array"),
    "number": ({"level": (float, 50)}, "data.level was retyped from integer to number"),
    "nullable": ({"name": (str | None, ...)}, "data.name was retyped: it can be null now"),
    "no null": ({"note": (str, "")}, "data.note can no longer be null"),
    "required": ({"more": (str, ...)}, "data.more was added as a field that has to be there"),
    "needed": ({"level": (int, ...)}, "data.level has to be there now, and older events lack it"),
    "optional": ({"name": (str, "x")}, "data.name is no longer always there"),
    "fewer": ({"kind": (FewerKinds, ...)}, "data.kind can no longer be 'lock'"),
    "any text": ({"kind": (str, ...)}, "data.kind was retyped: it is no enumeration any more"),
    "lower": ({"level": (Annotated[int, Field(ge=1, le=100)], 50)}, "minimum 1, and was minimum 0"),
    "upper": ({"level": (Annotated[int, Field(ge=0, le=9)], 9)}, "maximum 9, and was maximum 100"),
    "shorter": ({"name": (Annotated[str, Field(min_length=1, max_length=9)], ...)}, "maxLength 9"),
    "pattern": ({"name": (Annotated[str, Field(pattern="^a")], ...)}, "pattern '^a', and was no"),
    "default": ({"level": (Annotated[int, Field(ge=0, le=100)], 1)}, "default 50 became default 1"),
    "personal": (
        {"name": (Annotated[str, Field(min_length=1, max_length=64), Personal()], ...)},
        "data.name is no longer always there",
    ),
    "one of several": (
        {"parts": (list[Annotated[Switch | Motor, Field(discriminator="tag")]], ...)},
        "data.parts[] can no longer be dimmer",
    ),
    "deep inside": (
        {"parts": (list[Annotated[CoarseDimmer | Switch, Field(discriminator="tag")]], ...)},
        "data.parts[]<dimmer>.steps was removed or renamed",
    ),
}


@pytest.mark.parametrize(("changes", "said"), BREAKING.values(), ids=BREAKING.keys())
def test_a_breaking_change_is_said_and_cannot_be_written_away(
    root: Path, changes: dict[str, Any], said: str
) -> None:
    changed = planted(**changes)
    before = {path: path.read_bytes() for path in root.rglob("*.json")}
    for _ in range(2):
        found = problems(root, changed)
        assert any(line.startswith("devices.planted 1: ") and said in line for line in found), found
        assert all(REMEDY in line for line in found)
        Release(root, [changed]).write()
    assert before == {path: path.read_bytes() for path in root.rglob("*.json")}


FINE: dict[str, dict[str, Any]] = {
    "an optional field": {"more": (str | None, None)},
    "a further value": {"kind": (MoreKinds, ...)},
    "a further kind": {
        "parts": (list[Annotated[Dimmer | Switch | Motor, Field(discriminator="tag")]], ...)
    },
    "a wider range": {"level": (Annotated[int, Field(ge=-1)], 50)},
}


@pytest.mark.parametrize("changes", FINE.values(), ids=FINE.keys())
def test_an_addition_is_released_as_a_revision_beside_the_first(
    root: Path, changes: dict[str, Any]
) -> None:
    first = root / "docs/schemas/devices.planted.v1.json"
    original, changed = first.read_bytes(), planted(**changes)
    assert problems(root, changed) == ["devices.planted 1 has new optional parts: make docs"]
    Release(root, [changed]).write()
    assert problems(root, changed) == []
    assert first.read_bytes() == original
    second = json.loads((root / "docs/schemas/devices.planted.v1.2.json").read_text())
    assert second == schema_of(changed)
    assert problems(root, planted()) != [], "what was added may not go again"


def test_a_new_version_has_files_of_its_own_and_the_old_ones_stay(root: Path) -> None:
    changed = planted(2, name=None, title=(str, ...))
    assert "devices.planted 2 has no schema: make docs" in problems(root, changed)
    golden(root, 2)
    Release(root, [changed]).write()
    assert problems(root, changed) == []
    (root / "docs/schemas/devices.planted.v1.json").unlink()
    (root / "tests/golden/devices.planted.v1.json").unlink()
    found = problems(root, changed)
    assert len([line for line in found if "restore it" in line]) == 2
    assert "devices.planted 1 has no schema: make docs" in found


def test_a_type_that_was_released_stays_known(root: Path) -> None:
    assert problems(root) == ["devices.planted was released and is not known any more"]


@pytest.mark.parametrize("name", ["docs/schemas/{}.v1.json", "tests/golden/{}.v1.json"])
def test_a_released_file_cannot_be_edited(root: Path, name: str) -> None:
    path = name.format("devices.planted")
    (root / path).write_text((root / path).read_text() + " ")
    for _ in range(2):
        assert f"{path} was released and is not what it was: restore it" in problems(
            root, planted()
        )
        Release(root, [planted()]).write()


def test_a_file_that_is_not_released_is_found(root: Path) -> None:
    golden(root, 7)
    assert problems(root, planted()) == [
        "tests/golden/devices.planted.v7.json is not released: make docs"
    ]


def test_a_release_that_is_written_anew_is_found_in_the_history(root: Path) -> None:
    def git(*words: str) -> None:
        command = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@t", *words]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "released")
    changed = planted(name=None)
    (root / MANIFEST).unlink()
    (root / "docs/schemas/devices.planted.v1.json").unlink()
    Release(root, [changed]).write()
    said = f"{MANIFEST}: the entry of docs/schemas/devices.planted.v1.json was changed or removed"
    assert problems(root, changed) == [said]
    git("commit", "-qam", "released anew")
    assert problems(root, changed) == [said], "the commit before is looked at too"


def test_the_check_is_part_of_make_check() -> None:
    recipe = (ROOT / "Makefile").read_text().split("\ncheck:")[1].split("\n\n")[0]
    assert "-m adapters.inbound.cli.contracts" in recipe
