"""What clients may ask for, and how it is said to people."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from commands.accounts.oauth.errors import InvalidScope
from commands.accounts.tokens import (
    ADS_MANAGE,
    ADS_READ,
    ADS_REQUEST,
    COMMANDS_WRITE,
    DEVICES_READ,
    DEVICES_WRITE,
    HOMES_READ,
    HOMES_WRITE,
    OPERATE,
)
from domain.accounts.client import ClientConfig

OPENID, PROFILE, EMAIL, OFFLINE = "openid", "profile", "email", "offline_access"
ACCOUNT_READ = "account:read"
INTROSPECT = "introspect"
"""For clients themselves: to look at tokens of all clients."""
WORDS: Mapping[str, str] = {
    OPENID: "Know who you are at Homecast",
    PROFILE: "See your name",
    EMAIL: "See your e-mail address",
    OFFLINE: "Keep access while you are away, until you end it",
    DEVICES_READ: "See your devices and what they report",
    DEVICES_WRITE: "Add, rename and remove devices",
    COMMANDS_WRITE: "Control your devices",
    HOMES_READ: "See your homes and who belongs to them",
    HOMES_WRITE: "Invite people to your homes and remove them",
    ACCOUNT_READ: "See your account, its sessions and linked services",
}
"""Of people: each is shown when a client asks for it."""
OF_SERVICES = (ADS_REQUEST, ADS_READ, ADS_MANAGE, OPERATE, INTROSPECT)
"""For clients themselves only (client credentials): no person can give them."""
KNOWN = (*WORDS, *OF_SERVICES)


def asked_for(config: ClientConfig, text: str | None) -> tuple[str, ...]:
    """The scopes of a parameter, sorted; all that the client may have where it names none.

    Raises ``InvalidScope``.
    """
    if text is None or not text.strip():
        return tuple(sorted(one for one in config.scopes if one not in OF_SERVICES))
    wanted = set(text.split(" ")) - {""}
    require_within(wanted, config.scopes)
    return tuple(sorted(wanted))


def to_be_told(config: ClientConfig, scopes: Collection[str]) -> tuple[str, ...]:
    """What a person is asked about: also that it goes on where the client did not have to ask."""
    return tuple(sorted({*scopes, OFFLINE})) if config.keeps_access else tuple(scopes)


def require_within(wanted: Collection[str], allowed: Collection[str]) -> None:
    """Raises ``InvalidScope``, which names none of a foreign wording."""
    beyond = set(wanted) - set(allowed)
    if beyond:
        known = sorted(one for one in beyond if one in KNOWN)
        raise InvalidScope(f"not for this client: {', '.join(known) or 'unknown scopes'}")
