"""Reading one's own write: tokens of accepted commands, and queries that wait for them."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from adapters.inbound.http import consistency
from adapters.inbound.http.consistency import MARKS, SIZE, Marks, decode, seconds_of
from adapters.inbound.http.errors import InvalidConsistencyToken
from adapters.inbound.http.fresh import mended
from domain.devices.lane import EVENTS_PER_DECISION
from projections.devices.devices import DEVICES, DeviceRow
from tests.support.events import EXAMPLES
from tests.unit.http.streams import live
from tests.unit.http.test_devices import code_of
from tests.unit.http.world import ACCOUNT, OTHER, Client, DeviceKey, World

NOBODYS = DeviceKey().id


def token_in(response: httpx.Response) -> str:
    token = response.headers["consistency-token"]
    assert len(token) <= SIZE
    decode(token)
    return str(token)


def marks(devices: Any = None, commands: Any = None, generation: int = 1) -> str:
    return Marks(v=1, g=generation, d=devices or {}, c=commands or {}).encode()


async def rename(client: Client, device_id: str, name: str) -> str:
    response = await client.http.patch(
        f"/v1/devices/{device_id}", json={"name": name}, headers={"If-Match": "*"}
    )
    assert response.status_code == 200, response.text
    return token_in(response)


def names(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [one["name"] for one in response.json()["items"]]


# --- what commands answer -------------------------------------------------------------------------


async def test_every_accepted_command_answers_with_a_token_even_when_nothing_had_to_change(
    client: Client,
) -> None:
    key = DeviceKey()
    device, commands = f"/v1/devices/{key.id}", f"/v1/devices/{key.id}/commands"
    assert decode(token_in(await client.claim(key))).d == {key.id: 1}
    assert decode(await rename(client, key.id, "New")).d == {key.id: 2}
    assert decode(await rename(client, key.id, "Lamp")).d == {key.id: 3}
    assert decode(token_in(await client.claim(key))).d == {key.id: 3}
    assert decode(await rename(client, key.id, "Lamp")).d == {key.id: 3}
    for _ in range(2):
        submitted = await client.submit(key.id, key="k")
        assert decode(token_in(submitted)).c == {key.id: {2: 1}}
    for _ in range(2):
        canceled = await client.http.post(f"{commands}/2/cancel")
        assert decode(token_in(canceled)).c == {key.id: {2: 2}}
    await client.submit(key.id)
    for _ in range(2):
        lost = decode(token_in(await client.http.post(f"{device}/lost")))
        assert lost.d == {key.id: 4}
    assert decode(token_in(await client.http.delete(device))).d == {key.id: 5}


async def test_the_commands_that_a_loss_ends_are_in_its_token(
    client: Client, lamp: DeviceKey
) -> None:
    for _ in range(100):
        await client.submit(lamp.id)
    token = token_in(await client.http.post(f"/v1/devices/{lamp.id}/lost"))
    steps = decode(token).c[lamp.id]
    assert set(steps.values()) == {2}
    assert len(steps) == EVENTS_PER_DECISION - 1, "as many as one transaction ends"
    listed = await client.read(f"/v1/devices/{lamp.id}/commands", token, wait=0, cursor=50)
    assert {one["status"] for one in listed.json()["items"]} == {"CANCELED"}


async def test_a_superseded_command_is_in_the_token_of_the_newer_one(
    client: Client, lamp: DeviceKey
) -> None:
    await client.submit(lamp.id, collapse_key="level")
    token = token_in(await client.submit(lamp.id, collapse_key="level"))
    assert decode(token).c == {lamp.id: {2: 2, 3: 1}}


async def test_a_refused_command_answers_without_a_token(client: Client, lamp: DeviceKey) -> None:
    assert "consistency-token" not in (await client.submit(lamp.id, "Nothing")).headers


# --- queries --------------------------------------------------------------------------------------


async def test_the_list_waits_for_the_row(world: World, client: Client, lamp: DeviceKey) -> None:
    world.projecting = False
    token = await rename(client, lamp.id, "New")
    assert names(await client.get("/v1/devices")) == ["Lamp"]
    later = asyncio.create_task(world.catch_up(after=0.1))
    assert names(await client.read("/v1/devices", token)) == ["New"]
    await later


async def test_the_list_shows_a_device_that_was_just_claimed(world: World, client: Client) -> None:
    world.projecting = False
    token = token_in(await client.claim(DeviceKey(), name="First"))
    later = asyncio.create_task(world.catch_up(after=0.1))
    assert names(await client.read("/v1/devices", token)) == ["First"]
    await later


async def test_when_the_time_is_up_the_answer_says_how_far_it_is_behind(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.projecting = False
    await rename(client, lamp.id, "A")
    token = await rename(client, lamp.id, "B")
    began = time.monotonic()
    behind = await client.read("/v1/devices", token, wait=1)
    assert 1 <= time.monotonic() - began < 1.5
    assert (behind.status_code, code_of(behind)) == (503, "read_model_behind")
    assert behind.headers["retry-after"] == "1"
    assert behind.json()["retryable"] is True
    assert behind.json()["behind"] == {"devices": 2}


async def test_a_wait_looks_a_few_times_and_not_all_the_time(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.projecting = False
    token = await rename(client, lamp.id, "A")
    before = world.devices.looked
    await client.read("/v1/devices", token, wait=2)
    assert 4 <= world.devices.looked - before <= 12


async def test_the_answer_has_the_write_though_the_index_lags_behind_the_row(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.devices.lag()
    token = await rename(client, lamp.id, "New")
    assert names(await client.get("/v1/devices")) == ["Lamp"]
    assert names(await client.read("/v1/devices", token, wait=0)) == ["New"]
    gone = token_in(await client.http.delete(f"/v1/devices/{lamp.id}"))
    assert names(await client.get("/v1/devices")) == ["Lamp"]
    assert names(await client.read("/v1/devices", gone, wait=0)) == []


async def test_a_released_device_is_waited_out_of_the_list(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.projecting = False
    token = token_in(await client.http.delete(f"/v1/devices/{lamp.id}"))
    assert code_of(await client.read("/v1/devices", token, wait=0)) == "read_model_behind"
    await world.catch_up()
    assert names(await client.read("/v1/devices", token, wait=0)) == []


async def test_a_token_from_before_a_release_asks_for_nothing_any_more(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey
) -> None:
    token = await rename(client, lamp.id, "New")
    await client.http.delete(f"/v1/devices/{lamp.id}")
    assert names(await client.read("/v1/devices", token, wait=0)) == []
    next_owner = Client(app, await world.token(OTHER))
    world.clock.advance(1)
    claimed = await next_owner.claim(lamp, proof=lamp.proof(world.clock.at))
    assert claimed.status_code == 201, claimed.text
    assert names(await client.read("/v1/devices", token, wait=0)) == []


@pytest.mark.parametrize("query", ["?status=all", "?status=open", "/2"])
async def test_commands_wait_for_their_rows(
    world: World, client: Client, lamp: DeviceKey, query: str
) -> None:
    await client.submit(lamp.id)
    world.projecting = False
    canceled = await client.http.post(f"/v1/devices/{lamp.id}/commands/2/cancel")
    address = f"/v1/devices/{lamp.id}/commands{query}"
    behind = await client.read(address, token_in(canceled), wait=0)
    assert (code_of(behind), behind.json()["behind"]) == (
        "read_model_behind",
        {"remote_commands": 1},
    )
    await world.catch_up()
    world.commands.lag()
    shown = (await client.read(address, token_in(canceled), wait=0)).json()
    statuses = [one["status"] for one in shown.get("items", [shown])]
    assert statuses == ([] if "open" in query else ["CANCELED"])


async def test_the_list_of_commands_is_not_a_moment_old_with_a_token(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.commands.lag()
    token = token_in(await client.submit(lamp.id))
    address = f"/v1/devices/{lamp.id}/commands"
    assert (await client.get(address)).json()["items"] == []
    assert len((await client.read(address, token, wait=0)).json()["items"]) == 1


async def test_a_query_waits_for_nothing_that_it_does_not_show(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    await client.submit(lamp.id)
    world.projecting = False
    token = token_in(await client.http.post(f"/v1/devices/{lamp.id}/lost"))
    world.waiting = [one for one in world.waiting if "lane" not in one.event.originator_id]
    await world.catch_up()
    assert (await client.read("/v1/devices", token, wait=0)).status_code == 200
    address = f"/v1/devices/{lamp.id}/commands"
    assert code_of(await client.read(f"{address}/2", token, wait=0)) == "read_model_behind"
    assert code_of(await client.read(f"{address}/3", token, wait=0)) == "command_not_found"


async def test_a_single_device_is_as_of_now_and_never_waits(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.projecting = False
    token = await rename(client, lamp.id, "New")
    read = await client.read(f"/v1/devices/{lamp.id}", token, wait=0)
    assert (read.status_code, read.json()["name"]) == (200, "New")


async def test_the_live_stream_begins_with_what_the_token_names(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey
) -> None:
    world.devices.lag()
    world.commands.lag()
    await rename(client, lamp.id, "New")
    world.projecting = False
    token, bearer = token_in(await client.submit(lamp.id)), await world.token()
    async with live(app, bearer, consistency_token=token, prefer="wait=0") as refused:
        await refused.ended.wait()
        assert refused.status == 503
    await world.catch_up()
    both = decode(token).model_copy(update={"d": {lamp.id: 2}}).encode()
    async with live(app, bearer, consistency_token=both) as stream:
        snapshot = (await stream.next()).data
    assert [one["name"] for one in snapshot["devices"]] == ["New"]
    assert [one["number"] for one in snapshot["commands"]] == [2]


# --- tokens that are not one's own ----------------------------------------------------------------


async def test_a_made_up_token_tells_nothing_about_other_accounts(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey
) -> None:
    await client.submit(lamp.id)
    world.projecting = False
    await rename(client, lamp.id, "New")
    stranger = Client(app, await world.token(OTHER))
    answers = set()
    for device_id in (lamp.id, NOBODYS):
        for number in (1, 2, 1000):
            forged = marks({device_id: number}, {device_id: {2: number}})
            began = time.monotonic()
            listed = await stranger.read("/v1/devices", forged, wait=10)
            one = await stranger.read(f"/v1/devices/{device_id}/commands", forged, wait=10)
            other = await stranger.read(f"/v1/devices/{device_id}/commands/2", forged, wait=10)
            assert time.monotonic() - began < 1, "nothing was waited for"
            answers.add((listed.text, one.text, other.text))
    assert len(answers) == 1


async def test_a_token_of_a_generation_that_the_store_has_left_asks_for_nothing(
    client: Client, lamp: DeviceKey, world: World
) -> None:
    settings = world.settings.model_copy(update={"store_generation": 2})
    later = World()
    later.settings = settings
    async with later.app() as app:
        there = Client(app, await later.token())
        key = DeviceKey()
        await there.claim(key)
        old = marks({key.id: 900}, generation=1)
        assert (await there.read("/v1/devices", old, wait=0)).status_code == 200
        new = marks({key.id: 900}, generation=2)
        assert code_of(await there.read("/v1/devices", new, wait=0)) == "read_model_behind"


def wire(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


DEVICE = "a" * 26
INVALID = [
    "",
    " ",
    "a",
    "ü",
    "=" * 8,
    wire("no json"),
    wire("[]"),
    wire("{}"),
    wire('{"v":2,"g":1}'),
    wire('{"v":1}'),
    wire('{"v":1,"g":0}'),
    wire('{"v":1,"g":"1"}'),
    wire('{"v":1,"g":1,"x":1}'),
    wire('{"v":1,"g":1,"d":{"short":1}}'),
    wire(f'{{"v":1,"g":1,"d":{{"{DEVICE}":0}}}}'),
    wire(f'{{"v":1,"g":1,"d":{{"{DEVICE}":1.5}}}}'),
    wire(f'{{"v":1,"g":1,"d":{{"{DEVICE}":1e400}}}}'),
    wire(f'{{"v":1,"g":1,"c":{{"{DEVICE}":{{"x":1}}}}}}'),
    wire(f'{{"v":1,"g":1,"c":{{"{DEVICE}":{{"1":99999999999999999999}}}}}}'),
    wire("[" * 3000),
    marks(commands={DEVICE: dict.fromkeys(range(1, MARKS + 2), 1)}),
    "A" * (SIZE + 1),
]


@pytest.mark.parametrize("token", INVALID, ids=range(len(INVALID)))
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidConsistencyToken):
        decode(token)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_fail(content: bytes) -> None:
    for text in (content.decode("latin-1"), base64.urlsafe_b64encode(content).decode()):
        try:
            decode(text)
        except InvalidConsistencyToken:
            continue


async def test_every_query_refuses_what_is_no_token(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey
) -> None:
    await client.submit(lamp.id)
    device = f"/v1/devices/{lamp.id}"
    for path in ("/v1/devices", device, f"{device}/commands", f"{device}/commands/2", "/v1/live"):
        refused = await client.read(path, "nonsense")
        assert (refused.status_code, code_of(refused)) == (400, "invalid_consistency_token")


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 2),
        ("", 2),
        ("wait=5", 5),
        ("wait=0", 0),
        ('respond-async, WAIT="7"', 7),
        ("wait = 3; x=y, wait=9", 3),
        ("wait=9999", 10),
        ("wait=-1", 2),
        ("wait=1.5", 2),
        ("wait", 2),
        ("x" * 300 + ",wait=1", 2),
    ],
)
def test_the_wait_is_what_the_client_prefers_within_bounds(
    prefer: str | None, seconds: float
) -> None:
    assert seconds_of(prefer) == seconds


# --- pages ----------------------------------------------------------------------------------------

CLAIMED = DEVICES.fold(None, EXAMPLES[0])


def row(device_id: str, version: int, account: str | None = ACCOUNT) -> DeviceRow:
    changes = {"device_id": device_id, "applied": version, "account_id": account}
    return CLAIMED.model_copy(update=changes)


ids = st.sampled_from("abcdefgh")
owners = st.sampled_from([ACCOUNT, OTHER, None])
histories = st.dictionaries(ids, st.lists(owners, min_size=1, max_size=4))


@given(histories, st.data(), st.integers(1, 4))
def test_pages_of_an_index_that_lags_are_mended_to_what_the_rows_say(
    histories: dict[str, list[str | None]], data: st.DataObject, limit: int
) -> None:
    rows = {one: row(one, len(owned), owned[-1]) for one, owned in histories.items()}
    seen = {one: data.draw(st.integers(0, len(owned))) for one, owned in histories.items()}
    index = [
        row(one, seen[one], histories[one][seen[one] - 1]) for one in sorted(seen) if seen[one]
    ]
    listed, after = [], None
    while True:
        rest = [one for one in index if one.account_id == ACCOUNT and one.device_id > (after or "")]
        cursor = rest[limit - 1].device_id if len(rest) > limit else None
        page, after = mended((rest[:limit], cursor), rows, ACCOUNT, limit=limit, after=after)
        assert len(page) <= limit
        listed += page
        if after is None:
            break
    assert listed == [rows[one] for one in sorted(rows) if rows[one].account_id == ACCOUNT]


async def test_both_headers_are_documented(client: Client) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    device, commands = "/v1/devices/{device_id}", "/v1/devices/{device_id}/commands"
    for path in ("/v1/devices", device, commands, f"{commands}/{{number}}", "/v1/live"):
        asked = {one["name"].lower() for one in paths[path]["get"]["parameters"]}
        assert {"consistency-token", "prefer"} <= asked, path
    for path, method, status in [
        ("/v1/devices", "post", "201"),
        (device, "patch", "200"),
        (device, "delete", "204"),
        (f"{device}/lost", "post", "200"),
        (commands, "post", "202"),
        (f"{commands}/{{number}}/cancel", "post", "200"),
    ]:
        headers = paths[path][method]["responses"][status]["headers"]
        assert consistency.NAME in headers, path
