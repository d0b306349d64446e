"""What may be a password (NIST SP 800-63B-4, section 3.1.1.2): long enough, and not to be guessed.

No rules about kinds of characters. Spaces and all of Unicode count; the same password typed on
another keyboard gives the same characters (NFKC).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Literal

from commands.accounts.ports import CommonPasswords
from domain.kernel.errors import Refused

SHORTEST = 8
LONGEST = 256
"""Characters; a limit only for what a slow hash is given."""
PRODUCT = "homecast"
FEWEST_DISTINCT = 4
LONGEST_RUN = 4
"""Characters of a row of neighbours (1234) that count as one."""
ROWS = (
    "0123456789",
    "9876543210",
    "abcdefghijklmnopqrstuvwxyz",
    "zyxwvutsrqponmlkjihgfedcba",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn",
    "azertyuiop",
)

Reason = Literal["too_short", "too_long", "common", "repeated", "sequence", "of_yours", "product"]
WORDS: dict[Reason, str] = {
    "too_short": f"a password has {SHORTEST} characters or more",
    "too_long": f"a password has {LONGEST} characters at most",
    "common": "this password is among those that are tried first",
    "repeated": "this password repeats a few characters",
    "sequence": "this password is a row of neighbours, such as 1234",
    "of_yours": "this password is your e-mail address, or a part of it",
    "product": "this password is little more than the name of the product",
}


class WeakPassword(Refused):
    """``reason``: which rule it breaks."""

    code = "weak_password"


class PasswordRules:
    def __init__(self, common: CommonPasswords = frozenset()) -> None:
        self._common = common

    def accept(self, password: str, *, email: str) -> str:
        """The password as it is to be hashed. Raises ``WeakPassword``."""
        known = prepared(password)
        reason = self._broken(known, email)
        if reason is not None:
            raise WeakPassword(WORDS[reason], reason=reason)
        return known

    def _broken(self, password: str, email: str) -> Reason | None:
        if len(password) < SHORTEST:
            return "too_short"
        if len(password) > LONGEST:
            return "too_long"
        folded = password.casefold()
        rules: dict[Reason, bool] = {
            "repeated": _repeats(folded),
            "sequence": len("".join(_without_rows(folded))) < SHORTEST // 2,
            "common": any(one in self._common for one in _plain(folded)),
            "of_yours": _left_without(folded, _parts_of(email)) < SHORTEST // 2,
            "product": _left_without(folded, (PRODUCT,)) < SHORTEST // 2,
        }
        return next((reason for reason, broken in rules.items() if broken), None)


def prepared(password: str) -> str:
    """As it is hashed and compared. Longer ones than are accepted are cut before any work."""
    known = unicodedata.normalize("NFKC", password[: 4 * LONGEST])
    return known.encode(errors="replace").decode()


def _repeats(password: str) -> bool:
    """Few different characters, or a short piece again and again."""
    if len(set(password)) < FEWEST_DISTINCT:
        return True
    period = (password + password).find(password, 1)
    return period < len(password) and period <= FEWEST_DISTINCT


def _without_rows(password: str) -> Iterator[str]:
    """Each run of neighbours as its first character only."""
    start = 0
    while start < len(password):
        length = max(_run(password[start:], row) for row in ROWS)
        yield password[start]
        start += length if length >= LONGEST_RUN else 1


def _run(text: str, row: str) -> int:
    """How many characters of the row ``text`` begins with."""
    at = row.find(text[0])
    if at < 0:
        return 0
    length = 0
    for ours, theirs in zip(text, row[at:], strict=False):
        if ours != theirs:
            break
        length += 1
    return length


def _plain(password: str) -> Iterable[str]:
    """As it is, and without what people put at its end."""
    return (password, password.rstrip("0123456789!?.*#$"))


def _parts_of(email: str) -> tuple[str, ...]:
    local, _, domain = email.casefold().partition("@")
    names = (email.casefold(), local, domain, *domain.split("."), *local.split("."))
    return tuple(sorted({one for one in names if len(one) >= LONGEST_RUN}, key=len, reverse=True))


def _left_without(password: str, names: Iterable[str]) -> int:
    """Characters that are neither of these names nor digits or signs, if any name is there."""
    rest = password
    for name in names:
        rest = rest.replace(name, "")
    return len(password) if rest == password else sum(one.isalpha() for one in rest)
