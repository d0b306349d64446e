"""Grants: how many there may be, how they end, and what is remembered of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from domain.accounts import grants
from domain.accounts.grants import (
    CONSENTS_KEPT,
    GRANTS,
    LIVE_AT_ONCE,
    PER_CLIENT,
    STILL_KNOWN,
    Because,
    GrantGiven,
    Grants,
    GrantsRevoked,
    RefreshTokenReused,
)
from domain.kernel.event import Event
from tests.support.given import given, happened
from tests.support.streams import at

ACCOUNT = "01KA0000000000000000000009"
Step = Callable[[Grants], list[Event]]


def gave(
    grant_id: str,
    client_id: str = "alexa",
    scopes: tuple[str, ...] = ("devices:read",),
    *,
    refreshable: bool = True,
    second: float = 0,
) -> Step:
    return lambda state: grants.give(
        state,
        account_id=ACCOUNT,
        grant_id=grant_id,
        client_id=client_id,
        scopes=scopes,
        session_id="S",
        refreshable=refreshable,
        ends_at=at(second) + timedelta(hours=1),
        at=at(second),
    )


def took(client_id: str, reason: Because = Because.USER) -> Step:
    return lambda state: grants.revoke(
        state,
        account_id=ACCOUNT,
        which=lambda one: one.client_id == client_id,
        reason=reason,
        at=at(5),
    )


def reused(grant_id: str) -> Step:
    return lambda state: grants.find_reuse(state, account_id=ACCOUNT, grant_id=grant_id, at=at(6))


def ids(state: Grants) -> list[str]:
    return [one.grant_id for one in state.live]


def test_a_grant_is_given_and_taken_back() -> None:
    state = (
        given(GRANTS)
        .when(gave("a", scopes=("z", "b")))
        .then(happened(GrantGiven, scopes=("b", "z")))
    )
    assert ids(state) == ["a"]
    state = (
        given(GRANTS, gave("a"), gave("b", "web"))
        .when(took("alexa"))
        .then(happened(GrantsRevoked, grant_ids=("a",)))
    )
    assert ids(state) == ["b"]
    given(GRANTS, gave("a")).when(took("web")).then()


def test_an_eleventh_grant_of_a_client_replaces_its_oldest() -> None:
    steps = [gave("other", "web"), *(gave(f"g{one}") for one in range(PER_CLIENT))]
    state = (
        given(GRANTS, *steps)
        .when(gave("new"))
        .then(happened(GrantsRevoked, grant_ids=("g0",), reason=Because.REPLACED), GrantGiven)
    )
    assert ids(state)[:2] == ["other", "g1"]


def test_an_account_has_a_hundred_grants_at_the_most() -> None:
    steps = [gave(f"g{one}", f"c{one}") for one in range(LIVE_AT_ONCE)]
    state = (
        given(GRANTS, *steps)
        .when(gave("new"))
        .then(happened(GrantsRevoked, grant_ids=("g0",), reason=Because.REPLACED), GrantGiven)
    )
    assert len(state.live) == LIVE_AT_ONCE


def test_what_ran_out_makes_place_first() -> None:
    steps = [gave("old", refreshable=False), *(gave(f"g{one}") for one in range(PER_CLIENT - 1))]
    given(GRANTS, *steps).when(gave("new", second=3599)).then(
        happened(GrantsRevoked, grant_ids=("old",), reason=Because.REPLACED), GrantGiven
    )
    given(GRANTS, *steps).when(gave("new", second=3600)).then(
        happened(GrantsRevoked, grant_ids=("old",), reason=Because.EXPIRED), GrantGiven
    )


def test_reuse_is_told_and_ends_the_grant() -> None:
    given(GRANTS, gave("a")).when(reused("a")).then(
        happened(RefreshTokenReused, grant_id="a"),
        happened(GrantsRevoked, grant_ids=("a",), reason=Because.REFRESH_REUSE),
    )
    given(GRANTS, gave("a"), took("alexa")).when(reused("a")).then()


def test_what_was_allowed_adds_up_and_is_no_more_than_that() -> None:
    state = given(GRANTS, gave("a", scopes=("a", "b")), gave("b", scopes=("c",))).state
    assert state.allowed("alexa", ("a", "c"))
    assert state.allowed("alexa", ())
    assert not state.allowed("alexa", ("a", "d"))
    assert not state.allowed("web", ())


@pytest.mark.parametrize("reason", Because)
def test_after_some_ends_a_client_is_known_still(reason: Because) -> None:
    state = (
        given(GRANTS, gave("a"), gave("b", "web")).when(took("alexa", reason)).then(GrantsRevoked)
    )
    assert state.allowed("alexa", ("devices:read",)) is (reason in STILL_KNOWN)
    assert state.allowed("web", ("devices:read",))


def test_only_so_many_clients_are_remembered() -> None:
    steps = [gave(f"g{one}", f"c{one}") for one in range(CONSENTS_KEPT + 1)]
    state = given(GRANTS, *steps).state
    assert len(state.consents) == CONSENTS_KEPT
    assert not state.allowed("c0", ())
    assert state.allowed(f"c{CONSENTS_KEPT}", ())


def test_what_ran_out_is_cleared_away_in_parts_that_a_commit_holds() -> None:
    steps = [gave(f"g{one}", f"c{one}", refreshable=False) for one in range(LIVE_AT_ONCE)]
    state = Grants(stream=f"grants-{ACCOUNT}")
    for step in (*steps, gave("new", "c-new", second=2 * 3600)):
        events = step(state)
        for event in events:
            state = grants.fold(state, event)
    [cleared] = [one for one in events if isinstance(one, GrantsRevoked)]
    assert len(cleared.grant_ids) == grants.TIDIED
    assert state.of("new") is not None
