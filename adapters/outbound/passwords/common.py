"""Passwords that are tried first: the 30,000 most frequent of leaked ones, as ``zxcvbn`` has them.

Only its list is used. Its estimate takes time that grows fast with the length of a password.
"""

from __future__ import annotations

from functools import cache


@cache
def common_passwords() -> frozenset[str]:
    """In lower case. Reading them takes a moment, so they are read at the first use."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])
