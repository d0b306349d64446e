"""Homes: invite, accept, change a role, remove, leave; from page to page."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from adapters.inbound.http.accounts.sections import MembershipsSection
from tests.unit.http.accounts.world import EMAIL, Browser, Server

BOB = "bob@example.org"


@pytest.fixture
async def bob(server: Server, other: Browser) -> Browser:
    await other.sign_up(server, BOB)
    return other


async def invite(ann: Browser, *, role: str) -> None:
    await ann.get("/account/homes")
    await ann.send("/account/homes/invite", email=BOB, role=role)


async def test_a_member_is_invited_joins_is_shown_and_leaves(
    server: Server, ann: Browser, bob: Browser
) -> None:
    await invite(ann, role="member")
    assert "The invitation is on its way by mail." in ann.words
    assert "Invited as member" in ann.words
    await bob.get(await server.link("invitation", BOB))
    assert bob.heading == f"Join the home of {EMAIL}?"
    await bob.send("/account/homes/join")
    assert "You belong to that home now." in bob.words
    assert EMAIL in bob.words
    await ann.get("/account/homes")
    assert BOB in ann.words
    assert "Invited as" not in ann.words
    await bob.send("/account/homes/leave")
    assert "You belong to no other home." in bob.words
    await ann.get("/account/homes")
    assert BOB not in ann.words


async def test_a_guest_has_a_last_day_and_may_become_a_member(
    server: Server, ann: Browser, bob: Browser
) -> None:
    await invite(ann, role="guest")
    assert ann.page.status_code == 422
    assert ann.tree.xpath("//input[@id='ends_on'][@aria-invalid='true']")
    assert ann.tree.xpath("//input[@id='email']/@value") == [BOB]
    last = server.clock.now() + timedelta(days=3)
    await ann.send("/account/homes/invite", ends_on=f"{last:%Y-%m-%d}")
    assert "Invited as guest" in ann.words
    await bob.get(await server.link("invitation", BOB))
    await bob.send("/account/homes/join")
    await ann.get("/account/homes")
    assert "Until" in ann.words
    await ann.send("/account/homes/role")
    assert "The role is changed." in ann.words
    assert "Until" not in ann.words
    await ann.send("/account/homes/remove")
    assert "Nobody else belongs to it yet." in ann.words
    await bob.get("/account/homes")
    assert "You belong to no other home." in bob.words


async def test_an_invitation_that_was_withdrawn_holds_no_more(
    server: Server, ann: Browser, bob: Browser
) -> None:
    await invite(ann, role="member")
    link = await server.link("invitation", BOB)
    await bob.get(link)
    await ann.get("/account/homes")
    await ann.send("/account/homes/withdraw")
    assert (await bob.send("/account/homes/join")).status_code == 422
    page = await bob.get(link)
    assert page.status_code == 404
    assert bob.heading == "This invitation does not hold any more"


async def test_ones_own_invitation_is_not_ones_own_to_accept(server: Server, ann: Browser) -> None:
    await invite(ann, role="member")
    await ann.get(await server.link("invitation", BOB))
    assert "You sent this invitation yourself." in ann.words
    assert not ann.tree.xpath("//form[@action='/account/homes/join']")


async def test_an_invitation_leads_a_stranger_through_the_sign_in(
    server: Server, ann: Browser, other: Browser
) -> None:
    await invite(ann, role="member")
    await other.get(await server.link("invitation", BOB))
    assert other.path == "/signin"
    await other.get(str(other.tree.xpath("//a[text()='Create an account']/@href")[0]))
    await other.send("/signup", email=BOB)
    await other.get(await server.link("sign_up", BOB))
    await other.send("/signup/confirm", password="a green door in winter")
    assert other.heading == f"Join the home of {EMAIL}?"


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("role", {"member": "x", "role": "guest"}),
        ("role", {"member": "01JDEMQ0000000000000000009", "role": "king"}),
        ("remove", {"member": "../x"}),
        ("leave", {"home": "x"}),
    ],
)
async def test_a_form_that_names_what_cannot_be_is_refused(
    ann: Browser, server: Server, form: str, fields: dict[str, str]
) -> None:
    action = f"/account/homes/{form}"
    csrf = ann.pages_token(server, action)
    answer = await ann.post(action, urlencode({"csrf": csrf, **fields}))
    assert answer.status_code == 422


async def test_nobody_removes_members_of_other_homes(
    server: Server, ann: Browser, bob: Browser
) -> None:
    await invite(ann, role="member")
    await bob.get(await server.link("invitation", BOB))
    await bob.send("/account/homes/join")
    await ann.get("/account/homes")
    member = ann.fields_of("/account/homes/remove")["member"]
    csrf = bob.pages_token(server, "/account/homes/remove")
    await bob.post("/account/homes/remove", urlencode({"csrf": csrf, "member": member}))
    await ann.get("/account/homes")
    assert BOB in ann.words


async def test_a_download_of_ones_data_tells_of_the_homes_one_belongs_to(
    server: Server, ann: Browser, bob: Browser
) -> None:
    server.pages.sections = (MembershipsSection(server.api.memberships, server.clock),)
    await invite(ann, role="member")
    await bob.get(await server.link("invitation", BOB))
    await bob.send("/account/homes/join")

    async def memberships(browser: Browser) -> list[dict[str, str | None]]:
        await browser.get("/account/data")
        answer = await browser.send("/account/data/download", follow=False)
        found: list[dict[str, str | None]] = answer.json()["memberships"]
        return found

    (one,) = await memberships(bob)
    assert one == {
        "home_id": one["home_id"],
        "role": "member",
        "since": server.clock.now().isoformat(),
        "ends_at": None,
    }
    assert await memberships(ann) == [], "one's own home is no membership"
    await bob.get("/account/homes")
    await bob.send("/account/homes/leave")
    assert await memberships(bob) == []
