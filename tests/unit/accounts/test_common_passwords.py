"""The list of common passwords."""

from __future__ import annotations

import pytest

from adapters.outbound.passwords.common import common_passwords
from commands.accounts.password_rules import PasswordRules, WeakPassword


@pytest.mark.parametrize(
    "password", ["password", "Football", "iloveyou!", "princess2026", "trustno1"]
)
def test_what_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword) as raised:
        PasswordRules(common_passwords()).accept(password, email="jo@home.example")
    assert raised.value.extra == {"reason": "common"}


def test_the_list_is_large_and_in_lower_case() -> None:
    found = common_passwords()
    assert len(found) > 25_000
    assert {one for one in found if one != one.casefold()} == set()
    PasswordRules(found).accept("correct horse battery", email="jo@home.example")
