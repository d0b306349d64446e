"""Keys by id out of a setting, or one made of the key file of a platform on one machine."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapters.outbound.keys.local_file import key_of

FROM_FILE = "file"


def parsed_ring(text: str) -> dict[str, bytes]:
    """``id:base64,id:base64``, in this order. Raises ``ValueError``, which quotes no key."""
    ring: dict[str, bytes] = {}
    for part in text.split(","):
        name, _, encoded = part.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("a key is `id:base64`") from None
        if not name or not key or name in ring:
            raise ValueError("each key has an id of its own")
        ring[name] = key
    return ring


def derived_ring(path: Path, *, purpose: str, size: int) -> dict[str, bytes]:
    """One key (RFC 5869), which tells nothing of the file's own. Raises ``StoreUnavailable``."""
    derivation = HKDF(algorithm=SHA512(), length=size, salt=None, info=purpose.encode())
    return {FROM_FILE: derivation.derive(key_of(path))}
