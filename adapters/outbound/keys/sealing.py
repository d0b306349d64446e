"""Personal fields as one text: ``1.<subject>.<names>.<nonce, ciphertext and tag in base64url>``.

AES-256-GCM under the subject's data key. What stands before the ciphertext, and the place that the
text belongs to, are associated data: a text that was moved or changed does not open. The names in
clear let a reader without the key put something else in the fields' place.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from commands.kernel.ports import DataKey
from domain.kernel.errors import ContractError, InvalidInput
from domain.kernel.personal import FORGOTTEN

FORM = "1"
NONCE_BYTES = 12
Place = Sequence[str | int]
"""Where a text belongs: stream, version and type of an event."""


def seal(key: DataKey, fields: Mapping[str, Any], place: Place) -> str:
    """Raises ``InvalidInput`` for what JSON cannot carry."""
    if "." in key.subject or not key.subject:
        raise ContractError("the subject of personal data is an account's id")
    head = f"{FORM}.{key.subject}.{','.join(fields)}"
    try:
        plain = orjson.dumps(dict(fields))
    except (TypeError, ValueError) as error:
        raise InvalidInput("a value cannot be written as JSON") from error
    nonce = os.urandom(NONCE_BYTES)
    ciphertext = AESGCM(key.material).encrypt(nonce, plain, _associated(head, place))
    return f"{head}.{base64.urlsafe_b64encode(nonce + ciphertext).decode()}"


@dataclass(frozen=True)
class Sealed:
    """A sealed text, taken apart but not opened."""

    subject: str
    names: tuple[str, ...]
    head: str
    body: str

    @classmethod
    def of(cls, text: str) -> Sealed:
        """Raises ``ContractError``."""
        head, _, body = text.rpartition(".")
        parts = head.split(".")
        if len(parts) != 3 or parts[0] != FORM or not all(parts):
            raise ContractError("personal data is sealed in a form that is not known here")
        return cls(parts[1], tuple(parts[2].split(",")), head, body)

    def open(self, key: DataKey, place: Place) -> dict[str, Any]:
        """Raises ``ContractError`` when it was changed, or sealed for another place or subject."""
        try:
            raw = base64.urlsafe_b64decode(self.body)
            if base64.urlsafe_b64encode(raw).decode() != self.body:
                raise ValueError("another spelling of the same bytes")
            associated = _associated(self.head, place)
            cipher = AESGCM(key.material)
            plain = cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], associated)
            fields: dict[str, Any] = orjson.loads(plain)
        except (InvalidTag, ValueError) as error:
            raise ContractError("sealed personal data does not open") from error
        return fields

    def erased(self) -> dict[str, Any]:
        """What stands in the fields' place once nobody can open them."""
        return dict.fromkeys(self.names, FORGOTTEN)


def _associated(head: str, place: Place) -> bytes:
    return orjson.dumps([head, *place])
