"""Keys made of the ring of account keys."""

from __future__ import annotations

import pytest

from commands.accounts.keys import AccountKeys

OLD, NEW = {"k1": b"1" * 32}, {"k2": b"2" * 32, "k1": b"1" * 32}


def test_a_new_key_in_front_verifies_what_the_old_one_made() -> None:
    mac = AccountKeys(OLD).mac("forms", "session 1")
    assert AccountKeys(NEW).verify("forms", "session 1", mac)
    assert AccountKeys(NEW).mac("forms", "session 1") != mac
    assert not AccountKeys(OLD).verify("forms", "session 1", AccountKeys(NEW).mac("forms", "x"))


def test_a_mac_is_of_one_purpose_and_message() -> None:
    keys = AccountKeys(OLD)
    mac = keys.mac("forms", "session 1")
    assert not keys.verify("links", "session 1", mac)
    assert not keys.verify("forms", "session 2", mac)
    assert not keys.verify("forms", "session 1", "é" + mac[1:])


def test_the_hash_of_an_address_outlives_new_keys() -> None:
    assert AccountKeys(OLD).email_hash("a@example.org") == AccountKeys(NEW).email_hash(
        "a@example.org"
    )
    assert AccountKeys(OLD).email_hash("a@example.org") != AccountKeys(OLD).email_hash("b@x.org")


@pytest.mark.parametrize("ring", [{}, {"k1": b"short"}])
def test_a_ring_needs_whole_keys(ring: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AccountKeys(ring)
