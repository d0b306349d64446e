"""What pages say in words: what a scope allows, what went wrong, what was done, when and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple


class Scope(NamedTuple):
    """``allows`` follows "This will let it"; ``wary``: whether it acts, and not only sees."""

    allows: str
    wary: bool = False


SCOPES: Mapping[str, Scope] = {
    "openid": Scope("know that it is you, by an id"),
    "profile": Scope("see when your account was last changed"),
    "email": Scope("see your e-mail address"),
    "offline_access": Scope("keep this access while you are away, until you remove it"),
    "account:read": Scope("see your account: its address and its security settings"),
    "devices:read": Scope("see your devices and what they report"),
    "devices:write": Scope("add, rename and remove your devices", wary=True),
    "commands:write": Scope("control your devices: switch, dim, lock, unlock", wary=True),
    "homes:read": Scope("see who belongs to your home"),
    "homes:write": Scope("invite people to your home and remove them", wary=True),
    "ads:request": Scope("ask for ad breaks"),
    "ads:read": Scope("see ads, brokers and reports"),
    "ads:manage": Scope("change ads and brokers", wary=True),
    "operate": Scope("operate the platform itself", wary=True),
}


def scopes_in_words(scopes: Iterable[str]) -> list[Scope]:
    """What acts comes last. One without words is shown by its name: nothing is left unsaid."""
    known = [SCOPES.get(one, Scope(f"use “{one}”", wary=True)) for one in ordered(scopes)]
    return sorted(known, key=lambda one: one.wary)


def ordered(scopes: Iterable[str]) -> list[str]:
    places = {name: number for number, name in enumerate(SCOPES)}
    return sorted(scopes, key=lambda one: (places.get(one, len(places)), one))


class Trouble(NamedTuple):
    status: int
    title: str
    text: str


TROUBLES: Mapping[str, Trouble] = {
    "foreign_form": Trouble(
        403, "This form was not sent", "It did not come from a page of ours. Open the page again."
    ),
    "form_expired": Trouble(
        403,
        "This page was open for too long",
        "Nothing was changed. Open the page again and repeat what you did.",
    ),
    "malformed_request": Trouble(
        400, "This form could not be read", "Open the page again and repeat what you did."
    ),
    "route_not_found": Trouble(404, "Nothing is here", "The address may be mistyped or old."),
    "rate_limited": Trouble(
        429, "Too many tries", "Please wait a little, then try again. Nothing was changed."
    ),
    "too_many_attempts": Trouble(
        429, "Too many tries", "Please wait a while, then try again. Nothing was changed."
    ),
    "busy": Trouble(503, "We are busy", "Please try again in a moment. Nothing was changed."),
    "invalid_link": Trouble(
        404,
        "This link does not work any more",
        "It was used before, or it is too old. Ask for a new one.",
    ),
    "version_conflict": Trouble(
        409, "Something else changed it first", "Open the page again to see how it is now."
    ),
}
BY_STATUS: Mapping[int, Trouble] = {
    400: TROUBLES["malformed_request"],
    403: Trouble(403, "This is not allowed", "Your account does not have the right to do that."),
    404: TROUBLES["route_not_found"],
    409: TROUBLES["version_conflict"],
    422: Trouble(422, "Something is missing", "Go back, look at what you entered, and try again."),
    429: TROUBLES["rate_limited"],
    500: Trouble(
        500, "Something went wrong here", "It is our fault, and it is logged. Please try again."
    ),
    503: Trouble(503, "We cannot do that right now", "Please try again in a moment."),
    504: Trouble(504, "That took too long", "Please look whether it was done before you repeat it."),
}


def trouble(code: str, status: int) -> Trouble:
    return TROUBLES.get(code) or BY_STATUS.get(status) or Trouble(status, *BY_STATUS[422][1:])


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
    ("Firefox", r"(Firefox|FxiOS)/"), ("Chrome", r"(Chrome|CriOS|Chromium)/"), ("Safari", r"Safari/"),
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
