"""Homes over HTTP: from an invitation's mail to a member, and out again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from adapters.inbound.http import homes as routes
from adapters.inbound.http.homes import HomeView, InvitationView, MemberView
from adapters.outbound.mail.templates import render
from commands.accounts.attempts import Limit
from commands.accounts.mail import TO_ADDRESS, MailItem
from domain.accounts.home import PLACES
from domain.accounts.invitation import LIFETIME
from tests.unit.http.world import ACCOUNT, HOME_SCOPES, OTHER, Client, World

INVITATIONS = f"/v1/homes/{ACCOUNT}/invitations"
MEMBERS = f"/v1/homes/{ACCOUNT}/members"
ADDRESS = "friend@example.org"
END = "2026-12-23T12:00:00Z"


@pytest.fixture
async def owner(world: World, app: FastAPI) -> AsyncIterator[Client]:
    client = Client(app, await world.token(ACCOUNT, HOME_SCOPES))
    async with client.http:
        yield client


@pytest.fixture
async def friend(world: World, app: FastAPI) -> AsyncIterator[Client]:
    client = Client(app, await world.token(OTHER, HOME_SCOPES))
    async with client.http:
        yield client


async def invite(owner: Client, **body: Any) -> httpx.Response:
    content = {"email": ADDRESS, "role": "member", **body}
    return await owner.http.post(INVITATIONS, json=content)


async def mails(world: World) -> list[MailItem]:
    """Oldest first."""
    found = await world.vault.list("mail#")
    return [MailItem.model_validate(value) for _, value in found]


async def mailed(world: World) -> str:
    """The token in the last mail's link."""
    link = urlsplit((await mails(world))[-1].parameters["link"])
    assert f"{link.scheme}://{link.netloc}" == world.settings.issuer
    assert link.path == "/account/homes"
    [token] = parse_qs(link.query)["invitation"]
    return token


async def accept(client: Client, token: str) -> httpx.Response:
    return await client.http.post("/v1/homes/accept", json={"token": token})


def code_of(response: httpx.Response) -> Any:
    return response.json()["code"]


async def items(client: Client, path: str) -> Any:
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()["items"]


async def test_a_mail_makes_a_member_whom_lists_show(
    world: World, owner: Client, friend: Client
) -> None:
    invited = await invite(owner, role="guest", ends_at=END)
    assert invited.status_code == 201
    InvitationView.model_validate(invited.json())
    assert await items(owner, INVITATIONS) == [invited.json()]
    [mail] = await mails(world)
    assert (mail.kind, mail.to) == ("invitation", ADDRESS)
    text = render("m", mail.to, mail.kind, mail.parameters).text
    assert "as guest until 23 December 2026, 12:00 UTC" in text
    assert "Somebody invites you" in text, "this account has no address"
    token = await mailed(world)
    assert token not in invited.text, "the mail alone lets in"
    accepted = await accept(friend, token)
    assert accepted.status_code == 200
    HomeView.model_validate(accepted.json())
    assert accepted.json()["home_id"] == ACCOUNT
    assert await items(owner, INVITATIONS) == []
    members = await items(owner, MEMBERS)
    for one in members:
        MemberView.model_validate(one)
    assert [(one["account_id"], one["role"], one["ends_at"]) for one in members] == [
        (ACCOUNT, "owner", None),
        (OTHER, "guest", END),
    ]
    homes = await items(friend, "/v1/homes")
    assert [(one["home_id"], one["role"]) for one in homes] == [
        (OTHER, "owner"),
        (ACCOUNT, "guest"),
    ]
    again = await accept(friend, token)
    assert (again.status_code, again.json()) == (200, accepted.json())


async def test_lists_say_what_they_were_read_from(owner: Client) -> None:
    for path in ("/v1/homes", MEMBERS):
        assert (await owner.get(path)).headers["read-model"].startswith("memberships;")


async def test_a_guest_whose_stay_is_over_is_in_no_list(
    world: World, owner: Client, friend: Client
) -> None:
    await invite(owner, role="guest", ends_at=END)
    await accept(friend, await mailed(world))
    world.clock.advance(timedelta(days=40).total_seconds())
    assert [one["role"] for one in await items(friend, "/v1/homes")] == ["owner"]
    assert [one["role"] for one in await items(owner, MEMBERS)] == ["owner"]


async def test_the_owner_cannot_accept_nor_leave_nor_change_its_own_role(
    world: World, owner: Client
) -> None:
    await invite(owner)
    refused = await accept(owner, await mailed(world))
    assert (refused.status_code, code_of(refused)) == (404, "invitation_not_found")
    for response in (
        await owner.http.delete(f"{MEMBERS}/{ACCOUNT}"),
        await owner.http.patch(f"{MEMBERS}/{ACCOUNT}", json={"role": "member"}),
    ):
        assert (response.status_code, code_of(response)) == (404, "member_not_found")


async def test_an_invitation_lets_in_one_account(
    world: World, app: FastAPI, owner: Client, friend: Client
) -> None:
    await invite(owner)
    token = await mailed(world)
    await accept(friend, token)
    third = Client(app, await world.token("01JDEMQ0000000000000000003", HOME_SCOPES))
    refused = await accept(third, token)
    assert (refused.status_code, code_of(refused)) == (409, "invitation_already_accepted")


@pytest.mark.parametrize("how", ["withdrawn", "expired", "made up"])
async def test_what_is_not_open_is_not_there(
    world: World, owner: Client, friend: Client, how: str
) -> None:
    invited = (await invite(owner)).json()
    token = await mailed(world)
    if how == "withdrawn":
        path = f"{INVITATIONS}/{invited['id']}"
        assert (await owner.http.delete(path)).status_code == 204
        assert (await owner.http.delete(path)).status_code == 204
    elif how == "expired":
        world.clock.advance(LIFETIME.total_seconds())
    else:
        token = token[:-1] + ("a" if token[-1] != "a" else "b")
    refused = await accept(friend, token)
    assert (refused.status_code, code_of(refused)) == (404, "invitation_not_found")


async def test_a_member_leaves_and_a_member_is_removed(
    world: World, owner: Client, friend: Client
) -> None:
    for client in (friend, owner):
        await invite(owner)
        await accept(friend, await mailed(world))
        for _ in range(2):
            assert (await client.http.delete(f"{MEMBERS}/{OTHER}")).status_code == 204
        assert len(await items(owner, MEMBERS)) == 1
    events = [one.event for one in await world.store.read(f"membership-{ACCOUNT}.{OTHER}")]
    reasons = [one.model_dump().get("reason") for one in events]
    assert reasons == [None, "left", None, "removed"]


async def test_a_role_is_changed(world: World, owner: Client, friend: Client) -> None:
    await invite(owner)
    await accept(friend, await mailed(world))
    changed = await owner.http.patch(f"{MEMBERS}/{OTHER}", json={"role": "guest", "ends_at": END})
    assert changed.status_code == 200
    MemberView.model_validate(changed.json())
    assert (changed.json()["role"], changed.json()["ends_at"]) == ("guest", END)


@pytest.mark.parametrize(
    "body",
    [
        {"role": "owner"},
        {"role": "guest"},
        {"role": "guest", "ends_at": "2026-01-01T00:00:00Z"},
        {"role": "guest", "ends_at": "2028-12-01T00:00:00Z"},
        {"role": "guest", "ends_at": "2026-12-23T12:00:00"},
        {"role": "member", "ends_at": END},
        {"email": "nobody"},
        {"email": "a b@c.example"},
        {"email": "a@" + "b" * 260},
        {"more": 1},
    ],
    ids=str,
)
async def test_an_invitation_that_does_not_fit_is_refused_and_sends_no_mail(
    world: World, owner: Client, body: dict[str, Any]
) -> None:
    refused = await invite(owner, **body)
    assert (refused.status_code, code_of(refused)) == (422, "invalid_input")
    assert await mails(world) == []
    assert await items(owner, INVITATIONS) == []


async def test_a_home_has_room_for_so_many(owner: Client) -> None:
    for _ in range(PLACES):
        assert (await invite(owner)).status_code == 201
    refused = await invite(owner)
    assert (refused.status_code, code_of(refused)) == (409, "home_full")
    assert refused.json()["limit"] == PLACES


async def test_withdrawing_is_no_way_to_send_mails_without_end(
    world: World, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "INVITATIONS", Limit("invitations", 3, 86_400))
    for _ in range(3):
        invited = (await invite(owner)).json()
        await owner.http.delete(f"{INVITATIONS}/{invited['id']}")
    refused = await invite(owner)
    assert (refused.status_code, code_of(refused)) == (429, "rate_limited")
    world.clock.advance(86_400)
    assert (await invite(owner)).status_code == 201


async def test_without_redis_invitations_are_counted_here(
    world: World, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "INVITATIONS", Limit("invitations", 3, 86_400))
    world.counters.away = True
    assert [(await invite(owner)).status_code for _ in range(4)] == [201, 201, 201, 429]


async def test_an_address_gets_so_many_invitations_whoever_sends_them(
    world: World, owner: Client
) -> None:
    for _ in range(TO_ADDRESS.most + 2):
        assert (await invite(owner)).status_code == 201
    mails = [key for key, _ in await world.vault.list("mail#")]
    assert len(mails) == TO_ADDRESS.most


async def test_without_redis_invitations_go_on(world: World, owner: Client) -> None:
    world.counters.away = True
    assert (await invite(owner)).status_code == 201


async def test_homes_are_read_and_changed_by_scopes_of_their_own(
    world: World, app: FastAPI
) -> None:
    plain = Client(app, await world.token())
    refused = await plain.get("/v1/homes")
    assert (refused.status_code, code_of(refused)) == (403, "insufficient_scope")
    reader = Client(app, await world.token(scopes=["homes:read"]))
    assert (await reader.get("/v1/homes")).status_code == 200
    refused = await invite(reader)
    assert (refused.status_code, code_of(refused)) == (403, "insufficient_scope")


async def test_the_answer_says_what_lists_may_show_later(
    world: World, owner: Client, friend: Client
) -> None:
    """Decided on the streams: the read model has not heard of any of it."""
    await invite(owner)
    world.projecting = False
    assert (await accept(friend, await mailed(world))).json()["role"] == "member"
    assert (await friend.get(MEMBERS)).status_code == 200, "it is a member by the stream"
    assert len(await items(friend, "/v1/homes")) == 1
    await world.catch_up()
    assert len(await items(friend, "/v1/homes")) == 2
