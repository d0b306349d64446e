"""Sentences of forms."""

from __future__ import annotations

from collections.abc import Mapping

from commands.accounts.password_rules import LONGEST, SHORTEST, Reason

WRONG_ADDRESS = "This is no e-mail address. It looks like name@example.org."
WRONG = "The address or the password is wrong."
WRONG_PASSWORD = "The password is wrong."  # noqa: S105 a sentence
WRONG_CODE = "This code is wrong, or over. Enter the one that the app shows now."

AT_LEAST = f"At least {SHORTEST} characters. A few words that you can remember are best."
WEAK: Mapping[Reason, str] = {
    "too_short": f"The password needs {SHORTEST} characters or more.",
    "too_long": f"The password can have {LONGEST} characters at most.",
    "common": "This password is one of those that are tried first. Choose another one.",
    "repeated": "This password only repeats a few characters. Choose another one.",
    "sequence": "This password is a row of neighbours on the keyboard. Choose another one.",
    "of_yours": "This password is part of your address. Choose another one.",
    "product": "This password is little more than our name. Choose another one.",
}
HOME_FULL = "This home has as many members and invitations as it can have."
NO_END = "A guest needs a last day, within a year from now."
NO_INVITATION = "This invitation does not hold any more. Ask for a new one."
