"""A cookie by which a browser shows that its owner has signed in with it before.

The "device cookie" of OWASP: it opens nothing, but failed sign-ins of a known browser are counted
by themselves, so that strangers who lock themselves out do not lock out the owner. A browser is
known to several accounts; the cookie has an entry for each, ``<account id>.<nonce>.<MAC>``.
"""

from __future__ import annotations

import secrets

from commands.accounts.keys import AccountKeys

PURPOSE = "known browser"
MOST = 8
"""Accounts that one browser is known to; one more and the first is forgotten."""
SEPARATOR = "~"


def known_browser(keys: AccountKeys, cookie: str, account_id: str) -> str | None:
    """The nonce of the browser, None when it is not known to this account."""
    for held_by, nonce, mac in _entries(cookie):
        if held_by == account_id and keys.verify(PURPOSE, f"{account_id}.{nonce}", mac):
            return nonce
    return None


def with_account(keys: AccountKeys, cookie: str, account_id: str) -> str:
    """The cookie's next value: known to this account too."""
    if known_browser(keys, cookie, account_id):
        return cookie
    nonce = secrets.token_urlsafe(16)
    mac = keys.mac(PURPOSE, f"{account_id}.{nonce}")
    others = [entry for entry in _entries(cookie) if entry[0] != account_id]
    entries = [*others, (account_id, nonce, mac)][-MOST:]
    return SEPARATOR.join(".".join(entry) for entry in entries)


def _entries(cookie: str) -> list[tuple[str, str, str]]:
    split = [entry.split(".") for entry in cookie.split(SEPARATOR)[:MOST]]
    return [(parts[0], parts[1], parts[2]) for parts in split if len(parts) == 3]
