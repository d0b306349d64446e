from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from adapters.inbound.http import live as live_module
from adapters.inbound.http import ring
from adapters.inbound.http.ring import Ring
from adapters.inbound.http.views import CommandView, DeviceView
from adapters.outbound.memory.token_states import MemoryTokenStates
from commands.accounts import tokens
from projections.devices.ports import FeedReset
from tests.support import grants
from tests.support.waiting import eventually
from tests.unit.http.streams import live
from tests.unit.http.world import (
    ACCOUNT,
    DEADLINE,
    OTHER,
    START,
    Client,
    DeviceKey,
    FakeTwin,
    World,
)

UNTOLD = MemoryTokenStates()
"""Where nobody listens, as when Redis is away."""


@pytest.fixture
async def token(world: World) -> str:
    return await world.token()


async def test_a_stream_begins_with_a_snapshot(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey, token: str
) -> None:
    world.presence.here.add(lamp.id)
    world.twins.held[lamp.id] = FakeTwin({"OnOff": {"on_off": True}}, START)
    for _ in range(7):
        await client.submit(lamp.id)
    async with live(app, token) as stream:
        snapshot = await stream.next()
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        assert "content-length" not in stream.headers
    assert snapshot.name == "snapshot"
    [device] = snapshot.data["devices"]
    DeviceView.model_validate(device)
    assert (device["online"], device["state"]) == (True, {"OnOff": {"on_off": True}})
    assert len(snapshot.data["commands"]) == 5
    CommandView.model_validate(snapshot.data["commands"][0])


async def test_each_step_of_a_command_comes_once(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey, token: str
) -> None:
    async with live(app, token) as stream:
        await stream.next("snapshot")
        number = (await client.submit(lamp.id)).json()["number"]
        await world.carry_out(lamp.id, number)
        row = world.commands.rows[(lamp.id, number)].model_dump(mode="json")
        world.feed.tell(ACCOUNT, {"type": "command", "command": row})
        world.feed.tell(ACCOUNT, {"type": "progress", "device_id": lamp.id, "number": number})
        told = [await stream.next() for _ in range(4)]
    assert [(one.name, one.data.get("status")) for one in told] == [
        ("command", "ACCEPTED"),
        ("command", "SENT"),
        ("command", "SUCCEEDED"),
        ("progress", None),
    ]
    assert [one.data["step"] for one in told[:3]] == [1, 2, 3]
    assert told[2].data["id"] == f"{lamp.id}.{number}"
    assert told[2].data["command"] == "OnOff.On"
    assert len({one.id for one in told}) == 4


async def test_a_step_of_a_command_whose_beginning_was_missed_is_told(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey, token: str
) -> None:
    number = (await client.submit(lamp.id)).json()["number"]
    async with live(app, token) as stream:
        await stream.next("snapshot")
        await world.send(lamp.id, number)
        event = await stream.next("command")
    assert (event.data["status"], event.data["step"], event.data["attempt"]) == ("SENT", 2, 1)


async def test_changes_of_devices_come(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey, token: str
) -> None:
    async with live(app, token) as stream:
        await stream.next("snapshot")
        new = DeviceKey()
        await client.claim(new)
        claimed = await stream.next("device")
        await client.http.patch(
            f"/v1/devices/{new.id}", json={"name": "B"}, headers={"If-Match": "*"}
        )
        renamed = await stream.next("device")
        await client.http.post(f"/v1/devices/{new.id}/lost")
        lost = await stream.next("device")
        await client.http.delete(f"/v1/devices/{new.id}")
        released = await stream.next("device")
    assert (claimed.data["id"], claimed.data["name"]) == (new.id, "Lamp")
    assert "online" not in claimed.data
    assert renamed.data == {"id": new.id, "version": 2, "name": "B"}
    assert lost.data["status"] == "LOST"
    assert released.data["status"] == "RELEASED"


async def test_presence_and_reported_state_come(
    world: World, app: FastAPI, lamp: DeviceKey, token: str
) -> None:
    async with live(app, token) as stream:
        await stream.next("snapshot")
        for online in (True, True, False):
            world.feed.tell(ACCOUNT, {"type": "presence", "device_id": lamp.id, "online": online})
        world.feed.tell(
            ACCOUNT, {"type": "twin", "device_id": lamp.id, "state": {"OnOff": {}}, "x": 1}
        )
        told = [(one.name, one.data) for one in [await stream.next() for _ in range(3)]]
    assert told == [
        ("presence", {"device_id": lamp.id, "online": True}),
        ("presence", {"device_id": lamp.id, "online": False}),
        ("twin", {"device_id": lamp.id, "state": {"OnOff": {}}}),
    ]


async def test_a_device_whose_gateway_died_is_found_out(
    world: World, app: FastAPI, lamp: DeviceKey, token: str
) -> None:
    world.presence.here.add(lamp.id)
    async with live(app, token) as stream:
        snapshot = await stream.next("snapshot")
        assert snapshot.data["devices"][0]["online"] is True
        world.presence.here.clear()
        await app.state.parts.live.check_presence()
        event = await stream.next()
        assert (event.name, event.data["online"]) == ("presence", False)
        world.presence.away = True
        await app.state.parts.live.check_presence()
        assert stream.nothing_more()


async def test_nobody_hears_of_another_account(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey, token: str
) -> None:
    async with live(app, await world.token(OTHER)) as stream, live(app, token) as mine:
        assert (await stream.next()).data == {"devices": [], "commands": []}
        await mine.next("snapshot")
        await client.submit(lamp.id)
        await mine.next("command")
        assert stream.nothing_more()


async def test_a_client_goes_on_where_it_stopped(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey, token: str
) -> None:
    async with live(app, token) as stream:
        await stream.next("snapshot")
        first = (await client.submit(lamp.id)).json()["number"]
        await stream.next("command")
    missed = (await client.submit(lamp.id)).json()["number"]

    async def in_the_ring() -> bool:
        return bool(app.state.parts.live._accounts[ACCOUNT].ring.last == 2)

    await eventually(in_the_ring, within=DEADLINE)
    async with live(app, token, stream.last_id) as again:
        event = await again.next()
        assert (event.name, event.data["number"]) == ("command", missed)
        assert missed > first


@pytest.mark.parametrize("last_id", ["nonsense", "01ABC-7", "-", "x-٣", "x" * 64])
async def test_an_unknown_place_gives_a_reset_and_a_snapshot(
    app: FastAPI, lamp: DeviceKey, token: str, last_id: str
) -> None:
    async with live(app, token, last_id) as stream:
        assert [(await stream.next()).name for _ in range(2)] == ["reset", "snapshot"]


async def test_a_loss_in_the_feed_gives_a_reset_and_a_snapshot(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey, token: str
) -> None:
    async with live(app, token) as stream:
        place = (await stream.next("snapshot")).id
        world.feed.tell(ACCOUNT, FeedReset())
        assert [(await stream.next()).name for _ in range(2)] == ["reset", "snapshot"]
        await client.submit(lamp.id)
        assert (await stream.next()).name == "command"
    async with live(app, token, place) as again:
        assert (await again.next()).name == "reset"


async def test_a_feed_that_fails_is_opened_again(
    world: World,
    app: FastAPI,
    client: Client,
    lamp: DeviceKey,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_module, "REOPENED_AFTER", 0.0)
    async with live(app, token) as stream:
        await stream.next("snapshot")
        world.feed.tell(ACCOUNT, None)
        assert [(await stream.next()).name for _ in range(2)] == ["reset", "snapshot"]

        async def watched_again() -> bool:
            return world.feed.opened == 2

        await eventually(watched_again, within=DEADLINE)
        await client.submit(lamp.id)
        assert (await stream.next()).name == "command"


async def test_a_slow_client_is_cut_and_comes_back_to_its_place(
    world: World, app: FastAPI, token: str, lamp: DeviceKey
) -> None:
    app_live = app.state.parts.live
    async with live(app, token) as stream:
        await stream.next("snapshot")
        stream.reading.clear()
        for number in range(ring.BEHIND + 10):
            world.feed.tell(ACCOUNT, {"type": "twin", "device_id": lamp.id, "state": {"n": number}})
            await asyncio.sleep(0)

        async def cut() -> bool:
            return any(one.cut for one in app_live._accounts[ACCOUNT].ring.streams)

        await eventually(cut, within=DEADLINE)
        stream.reading.set()
        async with asyncio.timeout(DEADLINE):
            await stream.ended.wait()
    async with live(app, token, stream.last_id) as again:
        assert (await again.next()).name == "twin"


async def test_a_client_that_takes_nothing_is_given_up(
    world: World, app: FastAPI, token: str, lamp: DeviceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "SEND_LIMIT", 0.01)
    async with live(app, token) as stream:
        await stream.next("snapshot")
        stream.reading.clear()
        world.feed.tell(ACCOUNT, {"type": "twin", "device_id": lamp.id, "state": {}})

        async def closed() -> bool:
            return not app.state.parts.live._accounts[ACCOUNT].ring.streams

        await eventually(closed, within=DEADLINE)


async def test_an_account_has_only_so_many_streams(
    app: FastAPI, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "STREAMS_PER_ACCOUNT", 2)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await (await stack.enter_async_context(live(app, token))).next("snapshot")
        response = await Client(app, token).get("/v1/live")
        assert (response.status_code, response.json()["code"]) == (429, "too_many_streams")
    async with live(app, token) as stream:
        await stream.next("snapshot")


async def test_a_stream_ends_with_its_token(
    world: World, app: FastAPI, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert live_module.KEEP_ALIVE <= 30
    monkeypatch.setattr(live_module, "KEEP_ALIVE", 0.01)
    async with live(app, token) as stream:
        await stream.next("snapshot")

        async def kept_alive() -> bool:
            return stream.comments > 2

        await eventually(kept_alive, within=DEADLINE)
        for grant in await tokens.list_tokens(world.vault):
            await tokens.revoke_token(world.vault, grant.token_id, revocations=UNTOLD)
        async with asyncio.timeout(DEADLINE):
            await stream.ended.wait()


async def test_a_revocation_that_is_told_ends_the_stream_at_once(
    world: World, app: FastAPI, token: str
) -> None:
    async with live(app, token) as stream, live(app, await world.token()) as other:
        await stream.next("snapshot")
        await other.next("snapshot")
        [first, _] = await tokens.list_tokens(world.vault)
        await tokens.revoke_token(world.vault, first.token_id, revocations=world.token_states)
        async with asyncio.timeout(DEADLINE):
            await stream.ended.wait()
        assert not other.ended.is_set()
    assert (await Client(app, token).get("/v1/live")).status_code == 401


async def test_a_client_that_reads_nothing_gets_nothing_more_once_its_token_is_revoked(
    world: World, app: FastAPI, lamp: DeviceKey, token: str
) -> None:
    async with live(app, token) as stream:
        await stream.next("snapshot")
        stream.reading.clear()
        for number in range(20):
            world.feed.tell(ACCOUNT, {"type": "progress", "device_id": lamp.id, "number": number})
        for _ in range(5):
            await asyncio.sleep(0)
        for one in await tokens.list_tokens(world.vault):
            await tokens.revoke_token(world.vault, one.token_id, revocations=world.token_states)
        stream.reading.set()
        async with asyncio.timeout(DEADLINE):
            await stream.ended.wait()
        told = 0
        while not stream.nothing_more():
            await stream.next()
            told += 1
        assert told <= 1, "but for what was being sent"


async def test_a_replay_stops_where_the_token_is_revoked(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey, token: str
) -> None:
    async with live(app, token) as stream:
        await stream.next("snapshot")
        for _ in range(5):
            await client.submit(lamp.id)
        [first, *_] = [await stream.next("command") for _ in range(5)]
    async with live(app, token, first.id) as again:
        take = again._take

        def take_and_stop(block: str) -> None:
            take(block)
            if "event:" in block:
                again.reading.clear()

        again._take = take_and_stop  # type: ignore[method-assign]
        await again.next("command")
        for one in await tokens.list_tokens(world.vault):
            await tokens.revoke_token(world.vault, one.token_id, revocations=world.token_states)
        again._take = take  # type: ignore[method-assign]
        again.reading.set()
        async with asyncio.timeout(DEADLINE):
            await again.ended.wait()
        await again.next("command")  # was being sent
        assert again.nothing_more()


async def test_a_stream_ends_when_its_access_token_expires(world: World, app: FastAPI) -> None:
    grant = await grants.give(
        world.vault,
        world.ids.new(),
        account_id=ACCOUNT,
        scopes=tokens.SCOPES,
        now=START,
        lifetime=timedelta(seconds=60),
    )
    world.clock.advance(59.95)
    async with live(app, grant.token) as stream:
        await stream.next("snapshot")
        world.clock.advance(0.05)
        async with asyncio.timeout(DEADLINE):
            await stream.ended.wait()


async def test_a_busy_stream_looks_at_its_token_too(
    world: World, app: FastAPI, lamp: DeviceKey, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "KEEP_ALIVE", 0.01)
    async with live(app, token) as stream:
        await stream.next("snapshot")
        for grant in await tokens.list_tokens(world.vault):
            await tokens.revoke_token(world.vault, grant.token_id, revocations=UNTOLD)

        async def ended() -> bool:
            world.feed.tell(ACCOUNT, {"type": "twin", "device_id": lamp.id, "state": {}})
            return stream.ended.is_set()

        await eventually(ended, within=DEADLINE, every=0.001)


async def test_a_ring_stays_for_a_while_and_then_goes(
    world: World, app: FastAPI, token: str
) -> None:
    app_live = app.state.parts.live
    async with live(app, token) as stream:
        await stream.next("snapshot")
        app_live._linger = 0.0
        app_live.tidy()
        assert ACCOUNT in app_live._accounts, "in use"
    app_live._linger = 30.0
    app_live.tidy()
    assert ACCOUNT in app_live._accounts, "lingers"
    app_live._linger = 0.0
    app_live.tidy()
    assert not app_live._accounts


async def test_a_stop_ends_the_streams(app: FastAPI, token: str) -> None:
    async with live(app, token) as stream:
        await stream.next("snapshot")
        app.state.parts.live.stop()
        async with asyncio.timeout(DEADLINE):
            await stream.ended.wait()


async def test_messages_that_are_not_understood_are_passed_over(
    world: World, app: FastAPI, lamp: DeviceKey, token: str
) -> None:
    strange: list[dict[str, Any]] = [
        {},
        {"type": "unheard-of"},
        {"type": "presence"},
        {"type": "command", "command": {}},
        {"type": "command", "command": {"number": "x"}},
        {"type": "event", "event": {"type": "devices.from_the_future"}},
        {"type": "event"},
    ]
    async with live(app, token) as stream:
        await stream.next("snapshot")
        for message in strange:
            world.feed.tell(ACCOUNT, message)
        world.feed.tell(ACCOUNT, {"type": "presence", "device_id": lamp.id, "online": True})
        assert (await stream.next()).name == "presence"


def test_a_ring_keeps_what_fits_and_knows_what_it_lost() -> None:
    kept = Ring("I", kept=3)
    assert kept.since("I-0") == []
    for number in range(5):
        kept.emit("twin", {"n": number})
    assert kept.since("I-1") is None
    assert [one.sequence for one in kept.since("I-2") or ()] == [3, 4, 5]
    assert kept.since("I-5") == []
    assert kept.since("I-6") is None
    kept.reset()
    assert kept.since("I-5") is None
    assert kept.since("I-6") == []


async def test_a_released_device_is_not_asked_for_and_its_presence_not_told(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey, token: str
) -> None:
    async with live(app, token) as stream:
        await stream.next("snapshot")
        await client.http.delete(f"/v1/devices/{lamp.id}")
        assert (await stream.next("device")).data["status"] == "RELEASED"
        world.feed.tell(ACCOUNT, {"type": "presence", "device_id": lamp.id, "online": True})
        world.feed.tell(ACCOUNT, {"type": "twin", "device_id": lamp.id, "state": {"OnOff": {}}})
        await client.claim(DeviceKey())
        assert (await stream.next()).name == "device"
        world.presence.here.add(lamp.id)
        await app.state.parts.live.check_presence()
        assert stream.nothing_more()
        assert lamp.id not in world.presence.asked[-1]
