"""A cookie by which a browser shows that its owner has signed in with it before.

The "device cookie" of OWASP: it opens nothing, but failed sign-ins of a known browser are counted
by themselves, so that strangers who lock themselves out do not lock out the owner. A browser is
known to several accounts; the cookie has an entry for each, ``<account id>.<nonce>.<time>.<MAC>``,
good for 400 days and for as long as the account has the password that it had then.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from commands.accounts.keys import AccountKeys

PURPOSE = "known browser"
MOST = 8
"""Accounts that one browser is known to; one more and the first is forgotten."""
SEPARATOR = "~"
LASTS = timedelta(days=400)
Entry = tuple[str, str, str, str]


def known_browser(
    keys: AccountKeys, cookie: str, account_id: str, *, mark: str, now: datetime
) -> str | None:
    """The nonce of the browser, None when it is not known to this account. ``mark``: of the
    account's password."""
    for held_by, nonce, since, mac in _entries(cookie):
        message = _message(account_id, nonce, since, mark)
        if held_by != account_id or not keys.verify(PURPOSE, message, mac):
            continue
        if now.timestamp() < int(since) + LASTS.total_seconds():
            return nonce
    return None


def with_account(
    keys: AccountKeys, cookie: str, account_id: str, *, mark: str, now: datetime
) -> str:
    """The cookie's next value: known to this account too."""
    if known_browser(keys, cookie, account_id, mark=mark, now=now):
        return cookie
    nonce, since = secrets.token_urlsafe(16), str(int(now.timestamp()))
    mac = keys.mac(PURPOSE, _message(account_id, nonce, since, mark))
    others = [entry for entry in _entries(cookie) if entry[0] != account_id]
    entries = [*others, (account_id, nonce, since, mac)][-MOST:]
    return SEPARATOR.join(".".join(entry) for entry in entries)


def _message(account_id: str, nonce: str, since: str, mark: str) -> str:
    return f"{account_id}.{nonce}.{since}.{mark}"


def _entries(cookie: str) -> list[Entry]:
    split = [entry.split(".") for entry in cookie.split(SEPARATOR)[:MOST]]
    return [(parts[0], parts[1], parts[2], parts[3]) for parts in split if len(parts) == 4]
