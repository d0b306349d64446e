from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fastapi import FastAPI

from adapters.inbound.http import waiting
from adapters.inbound.http.views import CommandPage, CommandView
from projections.devices.ports import FeedReset
from tests.support.waiting import eventually
from tests.unit.http.test_devices import code_of
from tests.unit.http.world import ACCOUNT, DEADLINE, Client, DeviceKey, World


async def test_a_submitted_command_is_accepted_with_its_place(
    client: Client, lamp: DeviceKey
) -> None:
    response = await client.submit(lamp.id, "LevelControl.MoveToLevel", args={"level": 7})
    command = response.json()
    assert response.status_code == 202
    assert response.headers["location"] == f"/v1/devices/{lamp.id}/commands/{command['number']}"
    assert command["id"] == f"{lamp.id}.{command['number']}"
    assert (command["status"], command["step"]) == ("ACCEPTED", 1)
    assert command["args"] == {"level": 7, "transition_time": 0}
    assert command["expires_at"] == "2026-11-23T12:01:00Z"
    CommandView.model_validate(command)


async def test_a_command_can_be_read_the_moment_it_was_accepted(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.projecting = False
    response = await client.submit(lamp.id)
    read = await client.get(response.headers["location"])
    assert (read.status_code, read.json()) == (200, response.json())


async def test_what_happened_since_shows_without_the_read_model(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.projecting = False
    other = (await client.submit(lamp.id, "OnOff.Off")).json()["number"]
    number = (await client.submit(lamp.id)).json()["number"]
    await world.carry_out(lamp.id, other)
    await world.carry_out(lamp.id, number)
    command = (await client.get(f"/v1/devices/{lamp.id}/commands/{number}")).json()
    assert command["status"] == "SUCCEEDED"
    assert [one["step"] for one in command["history"]] == [1, 2, 3]


async def test_a_purged_command_is_not_brought_back_from_the_store(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    address = (await client.submit(lamp.id)).headers["location"]
    world.commands.gated.held.clear()
    world.clock.advance(31 * 24 * 3600)
    assert code_of(await client.get(address)) == "command_not_found"


async def test_numbers_that_are_no_commands_are_not_found(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    number = (await client.submit(lamp.id)).json()["number"]
    await world.send(lamp.id, number)
    for other in (1, number + 1, 999, 2**53 - 1):
        address = f"/v1/devices/{lamp.id}/commands/{other}"
        assert code_of(await client.get(address)) == "command_not_found"
        assert code_of(await client.http.post(f"{address}/cancel")) == "command_not_found"
    for invalid in ("0", "-1", "x", str(2**70)):
        response = await client.get(f"/v1/devices/{lamp.id}/commands/{invalid}")
        assert (response.status_code, code_of(response)) == (422, "invalid_input")


async def test_repeating_a_key_gives_the_same_command(client: Client, lamp: DeviceKey) -> None:
    first = await client.submit(lamp.id, key="k1")
    again = await client.submit(lamp.id, key="k1")
    other = await client.submit(lamp.id, "OnOff.Off", key="k1")
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert (other.status_code, code_of(other)) == (409, "idempotency_key_reused")
    assert (await client.submit(lamp.id)).json()["number"] != first.json()["number"]


async def test_a_refused_submit_says_why(client: Client, lamp: DeviceKey) -> None:
    unknown = await client.submit(lamp.id, "DoorLock.UnlockDoor")
    assert (unknown.status_code, code_of(unknown)) == (422, "command_not_supported")
    assert "OnOff.On" in unknown.json()["commands"]
    wrong = await client.submit(lamp.id, "LevelControl.MoveToLevel", args={"level": 999})
    assert (wrong.status_code, code_of(wrong)) == (422, "invalid_input")
    assert wrong.json()["errors"][0]["field"] == "level"


async def test_a_full_lane_asks_to_come_back(client: Client, lamp: DeviceKey) -> None:
    for _ in range(100):
        assert (await client.submit(lamp.id)).status_code == 202
    full = await client.submit(lamp.id)
    assert (full.status_code, code_of(full)) == (429, "lane_full")
    assert full.headers["retry-after"] == "1"


async def test_commands_are_listed_newest_first(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    numbers = [(await client.submit(lamp.id)).json()["number"] for _ in range(5)]
    await world.carry_out(lamp.id, numbers[0])
    first = await client.get(f"/v1/devices/{lamp.id}/commands", limit=3)
    CommandPage.model_validate(first.json())
    assert [one["number"] for one in first.json()["items"]] == numbers[:1:-1]
    cursor = first.json()["next_cursor"]
    rest = await client.get(f"/v1/devices/{lamp.id}/commands", limit=3, cursor=cursor)
    assert [one["number"] for one in rest.json()["items"]] == [numbers[1], numbers[0]]
    assert rest.json()["next_cursor"] is None


async def test_open_commands_are_listed_as_the_lane_has_them(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    address = f"/v1/devices/{lamp.id}/commands"
    numbers = [(await client.submit(lamp.id)).json()["number"] for _ in range(3)]
    world.projecting = False
    await world.carry_out(lamp.id, numbers[0])
    numbers.append((await client.submit(lamp.id)).json()["number"])
    await world.send(lamp.id, numbers[3])
    listed = world.commands.listed
    first = (await client.get(address, status="open", limit=2)).json()
    shown = [(one["number"], one["status"]) for one in first["items"]]
    assert shown == [(numbers[3], "SENT"), (numbers[2], "ACCEPTED")]
    rest = (await client.get(address, status="open", cursor=first["next_cursor"])).json()
    assert [one["number"] for one in rest["items"]] == [numbers[1]]
    assert rest["next_cursor"] is None
    assert world.commands.listed == listed, "no history was searched"


async def test_a_page_is_bounded(client: Client, lamp: DeviceKey) -> None:
    for address in ("/v1/devices", f"/v1/devices/{lamp.id}/commands"):
        assert (await client.get(address, limit=50)).status_code == 200
        assert code_of(await client.get(address, limit=51)) == "invalid_input"


async def test_a_command_can_be_canceled_until_it_is_sent(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    address = (await client.submit(lamp.id)).headers["location"]
    for _ in range(2):
        canceled = await client.http.post(f"{address}/cancel")
        assert (canceled.status_code, canceled.json()["status"]) == (200, "CANCELED")
    sent = (await client.submit(lamp.id)).json()["number"]
    await world.send(lamp.id, sent)
    late = await client.http.post(f"/v1/devices/{lamp.id}/commands/{sent}/cancel")
    assert (late.status_code, code_of(late)) == (409, "command_not_cancelable")
    assert (late.json()["status"], late.json()["current_status"]) == (409, "SENT")


async def test_a_cancel_after_the_expiry_is_refused(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    address = (await client.submit(lamp.id, ttl=5)).headers["location"]
    world.clock.advance(6)
    late = await client.http.post(f"{address}/cancel")
    assert (late.status_code, code_of(late)) == (409, "command_not_cancelable")
    assert late.json()["current_status"] == "EXPIRED"


async def test_a_cancel_is_seen_though_the_row_lags(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    address = (await client.submit(lamp.id)).headers["location"]
    world.projecting = False
    for _ in range(2):
        canceled = await client.http.post(f"{address}/cancel")
        assert (canceled.status_code, canceled.json()["status"]) == (200, "CANCELED")


# --- waiting --------------------------------------------------------------------------------------


@pytest.fixture
def slow_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hints alone have to bring the outcome."""
    monkeypatch.setattr(waiting, "FIRST_LOOK", 60.0)


async def number_of_next(world: World, device: DeviceKey) -> int:
    """The number of the command that is submitted meanwhile."""

    async def accepted() -> int:
        lane = await world.store.read(f"lane-{device.id}", after=1)
        return lane[0].event.originator_version if lane else 0

    number: int = await eventually(accepted, within=DEADLINE, every=0.005)
    return number


async def waited(
    client: Client, device: DeviceKey, act: Callable[[int], Awaitable[None]], world: World
) -> tuple[int, str]:
    waiting_for = asyncio.create_task(client.submit(device.id, wait=25))
    await act(await number_of_next(world, device))
    async with asyncio.timeout(DEADLINE):
        response = await waiting_for
    return response.status_code, response.json()["status"]


@pytest.mark.usefixtures("slow_looks")
async def test_waiting_ends_with_the_hint_of_the_outcome(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    act = world.carry_out
    assert await waited(client, lamp, lambda n: act(lamp.id, n), world) == (200, "SUCCEEDED")


@pytest.mark.usefixtures("slow_looks")
async def test_a_gap_in_the_hints_is_read_from_the_store(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    async def act(number: int) -> None:
        world.hinting = False
        await world.send(lamp.id, number)
        world.hinting = True
        await world.succeed(lamp.id, number)

    assert await waited(client, lamp, act, world) == (200, "SUCCEEDED")


@pytest.mark.usefixtures("slow_looks")
async def test_a_reset_of_the_feed_is_read_from_the_store(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    async def act(number: int) -> None:
        world.hinting = False
        await world.carry_out(lamp.id, number)
        world.feed.tell(ACCOUNT, FeedReset())

    assert await waited(client, lamp, act, world) == (200, "SUCCEEDED")


@pytest.mark.usefixtures("slow_looks")
async def test_word_from_the_projector_ends_the_waiting_too(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    async def act(number: int) -> None:
        world.hinting = False
        await world.carry_out(lamp.id, number)
        row = world.commands.rows[(lamp.id, number)].model_dump(mode="json")
        world.feed.tell(ACCOUNT, {"type": "command", "command": row})

    assert await waited(client, lamp, act, world) == (200, "SUCCEEDED")


async def test_waiting_ends_without_any_hint(world: World, client: Client, lamp: DeviceKey) -> None:
    async def act(number: int) -> None:
        world.hinting = False
        await world.carry_out(lamp.id, number)

    assert await waited(client, lamp, act, world) == (200, "SUCCEEDED")


async def test_waiting_ends_when_the_feed_fails(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    async def act(number: int) -> None:
        world.feed.tell(ACCOUNT, None)
        world.hinting = False
        await world.carry_out(lamp.id, number)

    assert await waited(client, lamp, act, world) == (200, "SUCCEEDED")


async def test_a_wait_in_vain_answers_with_what_is_known(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    waiting_for = asyncio.create_task(client.submit(lamp.id, wait=1))
    await world.send(lamp.id, await number_of_next(world, lamp))
    response = await waiting_for
    assert (response.status_code, response.json()["status"]) == (202, "SENT")


async def test_waiting_with_a_known_key_gives_the_outcome_at_once(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    number = (await client.submit(lamp.id, key="k")).json()["number"]
    await world.carry_out(lamp.id, number)
    again = await client.submit(lamp.id, key="k", wait=25)
    assert (again.status_code, again.json()["number"]) == (200, number)


async def test_many_waiters_share_one_subscription(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    async def one() -> int:
        return (await client.submit(lamp.id, wait=10)).status_code

    waiters = [asyncio.create_task(one()) for _ in range(10)]

    async def all_accepted() -> bool:
        return len(world.commands.rows) == 10

    await eventually(all_accepted, within=DEADLINE)
    for _, number in list(world.commands.rows):
        await world.carry_out(lamp.id, number)
    async with asyncio.timeout(DEADLINE):
        assert set(await asyncio.gather(*waiters)) == {200}
    assert world.feed.opened == 1


async def test_an_account_that_goes_on_submitting_stays_watched(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey
) -> None:
    for _ in range(3):
        await client.submit(lamp.id)
        await asyncio.sleep(0)
    feeds = app.state.parts.feeds
    feeds.close_unused()
    assert world.feed.opened == 1
    feeds._linger = 0.0
    feeds.close_unused()

    async def closed() -> bool:
        return not world.feed.queues[ACCOUNT]

    await eventually(closed, within=DEADLINE)
