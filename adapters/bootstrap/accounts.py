"""Accounts and single sign-on: what the API's process needs beside what it has."""

from __future__ import annotations

from adapters.outbound.keys.key_ring import derived_ring, parsed_ring
from adapters.settings import Settings
from commands.accounts.keys import KEY_BYTES, AccountKeys

PURPOSE = "homecast accounts"


def account_keys(settings: Settings) -> AccountKeys:
    """Blocks. Raises ``ValueError`` when there is neither a ring nor a key file."""
    given = settings.account_keys.get_secret_value()
    if given:
        return AccountKeys(parsed_ring(given))
    if settings.key_file is None:
        raise ValueError("accounts need HOMECAST_ACCOUNT_KEYS, or HOMECAST_KEY_FILE without AWS")
    return AccountKeys(derived_ring(settings.key_file, purpose=PURPOSE, size=KEY_BYTES))
