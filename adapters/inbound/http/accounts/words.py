"""What pages say in words: what a scope allows, what went wrong, what was done, when and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from commands.accounts.oauth.scopes import WORDS
from commands.accounts.tokens import COMMANDS_WRITE, DEVICES_WRITE, HOMES_WRITE


class Scope(NamedTuple):
    """``wary``: whether it acts, and not only sees."""

    allows: str
    wary: bool = False


WARY = frozenset((DEVICES_WRITE, COMMANDS_WRITE, HOMES_WRITE))


def scopes_in_words(scopes: Iterable[str]) -> list[Scope]:
    """In the order of the table, what acts last. One without words is shown by its name: nothing is
    left unsaid."""
    places = {name: number for number, name in enumerate(WORDS)}
    asked = sorted(scopes, key=lambda one: (places.get(one, len(places)), one))
    known = [
        Scope(WORDS.get(one, f"Use “{one}”"), one in WARY or one not in WORDS) for one in asked
    ]
    return sorted(known, key=lambda one: one.wary)


class Trouble(NamedTuple):
    title: str
    text: str


TROUBLES: Mapping[str, Trouble] = {
    "foreign_form": Trouble(
        "This form was not taken", "It did not come from a page of ours. Open the page again."
    ),
    "form_expired": Trouble(
        "This page was open for too long",
        "Nothing was changed. Open the page again and repeat what you did.",
    ),
    "invalid_link": Trouble(
        "This link does not work any more",
        "It was used before, or it is too old. Ask for a new one.",
    ),
    "invitation_not_found": Trouble(
        "This invitation does not hold any more",
        "It was accepted or withdrawn, or it is too old. Ask for a new one.",
    ),
    "untrusted_request": Trouble(
        "We cannot go on with this",
        "The app or site that sent you here asked in a way that we do not trust. Go back to it and"
        " try again; if that does not help, tell its makers.",
    ),
    "forgetting_has_started": Trouble(
        "It is too late", "Your account is being deleted already. We cannot bring it back."
    ),
}
"""By the code of an error."""
BY_STATUS: Mapping[int, Trouble] = {
    400: Trouble("This form could not be read", "Open the page again and repeat what you did."),
    403: Trouble("This is not allowed", "Your account does not have the right to do that."),
    404: Trouble("Nothing is here", "The address may be mistyped or old."),
    409: Trouble("Something else changed it first", "Open the page again to see how it is now."),
    429: Trouble("Too many tries", "Please wait a while, then try again. Nothing was changed."),
    503: Trouble("We cannot do that right now", "Please try again in a moment."),
    504: Trouble("That took too long", "Look whether it was done before you repeat it."),
}
DEFECT = Trouble(
    "Something went wrong here", "It is our fault, and it is in our log. Please try again."
)
REFUSED = Trouble("That did not work", "Go back, look at what you entered, and try again.")


def trouble(code: str, status: int) -> Trouble:
    other = DEFECT if status >= 500 else REFUSED
    return TROUBLES.get(code) or BY_STATUS.get(status, other)


DONE: Mapping[str, str] = {
    "already": "This address has an account already. Sign in with its password.",
    "over": "That took too long. Please sign in again.",
    "signed-out": "You are signed out.",
    "password-reset": "Your new password is set. Sign in with it.",
    "password-changed": "Your password is changed. All other sessions are ended.",
    "password-set": "Your password is set.",
    "totp-on": "Codes of your app are asked for from now on.",
    "enrolment-over": "That took too long. Begin again, with a new QR code.",
    "totp-off": "Codes of your app are not asked for any more.",
    "passkey-added": "Your passkey is added.",
    "passkey-removed": "The passkey is removed.",
    "session-ended": "That session is ended.",
    "sessions-ended": "All other sessions are ended.",
    "unlinked": "The service is unlinked. It has no access any more.",
    "mail-changed": "Your e-mail address is changed.",
    "deletion-asked": "Your account will be deleted. Until then you can change your mind here.",
    "deletion-canceled": "Your account stays.",
    "invited": "The invitation is on its way by mail.",
    "invitation-revoked": "The invitation is withdrawn.",
    "member-removed": "They no longer belong to your home.",
    "role-changed": "The role is changed.",
    "left": "You have left that home.",
    "joined": "You belong to that home now.",
    "again": "Please sign in again first: what comes next is only for you.",
}
"""What a page says after a form was done; the address holds the word on the left, nothing else."""

BROWSERS = (
    ("Edge", r"Edg(e|A|iOS)?/"), ("Opera", r"OPR/"), ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"(Firefox|FxiOS)/"), ("Chrome", r"(Chrome|CriOS|Chromium)/"),
    ("Safari", r"Safari/"),
)  # fmt: skip
SYSTEMS = (
    ("iPhone", r"iPhone"), ("iPad", r"iPad"), ("Android", r"Android"), ("Windows", r"Windows"),
    ("Mac", r"Macintosh"), ("ChromeOS", r"CrOS"), ("Linux", r"Linux|X11"),
)  # fmt: skip


def device_in_words(agent: str | None) -> str:
    """``Firefox on Windows``, of a ``User-Agent``; a guess, for people only."""
    browser = _first(BROWSERS, agent or "")
    system = _first(SYSTEMS, agent or "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "Unknown device"


def _first(known: Iterable[tuple[str, str]], agent: str) -> str | None:
    return next((name for name, mark in known if re.search(mark, agent)), None)


def place_in_words(country: str | None, address: str | None) -> str:
    """As precise as we know, which is a country at best."""
    return ", ".join(filter(None, (address, country))) or "an unknown place"


def day(moment: datetime) -> str:
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%B %Y}"


def moment(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def ago(at: datetime, now: datetime) -> str:
    """``3 hours ago``; beyond a month, the day."""
    seconds = int((now - at).total_seconds())
    if seconds < 60:
        return "just now"
    for unit, size, many in (("minute", 60, 60), ("hour", 3600, 24), ("day", 86400, 31)):
        count = seconds // size
        if count < many:
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    return day(at)
