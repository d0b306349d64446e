"""What may be an address and what a password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.accounts.addresses import folded, normalise
from commands.accounts.password_rules import LONGEST, PasswordRules, WeakPassword, prepared
from domain.kernel.errors import InvalidInput

EMAIL = "jo.meier@home.example"


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("jo@home.example", "jo@home.example"),
        ("  Jo@HOME.Example\n", "jo@home.example"),
        ("STRAẞE@Straße.example", "straße@xn--strae-oqa.example"),
        ("strasse@strasse.example", "strasse@strasse.example"),
        ("jo+tag@home.example", "jo+tag@home.example"),
        ("o'neill@home.example", "o'neill@home.example"),
        ("jo@home.example.", "jo@home.example"),
        ("ku\u0308che@home.example", "küche@home.example"),
        ("jo@KU\u0308CHE.example", "jo@xn--kche-0ra.example"),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
        ("a" * 64 + "@home.example", "a" * 64 + "@home.example"),
    ],
)
def test_all_spellings_of_an_address_are_one(typed: str, known: str) -> None:
    assert folded(normalise(typed)) == known
    assert folded(known) == known


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@",
        "jo",
        "jo@",
        "@home.example",
        "jo@home",
        "jo@@home.example",
        "jo@ho me.example",
        "j o@home.example",
        ".jo@home.example",
        "jo.@home.example",
        "j..o@home.example",
        "jo@-home.example",
        "jo@home-.example",
        "jo@home..example",
        "jo@[127.0.0.1]",
        '"jo"@home.example',
        "jo@home.example\r\nBcc: all@home.example",
        "jo,mo@home.example",
        "<jo@home.example>",
        "a" * 65 + "@home.example",
        "jo@" + "a" * 64 + ".example",
        "jo@" + "a.example" * 40,
        "jo@home.example\x00",
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(InvalidInput):
        normalise(typed)


@given(st.text())
def test_normalising_is_done_once(text: str) -> None:
    try:
        known = normalise(text)
    except InvalidInput:
        return
    assert normalise(known) == known
    assert folded(folded(known)) == folded(known)
    assert not any(one.isspace() for one in known)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "too_short"),
        ("seven77", "too_short"),
        ("x7#" * 86, "too_long"),
        ("aaaaaaaa", "repeated"),
        ("abababab", "repeated"),
        ("xyzaxyzaxyza", "repeated"),
        ("12345678", "sequence"),
        ("87654321", "sequence"),
        ("abcdefgh", "sequence"),
        ("QWERTYUIOP", "sequence"),
        ("qwertzuiop", "sequence"),
        ("asdfghjkl1234", "sequence"),
        ("jo.meier@home.example", "of_yours"),
        ("home.example", "of_yours"),
        ("Jo.Meier1984", "of_yours"),
        ("meier2024!", "of_yours"),
        ("homecast", "product"),
        ("HomeCast2026!", "product"),
        ("letmein2024", "common"),
        ("Dragonfly99!", "common"),
    ],
)
def test_a_password_that_is_guessed_first_is_refused(password: str, reason: str) -> None:
    rules = PasswordRules(frozenset({"letmein", "dragonfly"}))
    with pytest.raises(WeakPassword) as raised:
        rules.accept(password, email=EMAIL)
    assert raised.value.extra == {"reason": reason}
    assert not password or password not in str(raised.value)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "8 chars!",
        "        leading spaces count",
        "пароль из слов",
        "homecast is what I use",
        "jo likes to be at home",
        "x7#q" * 63 + "last",
        "🦊🐻🐼🐨🐯🦁🐮🐷",
    ],
)
def test_any_other_password_is_accepted(password: str) -> None:
    assert PasswordRules().accept(password, email=EMAIL) == password


def test_the_same_password_on_another_keyboard_is_the_same() -> None:
    assert prepared("ku\u0308chenschrank") == prepared("küchenschrank")
    assert prepared("ﬁnal answer") == "final answer"


@given(st.text(st.characters(), max_size=1500))
def test_any_text_is_judged(text: str) -> None:
    """Lone surrogates too: a slow hash takes bytes."""
    prepared(text).encode()
    try:
        accepted = PasswordRules().accept(text, email=EMAIL)
    except WeakPassword:
        return
    assert 8 <= len(accepted) <= LONGEST
