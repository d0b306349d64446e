"""What is made of the platform's ring of account keys: a key for each purpose.

New keys are put in front of the ring. E-mail hashes name streams, so they are made with the last
key, which therefore stays as long as there are accounts.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from commands.accounts.addresses import folded
from commands.accounts.token_family import TokenKeys

KEY_BYTES = 32


class AccountKeys:
    """``ring``: keys of 32 bytes by id; the first makes what is new, all verify."""

    def __init__(self, ring: Mapping[str, bytes]) -> None:
        if not ring or any(len(key) != KEY_BYTES for key in ring.values()):
            raise ValueError(f"account keys have {KEY_BYTES} bytes each")
        self._ring = dict(ring)
        refresh = {name: _derived(key, "refresh tokens") for name, key in self._ring.items()}
        self.refresh_tokens = TokenKeys(refresh)
        self._emails = _derived(list(self._ring.values())[-1], "e-mail addresses")

    def email_hash(self, address: str) -> str:
        """64 hexadecimal digits; the same for all spellings of ``address``."""
        return hmac.new(self._emails, folded(address).encode(), hashlib.sha256).hexdigest()

    def mac(self, purpose: str, message: str) -> str:
        """64 hexadecimal digits, by the first key."""
        return _mac(next(iter(self._ring.values())), purpose, message)

    def verify(self, purpose: str, message: str, mac: str) -> bool:
        """By any key of the ring."""
        made = (_mac(key, purpose, message) for key in self._ring.values())
        return any(hmac.compare_digest(one.encode(), mac.encode()) for one in made)


def _derived(key: bytes, purpose: str) -> bytes:
    return hmac.new(key, f"homecast {purpose}".encode(), hashlib.sha256).digest()


def _mac(key: bytes, purpose: str, message: str) -> str:
    return hmac.new(_derived(key, purpose), message.encode(), hashlib.sha256).hexdigest()
