"""OAuth clients: every cell of their table, and configurations that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain.accounts import client
from domain.accounts.client import (
    CLIENT,
    AuthMethod,
    Client,
    ClientChanged,
    ClientConfig,
    ClientHasNoSecret,
    ClientNotFound,
    ClientRegistered,
    ClientRetired,
    ClientSecretIssued,
    ClientStatus,
    GrantType,
    Profile,
    RotationKind,
)
from domain.kernel.errors import InvalidInput
from domain.kernel.event import Event
from tests.support.given import given, happened
from tests.support.streams import at

WEB: dict[str, Any] = {
    "name": "Shop",
    "profile": Profile.WEB,
    "redirect_uris": ("https://shop.example/cb",),
    "grant_types": (GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN),
    "auth_methods": (AuthMethod.BASIC,),
    "scopes": ("devices:read",),
}
PUBLIC = {**WEB, "auth_methods": (AuthMethod.NONE,)}
Step = Callable[[Client], list[Event]]


def configured(**changes: Any) -> Step:
    config = ClientConfig(**(WEB | changes))
    return lambda state: client.configure(
        state, client_id="shop", config=config, by="cli:root", at=at(0)
    )


def secret(secret_id: str) -> Step:
    return lambda state: client.issue_secret(
        state, client_id="shop", secret_id=secret_id, by="cli:root", at=at(1)
    )


def retired(state: Client) -> list[Event]:
    return client.retire(state, client_id="shop", by="cli:root", at=at(2))


def test_a_client_is_registered_changed_and_retired() -> None:
    given(CLIENT).when(configured()).then(ClientRegistered)
    state = given(CLIENT, configured()).when(configured(name="Shop 2")).then(ClientChanged)
    assert state.config is not None
    assert state.config.name == "Shop 2"
    given(CLIENT, configured()).when(configured()).then()
    given(CLIENT, configured()).when(retired).then(ClientRetired)
    given(CLIENT).when(retired).then()
    given(CLIENT, configured(), retired).when(retired).then()


def test_a_retired_client_comes_back_without_its_secrets() -> None:
    steps = (configured(), secret("a"), retired)
    state = given(CLIENT, *steps).when(configured()).then(ClientRegistered)
    assert (state.status, state.secret_ids) == (ClientStatus.ACTIVE, ())


def test_two_secrets_do_and_a_third_replaces_the_oldest() -> None:
    given(CLIENT, configured()).when(secret("a")).then(happened(ClientSecretIssued, replaced=()))
    given(CLIENT, configured(), secret("a")).when(secret("b")).then(
        happened(ClientSecretIssued, replaced=())
    )
    state = (
        given(CLIENT, configured(), secret("a"), secret("b"))
        .when(secret("c"))
        .then(happened(ClientSecretIssued, replaced=("a",)))
    )
    assert state.secret_ids == ("b", "c")


def test_secrets_are_for_clients_that_can_keep_one() -> None:
    given(CLIENT).when(secret("a")).then_raises(ClientNotFound)
    given(CLIENT, configured(), retired).when(secret("a")).then_raises(ClientNotFound)
    given(CLIENT, configured(**PUBLIC)).when(secret("a")).then_raises(ClientHasNoSecret)


def test_a_client_with_a_secret_never_becomes_one_without() -> None:
    given(CLIENT, configured()).when(configured(**PUBLIC)).then_raises(InvalidInput)


@pytest.mark.parametrize(
    "wrong",
    [
        {"auth_methods": (AuthMethod.NONE, AuthMethod.BASIC)},
        {"auth_methods": ()},
        {**PUBLIC, "pkce_required": False},
        {**PUBLIC, "introspect": True},
        {**PUBLIC, "grant_types": (GrantType.CLIENT_CREDENTIALS,)},
        {"redirect_uris": ()},
        {"redirect_uris": ("https://shop.example/c b",)},
        {"redirect_uris": ("https://shop.example/\n",)},
        {"redirect_uris": tuple(f"https://shop.example/{one}" for one in range(11))},
        {"scopes": ()},
        {"scopes": ("has space",)},
        {"grant_types": ("password",)},
        {"grant_types": ("implicit",)},
        {"name": ""},
        {"name": "a\nb"},
        {"grace_seconds": 301},
        {"access_seconds": 3601},
        {"unknown": 1},
    ],
    ids=str,
)
def test_what_would_be_unsafe_cannot_be_configured(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClientConfig(**(WEB | wrong))


def test_how_long_an_old_refresh_token_does() -> None:
    strict = ClientConfig(**WEB, grace_seconds=300)
    grace = ClientConfig(**WEB, rotation=RotationKind.GRACE, grace_seconds=300)
    stable = ClientConfig(**WEB, rotation=RotationKind.STABLE)
    assert strict.grace == timedelta(0)
    assert grace.grace == timedelta(minutes=5)
    assert stable.grace is None


def test_a_grant_ends_when_idle_or_old() -> None:
    config = ClientConfig(**WEB, idle_days=30, absolute_days=40)
    assert config.ends_at(at(0), at(0)) == at(0) + timedelta(days=30)
    assert config.ends_at(at(0), at(0) + timedelta(days=20)) == at(0) + timedelta(days=40)
    without = ClientConfig(**WEB, idle_days=30)
    assert without.ends_at(at(0), at(0) + timedelta(days=20)) == at(0) + timedelta(days=50)
