"""Refresh and access tokens of one grant: rotation, grace, reuse."""

from __future__ import annotations

from datetime import timedelta

import pytest

from commands.accounts import token_family
from commands.accounts.token_family import (
    ACCESS_AT_ONCE,
    ACCESS_LIFETIME,
    InvalidGrant,
    RefreshTokenReuse,
    Rotation,
    TokenFamily,
    TokenKeys,
    Tokens,
)
from tests.support.events import AT

GRANT = "01JDEMQ0000000000000000001"
KEYS = TokenKeys({"k1": b"1" * 32})
STRICT = Rotation()
GRACE = Rotation(timedelta(minutes=5))
STABLE = Rotation(None)
YEAR = AT + timedelta(days=365)


def begun(keys: TokenKeys = KEYS, *, refreshable: bool = True) -> Tokens:
    family = TokenFamily(
        grant_id=GRANT,
        account_id="01JDEMQ0000000000000000002",
        client_id="alexa",
        scopes=("commands:write", "devices:read"),
        created_at=AT,
        expires_at=YEAR,
    )
    return token_family.begin(
        family, keys, now=AT, refreshable=refreshable, lifetime=ACCESS_LIFETIME
    )


def refreshed(
    family: TokenFamily, token: str | None, rotation: Rotation, *, after: float = 0, **asked: object
) -> Tokens:
    now = AT + timedelta(seconds=after)
    keys = {"client_id": "alexa", "keys": KEYS, **asked}
    return token_family.refresh(family, token=token or "", now=now, rotation=rotation, **keys)  # type: ignore[arg-type]


def test_neither_token_stands_in_the_vault() -> None:
    tokens = begun()
    held = tokens.family.model_dump_json()
    assert tokens.refresh_token is not None
    for token in (tokens.access_token, tokens.refresh_token):
        assert token.rsplit("_", 1)[1] not in held
        assert token not in repr(tokens)


def test_an_access_token_lives_for_its_time() -> None:
    tokens = begun()
    assert tokens.family.live(tokens.access_token, AT) == tokens.access
    assert tokens.family.live(tokens.access_token, AT + ACCESS_LIFETIME) is None
    other = "B" if tokens.access_token.endswith("A") else "A"
    assert tokens.family.live(tokens.access_token[:-1] + other, AT) is None


def test_a_grant_without_refresh_tokens_takes_none() -> None:
    tokens = begun(refreshable=False)
    assert tokens.refresh_token is None
    invented = begun().refresh_token
    with pytest.raises(InvalidGrant):
        refreshed(tokens.family, invented, STRICT)


def test_strict_rotation_takes_each_token_once() -> None:
    first = begun()
    second = refreshed(first.family, first.refresh_token, STRICT)
    assert second.refresh_token != first.refresh_token
    third = refreshed(second.family, second.refresh_token, STRICT, after=1)
    for old in (first.refresh_token, second.refresh_token):
        with pytest.raises(RefreshTokenReuse):
            refreshed(third.family, old, STRICT, after=1)


def test_inside_the_grace_refreshes_at_once_come_to_the_same_successor() -> None:
    first = begun()
    one = refreshed(first.family, first.refresh_token, GRACE)
    other = refreshed(one.family, first.refresh_token, GRACE, after=299)
    assert other.refresh_token == one.refresh_token
    assert other.access_token != one.access_token
    for token in (first.access_token, one.access_token, other.access_token):
        assert other.family.live(token, AT) is not None


def test_the_grace_begins_when_the_successor_is_used_for_the_first_time() -> None:
    """An answer that was lost can be asked for again, however much later the client comes."""
    first = begun()
    lost = refreshed(first.family, first.refresh_token, GRACE)
    again = refreshed(lost.family, first.refresh_token, GRACE, after=3600)
    assert again.refresh_token == lost.refresh_token
    used = refreshed(again.family, again.refresh_token, GRACE, after=3600)
    late = refreshed(used.family, first.refresh_token, GRACE, after=3600 + 299)
    assert late.refresh_token == used.refresh_token
    with pytest.raises(RefreshTokenReuse):
        refreshed(late.family, first.refresh_token, GRACE, after=3600 + 300)


def test_only_the_token_before_and_its_grace_count() -> None:
    tokens = [begun()]
    for hour in range(1, 4):
        last = tokens[-1]
        tokens.append(refreshed(last.family, last.refresh_token, GRACE, after=hour * 3600))
    family = tokens[-1].family
    assert refreshed(family, tokens[2].refresh_token, GRACE, after=9 * 3600)
    for old in tokens[:2]:
        with pytest.raises(RefreshTokenReuse):
            refreshed(family, old.refresh_token, GRACE, after=9 * 3600)


def test_a_stable_refresh_token_serves_again_and_again() -> None:
    tokens = begun()
    for hour in range(3):
        after = refreshed(tokens.family, tokens.refresh_token, STABLE, after=hour * 3600)
        assert after.refresh_token == tokens.refresh_token
        tokens = after
    assert len(tokens.family.access) == 1


def test_a_token_that_was_never_given_revokes_nothing() -> None:
    tokens = begun()
    assert tokens.refresh_token is not None
    head, mac = tokens.refresh_token.rsplit("_", 1)
    later = refreshed(tokens.family, tokens.refresh_token, STRICT)
    invented = [
        f"{head}_{mac[:-2]}AA",
        f"hcr_{GRANT}_3_{mac}",
        f"hcr_{GRANT[:-1]}9_1_{mac}",
        f"hcr_{GRANT}_1_{mac}x",
        "",
    ]
    for token in invented:
        with pytest.raises(InvalidGrant) as refused:
            refreshed(later.family, token, STRICT)
        assert not isinstance(refused.value, RefreshTokenReuse)


def test_another_client_another_scope_or_a_late_hour_get_nothing() -> None:
    tokens = begun()
    with pytest.raises(InvalidGrant, match="another client"):
        refreshed(tokens.family, tokens.refresh_token, STRICT, client_id="google")
    with pytest.raises(InvalidGrant, match="more scopes"):
        refreshed(tokens.family, tokens.refresh_token, STRICT, scopes=["operate"])
    with pytest.raises(InvalidGrant, match="expired"):
        refreshed(tokens.family, tokens.refresh_token, STRICT, after=365 * 86400)


def test_fewer_scopes_narrow_this_access_token_only() -> None:
    first = begun()
    narrow = refreshed(first.family, first.refresh_token, STRICT, scopes=["devices:read"])
    assert narrow.access.scopes == ("devices:read",)
    wide = refreshed(narrow.family, narrow.refresh_token, STRICT)
    assert wide.access.scopes == ("commands:write", "devices:read")


def test_access_tokens_of_a_grant_are_bounded() -> None:
    tokens = begun()
    issued = [tokens.access_token]
    for _ in range(ACCESS_AT_ONCE):
        tokens = refreshed(tokens.family, tokens.refresh_token, GRACE)
        issued.append(tokens.access_token)
    assert tokens.family.live(issued[0], AT) is None
    assert all(tokens.family.live(token, AT) for token in issued[1:])


def test_a_key_that_was_withdrawn_ends_what_it_made() -> None:
    tokens = begun(TokenKeys({"k0": b"0" * 32, "k1": b"1" * 32}))
    assert tokens.family.key_id == "k0"
    with pytest.raises(InvalidGrant, match="withdrawn"):
        refreshed(tokens.family, tokens.refresh_token, STRICT)
    both = TokenKeys({"k1": b"1" * 32, "k0": b"0" * 32})
    assert refreshed(tokens.family, tokens.refresh_token, STRICT, keys=both).refresh_token
