"""Messages of the device protocol, right and wrong, and their generated description."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapters.inbound.gateway import asyncapi
from adapters.inbound.gateway.protocol import (
    Ack,
    Command,
    Progress,
    Receipt,
    Report,
    Result,
    parse,
    render,
)
from domain.kernel.errors import ContractError

RIGHT: list[tuple[dict[str, Any], Any]] = [
    ({"type": "receipt", "number": 2}, Receipt(type="receipt", number=2)),
    (
        {"type": "progress", "number": 2, "percent": 40},
        Progress(type="progress", number=2, percent=40),
    ),
    (
        {"type": "result", "number": 2, "status": "FAILED", "error": "stuck"},
        Result(type="result", number=2, status="FAILED", error="stuck"),
    ),
    (
        {"type": "report", "sequence": 0, "state": {"OnOff": {"on_off": True}}},
        Report(type="report", sequence=0, state={"OnOff": {"on_off": True}}),
    ),
]
WRONG: list[Any] = [
    [],
    {},
    {"type": "welcome"},
    {"type": "receipt"},
    {"type": "receipt", "number": 0},
    {"type": "receipt", "number": "2"},
    {"type": "receipt", "number": 2.0},
    {"type": "receipt", "number": 2**53},
    {"type": "receipt", "number": 2, "colour": "red"},
    {"type": "progress", "number": 2, "percent": 101},
    {"type": "result", "number": 2, "status": "EXPIRED"},
    {"type": "result", "number": 2, "status": "FAILED"},
    {"type": "result", "number": 2, "status": "SUCCEEDED", "error": "none"},
    {"type": "result", "number": 2, "status": "SUCCEEDED", "result": []},
    {"type": "report", "sequence": -1, "state": {}},
    {"type": "report", "sequence": 2**53, "state": {}},
    {"type": "report", "sequence": 1, "state": {"OnOff": 1}},
]


@pytest.mark.parametrize(("document", "message"), RIGHT)
def test_a_right_message_is_read(document: dict[str, Any], message: Any) -> None:
    assert parse(orjson.dumps(document).decode()) == message


@pytest.mark.parametrize("document", WRONG)
def test_a_wrong_message_is_refused_with_a_reason(document: Any) -> None:
    with pytest.raises(ContractError) as refused:
        parse(orjson.dumps(document).decode())
    assert refused.value.detail


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"type":"receipt","number":NaN}', "\ud800"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ContractError):
        parse(text)


def test_binary_messages_are_refused() -> None:
    with pytest.raises(ContractError, match="binary"):
        parse(b'{"type":"receipt","number":2}')


def test_nesting_is_bounded() -> None:
    deep: Any = 1
    for _ in range(9):
        deep = [deep]
    document = {"type": "result", "number": 2, "status": "SUCCEEDED", "result": {"deep": deep}}
    with pytest.raises(ContractError, match="levels"):
        parse(orjson.dumps(document).decode())


@given(st.text())
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with pytest.raises(ContractError):
        parse(text)


def test_fields_without_value_are_left_out_but_not_those_of_arguments() -> None:
    assert orjson.loads(render(Ack(of="report", sequence=0))) == {
        "type": "ack",
        "of": "report",
        "sequence": 0,
    }
    at = datetime(2026, 1, 1, tzinfo=UTC)
    command = Command(
        number=2,
        command="OnOff.On",
        args={"nothing": None},
        attempt=1,
        expires_at=at,
        deadline=at,
        correlation_id="c",
    )
    said = orjson.loads(render(command))
    assert said["args"] == {"nothing": None}
    assert "trace" not in said
    assert said["deadline"] == "2026-01-01T00:00:00Z"


def test_the_asyncapi_page_is_up_to_date() -> None:
    """``python -m adapters.inbound.gateway.asyncapi`` writes it anew."""
    assert asyncapi.FILE.read_text() == asyncapi.to_yaml(asyncapi.document())


def test_the_asyncapi_page_is_yaml_whose_references_lead_somewhere() -> None:
    document = yaml.safe_load(asyncapi.FILE.read_text())
    assert document == asyncapi.document()
    found = list(references(document))
    assert len(found) > 20
    for reference in found:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [one for inner in value.values() for one in references(inner)]
    if isinstance(value, list):
        return [one for inner in value for one in references(inner)]
    return []
