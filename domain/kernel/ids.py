"""Ids as distinct types. All are made outside the domain and arrive in commands."""

from __future__ import annotations

import base64
import hashlib
from typing import NewType

AccountId = NewType("AccountId", str)
"""ULID, 26 characters."""

DeviceId = NewType("DeviceId", str)
"""26 characters of lower-case base32, from the device's public key: see ``device_id_of``."""

SessionId = NewType("SessionId", str)
"""ULID made by the gateway that accepted the connection; later sessions sort after earlier ones."""


def device_id_of(public_key: bytes) -> DeviceId:
    """The id that belongs to an Ed25519 public key (32 raw bytes): 130 bits of its SHA-256.

    The same device keeps its id over owners, and nobody can claim an id without its key.
    """
    digest = hashlib.sha256(public_key).digest()
    return DeviceId(base64.b32encode(digest).decode().lower()[:26])
