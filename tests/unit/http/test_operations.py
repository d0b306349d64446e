"""Parked rows and dead letters by the API: only with the scope of operators, and on record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from adapters.inbound.http.operations import LetterPage, ParkedPage, ParkedView, WaitingPage
from adapters.inbound.operations.ports import Letter
from commands.accounts.tokens import OPERATE
from domain.devices.device import DeviceRenamed
from domain.kernel.event import Event
from projections.devices.devices import DEVICES, DeviceRow
from projections.kernel.gate import Projection
from tests.unit.http.test_devices import code_of
from tests.unit.http.world import START, Client, DeviceKey, World

PARKED = "/v1/operations/parked"
LETTERS = "/v1/operations/dead-letters"


class Poison(Exception):
    """What a defective fold raises."""


def failing() -> Projection[DeviceRow]:
    def fold(row: DeviceRow | None, event: Event) -> DeviceRow:
        if isinstance(event, DeviceRenamed):
            raise Poison(event.name)
        return DEVICES.fold(row, event)

    return replace(DEVICES, fold=fold)


@pytest.fixture
async def operator(world: World, app: FastAPI) -> AsyncIterator[Client]:
    client = Client(app, await world.token(scopes=[OPERATE]))
    async with client.http:
        yield client


@pytest.fixture
async def address(world: World, client: Client, lamp: DeviceKey) -> str:
    """Of a device's row, parked where it is renamed."""
    mended, world.gates = world.gates, (world.gate(failing(), world.devices.gated), world.gates[1])
    response = await client.http.patch(
        f"/v1/devices/{lamp.id}", json={"name": "Secret"}, headers={"If-Match": "*"}
    )
    assert response.status_code == 200
    world.gates = mended
    return f"{PARKED}/devices/{lamp.id}"


def letter(name: str = "L1") -> Letter:
    return Letter(name, '{"id":"no event"}', "not a CloudEvent of ours", "device-1", 1, START)


async def test_parked_rows_are_listed_and_shown(operator: Client, address: str) -> None:
    page = (await operator.get(PARKED)).json()
    ParkedPage.model_validate(page)
    [listed] = page["items"]
    shown = (await operator.get(address)).json()
    assert shown == listed
    ParkedView.model_validate(shown)
    assert (shown["status"], shown["error"], shown["version"]) == ("PARKED", "Poison", 2)
    assert "Secret" not in shown["message"]
    assert (await operator.get(PARKED, model="remote_commands")).json()["items"] == []


async def test_a_retry_goes_on_and_says_who_did_it(
    world: World, operator: Client, client: Client, address: str
) -> None:
    entry = (await operator.http.post(f"{address}/retry")).json()
    assert entry["status"] == "RETRIED"
    [action] = entry["actions"]
    assert action["who"].startswith("token:")
    assert (action["what"], action["outcome"]) == ("retry", "done")
    assert (await client.get("/v1/devices")).json()["items"][0]["name"] == "Secret"
    again = await operator.http.post(f"{address}/retry")
    assert (again.status_code, code_of(again)) == (409, "not_parked")
    assert again.json()["current_status"] == "RETRIED"
    assert not (await operator.get(PARKED)).json()["items"]
    assert len((await operator.get(PARKED, all="true")).json()["items"]) == 1


async def test_a_row_is_skipped_or_dropped(world: World, operator: Client, address: str) -> None:
    dropped = (await operator.http.post(f"{address}/drop")).json()
    assert dropped["status"] == "DROPPED"
    skipped = (await operator.http.post(f"{address}/skip")).json()
    assert skipped["status"] == "SKIPPED"
    [row] = world.devices.rows.values()
    assert (row.name, row.version) == ("Lamp", 2)


async def test_what_is_not_parked_is_not_found(operator: Client) -> None:
    for method, act in (("GET", ""), ("POST", "/retry"), ("POST", "/skip"), ("POST", "/drop")):
        response = await operator.http.request(method, f"{PARKED}/devices/nothing{act}")
        assert (response.status_code, code_of(response)) == (404, "parked_row_not_found")


async def test_the_owner_still_reads_the_device_while_its_row_is_parked(
    client: Client, address: str
) -> None:
    [listed] = (await client.get("/v1/devices")).json()["items"]
    assert listed["name"] == "Lamp", "a list shows the row as it stands"


async def test_an_account_of_all_scopes_is_no_operator(client: Client, address: str) -> None:
    for path in (PARKED, address, LETTERS, f"{LETTERS}/devices"):
        assert code_of(await client.get(path)) == "insufficient_scope"


async def test_dead_letters_are_counted_shown_sent_back_and_dropped(
    world: World, operator: Client
) -> None:
    held = world.operations.dead_letters
    held.letters = {one: letter(one) for one in ("L1", "L2", "L3")}
    counted = (await operator.get(LETTERS)).json()
    WaitingPage.model_validate(counted)
    assert counted == {"items": [{"queue": "devices", "waiting": 3, "in_flight": 0}]}
    page: dict[str, Any] = (await operator.get(f"{LETTERS}/devices", limit=2)).json()
    LetterPage.model_validate(page)
    assert [one["id"] for one in page["items"]] == ["L1", "L2"]
    assert page["items"][0]["error"] == "not a CloudEvent of ours"
    assert (await operator.http.delete(f"{LETTERS}/devices/L2")).status_code == 204
    moved = await operator.http.post(f"{LETTERS}/devices/redrive", params={"limit": 5})
    assert moved.json() == {"moved": 2, "task": None}
    assert [what for what, _ in held.acts] == ["drop", "redrive"]
    assert all(who.startswith("token:") for _, who in held.acts)


async def test_letters_that_are_not_there_are_not_found(operator: Client) -> None:
    for response in (
        await operator.get(f"{LETTERS}/nothing"),
        await operator.http.post(f"{LETTERS}/nothing/redrive"),
        await operator.http.delete(f"{LETTERS}/devices/L9"),
    ):
        assert (response.status_code, code_of(response)) == (404, "dead_letters_not_found")


async def test_one_line_a_request_and_no_payload_in_it(operator: Client, address: str) -> None:
    with capture_logs() as lines:
        await operator.http.post(f"{address}/retry")
    [line] = [one for one in lines if one["event"] == "request"]
    assert line["route"] == "/v1/operations/parked/{model}/{row}/retry"
    assert "Secret" not in str(lines)
