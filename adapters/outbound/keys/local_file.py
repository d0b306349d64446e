"""A wrapping key in a file, for a platform on one machine: whoever can read it can read all."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.kernel.errors import ContractError, StoreUnavailable

KEY_BYTES = 32
NONCE_BYTES = 12


class LocalKeyFile:
    """The port ``KeyWrapper``. The file is made at the first use, for its owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cipher: AESGCM | None = None

    async def wrap(self, material: bytes, subject: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + (await self._opened()).encrypt(nonce, material, subject.encode())

    async def unwrap(self, wrapped: bytes, subject: str) -> bytes:
        nonce, ciphertext = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return (await self._opened()).decrypt(nonce, ciphertext, subject.encode())
        except (InvalidTag, ValueError) as error:
            raise ContractError("a data key was not wrapped by this key file") from error

    async def _opened(self) -> AESGCM:
        if self._cipher is None:
            self._cipher = AESGCM(await asyncio.to_thread(key_of, self._path))
        return self._cipher


def key_of(path: Path) -> bytes:
    """The file's key, made now if there is none; of several processes, one makes it.

    Raises ``StoreUnavailable`` for a file that is not ours alone, or no key.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        found = path.stat()
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise StoreUnavailable(f"{path} has to be readable by its owner only")
        key = path.read_bytes()
    except OSError as error:
        raise StoreUnavailable(f"the key file {path} cannot be used") from error
    if len(key) != KEY_BYTES:
        raise StoreUnavailable(f"{path} is no key of {KEY_BYTES} bytes")
    return key


def _make(path: Path) -> None:
    """Whole or not at all: written beside it, and linked to the name if that is still free."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
