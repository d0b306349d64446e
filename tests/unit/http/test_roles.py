"""Every route of devices and homes, for everybody: owner, member, guest, past guest, stranger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from adapters.inbound.http import access as access_module
from adapters.inbound.http import live as live_module
from domain.accounts.membership import MemberRole
from tests.support.waiting import eventually
from tests.unit.http.streams import LiveClient, live
from tests.unit.http.world import (
    ACCOUNT,
    DEADLINE,
    HOME_SCOPES,
    OTHER,
    START,
    Client,
    DeviceKey,
    World,
)

MEMBER, GUEST, PAST, STRANGER = OTHER, *(f"01JDEMQ000000000000000000{n}" for n in (3, 4, 5))
THIRD = "01JDEMQ0000000000000000006"
UNKNOWN = "a" * 26
WHO = {"owner": ACCOUNT, "member": MEMBER, "guest": GUEST, "past guest": PAST, "stranger": STRANGER}


@dataclass(frozen=True)
class Scene:
    """``of_owner``, ``of_guest``: numbers of commands that they gave."""

    world: World
    app: FastAPI
    clients: dict[str, Client]
    tokens: dict[str, str]
    device_id: str
    of_owner: int
    of_guest: int
    invitation_id: str

    @property
    def device(self) -> str:
        return f"/v1/devices/{self.device_id}"


@pytest.fixture
async def scene(world: World, app: FastAPI) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        tokens = {who: await world.token(one, HOME_SCOPES) for who, one in WHO.items()}
        clients = {who: Client(app, token) for who, token in tokens.items()}
        for client in clients.values():
            await stack.enter_async_context(client.http)
        await world.join(MEMBER, MemberRole.MEMBER)
        await world.join(THIRD, MemberRole.MEMBER)
        await world.join(GUEST, MemberRole.GUEST, START + timedelta(days=1))
        await world.join(PAST, MemberRole.GUEST, START + timedelta(seconds=1))
        world.clock.advance(1)
        key = DeviceKey()
        assert (await clients["owner"].claim(key)).status_code == 201
        of_owner, of_guest = [
            (await clients[who].submit(key.id)).json()["number"] for who in ("owner", "guest")
        ]
        invited = await clients["owner"].http.post(
            f"/v1/homes/{ACCOUNT}/invitations", json={"email": "a@b.example", "role": "member"}
        )
        invitation_id = invited.json()["id"]
        yield Scene(world, app, clients, tokens, key.id, of_owner, of_guest, invitation_id)


Act = Callable[[Client, Scene], Awaitable[httpx.Response]]
ROUTES: dict[str, tuple[str, Act, str]] = {
    "list devices": (
        "GET /v1/devices",
        lambda client, _: client.get("/v1/devices", home=ACCOUNT),
        "200 200 200 404 404",
    ),
    "read a device": (
        "GET /v1/devices/{device_id}",
        lambda client, at: client.get(at.device),
        "200 200 200 404 404",
    ),
    "claim into the home": (
        "POST /v1/devices",
        lambda client, _: claim_into(client, ACCOUNT),
        "201 403 403 404 404",
    ),
    "rename": (
        "PATCH /v1/devices/{device_id}",
        lambda client, at: client.http.patch(
            at.device, json={"name": "B"}, headers={"If-Match": "*"}
        ),
        "200 200 403 404 404",
    ),
    "release": (
        "DELETE /v1/devices/{device_id}",
        lambda client, at: client.http.delete(at.device),
        "204 403 403 404 404",
    ),
    "report lost": (
        "POST /v1/devices/{device_id}/lost",
        lambda client, at: client.http.post(f"{at.device}/lost"),
        "200 403 403 404 404",
    ),
    "history": (
        "GET /v1/devices/{device_id}/commands",
        lambda client, at: client.get(f"{at.device}/commands"),
        "200 200 403 404 404",
    ),
    "open commands": (
        "GET /v1/devices/{device_id}/commands",
        lambda client, at: client.get(f"{at.device}/commands", status="open"),
        "200 200 403 404 404",
    ),
    "send": (
        "POST /v1/devices/{device_id}/commands",
        lambda client, at: client.submit(at.device_id),
        "202 202 202 404 404",
    ),
    "read the owner's command": (
        "GET /v1/devices/{device_id}/commands/{number}",
        lambda client, at: client.get(f"{at.device}/commands/{at.of_owner}"),
        "200 200 403 404 404",
    ),
    "read the guest's command": (
        "GET /v1/devices/{device_id}/commands/{number}",
        lambda client, at: client.get(f"{at.device}/commands/{at.of_guest}"),
        "200 200 200 404 404",
    ),
    "read a command that is none": (
        "GET /v1/devices/{device_id}/commands/{number}",
        lambda client, at: client.get(f"{at.device}/commands/99"),
        "404 404 403 404 404",
    ),
    "cancel the owner's command": (
        "POST /v1/devices/{device_id}/commands/{number}/cancel",
        lambda client, at: client.http.post(f"{at.device}/commands/{at.of_owner}/cancel"),
        "200 200 403 404 404",
    ),
    "cancel the guest's command": (
        "POST /v1/devices/{device_id}/commands/{number}/cancel",
        lambda client, at: client.http.post(f"{at.device}/commands/{at.of_guest}/cancel"),
        "200 200 200 404 404",
    ),
    "see members": (
        "GET /v1/homes/{home_id}/members",
        lambda client, _: client.get(f"/v1/homes/{ACCOUNT}/members"),
        "200 200 403 404 404",
    ),
    "see invitations": (
        "GET /v1/homes/{home_id}/invitations",
        lambda client, _: client.get(f"/v1/homes/{ACCOUNT}/invitations"),
        "200 403 403 404 404",
    ),
    "invite": (
        "POST /v1/homes/{home_id}/invitations",
        lambda client, _: client.http.post(
            f"/v1/homes/{ACCOUNT}/invitations", json={"email": "c@d.example", "role": "member"}
        ),
        "201 403 403 404 404",
    ),
    "withdraw": (
        "DELETE /v1/homes/{home_id}/invitations/{invitation_id}",
        lambda client, at: client.http.delete(
            f"/v1/homes/{ACCOUNT}/invitations/{at.invitation_id}"
        ),
        "204 403 403 404 404",
    ),
    "change a role": (
        "PATCH /v1/homes/{home_id}/members/{account_id}",
        lambda client, _: client.http.patch(
            f"/v1/homes/{ACCOUNT}/members/{THIRD}",
            json={"role": "guest", "ends_at": (START + timedelta(days=3)).isoformat()},
        ),
        "200 403 403 404 404",
    ),
    "remove": (
        "DELETE /v1/homes/{home_id}/members/{account_id}",
        lambda client, _: client.http.delete(f"/v1/homes/{ACCOUNT}/members/{THIRD}"),
        "204 403 403 404 404",
    ),
    "leave": (
        "DELETE /v1/homes/{home_id}/members/{account_id}",
        lambda client, at: client.http.delete(
            f"/v1/homes/{ACCOUNT}/members/{WHO[name_of(client, at)]}"
        ),
        "404 204 204 204 404",
    ),
}
OF_ONESELF = {"GET /v1/homes", "POST /v1/homes/accept"}
WATCHED = "GET /v1/live"
CASES = [
    (name, who, int(status))
    for name, (_, _, statuses) in ROUTES.items()
    for who, status in zip(WHO, statuses.split(), strict=True)
]


def name_of(client: Client, at: Scene) -> str:
    return next(who for who, one in at.clients.items() if one is client)


async def claim_into(client: Client, home_id: str) -> httpx.Response:
    body = {"name": "Lamp", "kind": "dimmable_light", "proof": DeviceKey().proof()}
    return await client.http.post("/v1/devices", json=body, params={"home": home_id})


def code_of(response: httpx.Response) -> str | None:
    if response.status_code < 400:
        return None
    code: str = response.json()["code"]
    return code


@pytest.mark.parametrize(("name", "who", "status"), CASES, ids=lambda one: str(one))
async def test_everybody_may_what_their_role_says(
    scene: Scene, name: str, who: str, status: int
) -> None:
    _, act, _ = ROUTES[name]
    response = await act(scene.clients[who], scene)
    assert response.status_code == status, response.text
    if status == 403:
        assert (code_of(response), response.json()["role"]) == ("role_forbids", who)
    if status == 404 and who in ("past guest", "stranger"):
        assert code_of(response) in (
            "device_not_found",
            "command_not_found",
            "home_not_found",
            "member_not_found",
        )


async def test_every_route_of_devices_and_homes_is_in_the_table(app: FastAPI) -> None:
    prefixes = ("/v1/devices", "/v1/homes", "/v1/live")
    walked = {
        f"{method} {route.path}"
        for route in app.routes
        if isinstance(route, APIRoute) and route.path.startswith(prefixes)
        for method in route.methods or ()
    }
    assert walked == {route for route, _, _ in ROUTES.values()} | OF_ONESELF | {WATCHED}


@pytest.mark.parametrize("name", [name for name, (route, _, _) in ROUTES.items() if "{" in route])
async def test_a_stranger_learns_no_more_than_that_nothing_is_there(
    scene: Scene, name: str
) -> None:
    _, act, _ = ROUTES[name]
    known = await act(scene.clients["stranger"], scene)
    # Nobody has the device, nor is anybody in a home of this id.
    elsewhere = replace(scene, device_id=UNKNOWN)
    unknown = await act(scene.clients["stranger"], elsewhere)
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())


async def test_a_member_sees_the_homes_devices_and_its_own_apart(scene: Scene) -> None:
    member = scene.clients["member"]
    own = DeviceKey()
    await member.claim(own)

    async def ids(**params: str) -> list[str]:
        return [one["id"] for one in (await member.get("/v1/devices", **params)).json()["items"]]

    assert await ids() == [own.id]
    assert await ids(home=MEMBER) == [own.id]
    assert await ids(home=ACCOUNT) == [scene.device_id]
    assert (await member.get("/v1/devices", home="nonsense")).status_code == 422


async def test_what_a_member_does_belongs_to_the_home_and_is_the_members_act(
    scene: Scene,
) -> None:
    [event] = [
        one.event
        for one in await scene.world.store.read(f"lane-{scene.device_id}")
        if one.event.originator_version == scene.of_guest
    ]
    fields = event.model_dump()
    assert fields["account_id"] == ACCOUNT
    assert fields["client_id"].startswith(f"{GUEST}:")
    [recorded] = await scene.world.store.read(
        f"lane-{scene.device_id}", after=scene.of_guest - 1, up_to=scene.of_guest
    )
    assert recorded.context.principal.startswith("token:")


async def test_a_guest_knows_its_commands_whichever_of_its_tokens_gave_them(scene: Scene) -> None:
    other = Client(scene.app, await scene.world.token(GUEST))
    path = f"{scene.device}/commands/{scene.of_guest}"
    assert (await other.get(path)).status_code == 200
    assert (await other.http.post(f"{path}/cancel")).json()["status"] == "CANCELED"


async def test_a_guests_submit_with_a_key_is_recognised_and_nobody_elses(scene: Scene) -> None:
    guest, member = scene.clients["guest"], scene.clients["member"]
    first = await guest.submit(scene.device_id, key="k")
    again = await guest.submit(scene.device_id, key="k")
    other = await member.submit(scene.device_id, key="k")
    assert first.json()["number"] == again.json()["number"] != other.json()["number"]
    await scene.world.end_membership(GUEST)
    scene.app.state.parts.homes._held.clear()
    late = await guest.submit(scene.device_id, key="k")
    assert (late.status_code, code_of(late)) == (404, "device_not_found")


async def test_a_guests_command_waits_no_longer_than_the_stay(scene: Scene) -> None:
    """And a repeated key is recognised, though less of the stay is left by then."""
    week = 7 * 24 * 3600
    end = START + timedelta(days=1)
    first = await scene.clients["guest"].submit(scene.device_id, ttl=week, key="k")
    assert datetime.fromisoformat(first.json()["expires_at"]) == end
    scene.world.clock.advance(60)
    again = await scene.clients["guest"].submit(scene.device_id, ttl=week, key="k")
    assert (again.status_code, again.json()["number"]) == (202, first.json()["number"])
    for who in ("member", "owner"):
        answer = await scene.clients[who].submit(scene.device_id, ttl=week)
        assert datetime.fromisoformat(answer.json()["expires_at"]) > end + timedelta(days=5), who
    short = await scene.clients["guest"].submit(scene.device_id, ttl=5)
    due = scene.world.clock.now() + timedelta(seconds=5)
    assert datetime.fromisoformat(short.json()["expires_at"]) == due


async def test_a_guests_collapse_key_supersedes_the_guests_commands_alone(scene: Scene) -> None:
    async def submitted(who: str) -> int:
        answer = await scene.clients[who].submit(scene.device_id, collapse_key="level")
        assert answer.status_code == 202, answer.text
        return int(answer.json()["number"])

    async def status(number: int) -> str:
        answer = await scene.clients["owner"].get(f"{scene.device}/commands/{number}")
        return str(answer.json()["status"])

    of_owner, first, second = [await submitted(who) for who in ("owner", "guest", "guest")]
    assert [await status(one) for one in (of_owner, first)] == ["ACCEPTED", "SUPERSEDED"]
    of_member = await submitted("member")
    assert [await status(one) for one in (of_owner, second)] == ["SUPERSEDED", "SUPERSEDED"]
    await submitted("owner")
    assert await status(of_member) == "SUPERSEDED"


async def test_a_guest_waits_for_its_own_outcome(scene: Scene) -> None:
    response = await scene.clients["guest"].submit(scene.device_id, wait=0)
    token = response.headers["consistency-token"]
    number = response.json()["number"]
    await scene.world.carry_out(scene.device_id, number)
    read = await scene.clients["guest"].read(f"{scene.device}/commands/{number}", token)
    assert read.json()["status"] == "SUCCEEDED"


async def test_a_consistency_token_tells_a_guest_nothing_about_others_commands(
    scene: Scene,
) -> None:
    """Waiting for the read model would tell how far a command has come."""
    response = await scene.clients["owner"].submit(scene.device_id)
    token, number = response.headers["consistency-token"], response.json()["number"]
    guest = scene.clients["guest"]
    scene.world.commands.gated.held.clear()
    read = await guest.read(f"{scene.device}/commands/{number}", token, wait=0)
    assert code_of(read) == "role_forbids"
    assert (
        await scene.clients["member"].read(f"{scene.device}/commands/{number}", token, wait=0)
    ).status_code == 503


async def test_in_ones_own_home_no_membership_is_looked_up(scene: Scene) -> None:
    owner, before = scene.clients["owner"], scene.world.memberships.looked
    for path in ("", "/commands", f"/commands/{scene.of_owner}"):
        assert (await owner.get(scene.device + path)).status_code == 200
    await owner.submit(scene.device_id)
    await owner.get("/v1/devices")
    await owner.get("/v1/devices", home=ACCOUNT)
    assert scene.world.memberships.looked == before


async def test_a_membership_is_trusted_for_five_seconds_and_looked_up_once_for_that(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert access_module.TRUSTED_FOR <= 5
    member = scene.clients["member"]
    assert (await member.get(scene.device)).status_code == 200
    before = scene.world.memberships.looked
    await scene.world.end_membership(MEMBER)
    assert (await member.get(scene.device)).status_code == 200
    assert scene.world.memberships.looked == before
    held = scene.app.state.parts.homes._held
    for key, (row, until) in held.items():
        held[key] = (row, until - access_module.TRUSTED_FOR)
    assert (await member.get(scene.device)).status_code == 404
    assert (MEMBER, ACCOUNT) not in held


async def test_a_stay_that_ends_is_over_at_once_though_it_was_just_looked_up(
    scene: Scene,
) -> None:
    guest = scene.clients["guest"]
    assert (await guest.get(scene.device)).status_code == 200
    scene.world.clock.advance(timedelta(days=1).total_seconds())
    assert (await guest.get(scene.device)).status_code == 404


async def test_a_new_member_waits_for_nothing_but_the_read_model(scene: Scene) -> None:
    stranger = scene.clients["stranger"]
    assert (await stranger.get(scene.device)).status_code == 404
    await scene.world.join(STRANGER, MemberRole.MEMBER)
    assert (await stranger.get(scene.device)).status_code == 200


async def test_the_memory_of_memberships_is_bounded(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "REMEMBERED", 1)
    for who in ("member", "guest"):
        await scene.clients[who].get(scene.device)
    assert list(scene.app.state.parts.homes._held) == [(GUEST, ACCOUNT)]


async def test_a_released_device_is_gone_for_members_and_the_next_owners_from_then_on(
    scene: Scene,
) -> None:
    await scene.clients["owner"].http.delete(scene.device)
    for who in ("member", "guest"):
        assert (await scene.clients[who].get(scene.device)).status_code == 404
        assert (await scene.clients[who].submit(scene.device_id)).status_code == 404
        path = f"{scene.device}/commands/{scene.of_guest}"
        assert (await scene.clients[who].get(path)).status_code == 404


# --- live -----------------------------------------------------------------------------------------


async def begun(stream: LiveClient) -> Any:
    return (await stream.next("snapshot")).data


@pytest.mark.parametrize("who", ["past guest", "stranger"])
async def test_who_is_not_in_the_home_cannot_watch_it(scene: Scene, who: str) -> None:
    async with live(scene.app, scene.tokens[who], home=ACCOUNT) as stream:
        await stream.ended.wait()
    assert stream.status == 404


async def test_a_member_watches_all_commands_and_a_guest_its_own(scene: Scene) -> None:
    async with AsyncExitStack() as stack:
        streams = {
            who: await stack.enter_async_context(live(scene.app, scene.tokens[who], home=ACCOUNT))
            for who in ("owner", "member", "guest")
        }
        first = {who: await begun(stream) for who, stream in streams.items()}
        for who, snapshot in first.items():
            assert [one["id"] for one in snapshot["devices"]] == [scene.device_id]
            numbers = {one["number"] for one in snapshot["commands"]}
            own = {scene.of_guest}
            assert numbers == (own if who == "guest" else own | {scene.of_owner})
        theirs = (await scene.clients["owner"].submit(scene.device_id)).json()["number"]
        progress = {"type": "progress", "device_id": scene.device_id, "number": theirs}
        scene.world.feed.tell(ACCOUNT, progress)
        await scene.world.send(scene.device_id, theirs)
        await scene.world.send(scene.device_id, scene.of_owner)  # begun before the stream was
        row = scene.world.commands.rows[(scene.device_id, theirs)].model_dump(mode="json")
        scene.world.feed.tell(ACCOUNT, {"type": "command", "command": row})
        own = (await scene.clients["guest"].submit(scene.device_id)).json()["number"]
        scene.world.feed.tell(ACCOUNT, {**progress, "number": own})
        told = await streams["guest"].next()
        assert (told.name, told.data["number"]) == ("command", own)
        told = await streams["guest"].next()
        assert (told.name, told.data["number"]) == ("progress", own)
        for who in ("owner", "member"):
            told_to = [(await streams[who].next("command")).data["number"] for _ in range(4)]
            assert told_to == [theirs, theirs, scene.of_owner, own]


async def test_a_guests_place_in_its_stream_is_of_no_use_in_another(scene: Scene) -> None:
    """The ids of a stream that tells all commands do not open one that tells the guest's."""
    async with live(scene.app, scene.tokens["member"], home=ACCOUNT) as stream:
        await begun(stream)
        await scene.clients["owner"].submit(scene.device_id)
        last = (await stream.next("command")).id
        async with live(scene.app, scene.tokens["guest"], last, home=ACCOUNT) as guest:
            assert (await guest.next()).name == "reset"
            assert {one["number"] for one in (await begun(guest))["commands"]} == {scene.of_guest}


@pytest.mark.parametrize("what", ["removed", "expired", "changed"])
async def test_a_stream_ends_with_the_membership_that_it_was_opened_by(
    scene: Scene, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert live_module.KEEP_ALIVE <= 15
    monkeypatch.setattr(live_module, "KEEP_ALIVE", 0.01)
    async with live(scene.app, scene.tokens["guest"], home=ACCOUNT) as stream:
        await begun(stream)

        async def went_on() -> bool:
            return stream.comments >= 2

        await eventually(went_on, within=DEADLINE)
        if what == "removed":
            await scene.world.end_membership(GUEST)
        elif what == "expired":
            scene.world.clock.advance(timedelta(days=1).total_seconds())
        else:
            await scene.world.join(GUEST, MemberRole.MEMBER)

        async def over() -> bool:
            return stream.ended.is_set()

        await eventually(over, within=DEADLINE)


async def test_streams_are_counted_by_who_opened_them(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest with many of them keeps nobody else out."""
    monkeypatch.setattr(live_module, "STREAMS_PER_ACCOUNT", 1)
    async with live(scene.app, scene.tokens["member"], home=ACCOUNT) as first:
        await begun(first)
        async with live(scene.app, scene.tokens["member"]) as second:
            await second.ended.wait()
        assert second.status == 429
        async with live(scene.app, scene.tokens["owner"]) as owner:
            await begun(owner)
    async with live(scene.app, scene.tokens["member"]) as again:
        await begun(again)
    assert not scene.app.state.parts.live._open
