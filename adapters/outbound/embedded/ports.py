"""Free loopback ports, remembered so that a second start finds the same addresses."""

from __future__ import annotations

import json
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


class PortTaken(Exception):
    """A port that was asked for by number is in use."""


class Ports:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}

    def of(self, name: str, *, preferred: int = 0, exactly: int | None = None) -> int:
        """The port remembered under the name, else the preferred one, else any free one.

        ``exactly``: that port or ``PortTaken``.
        """
        if exactly is not None and not is_free(exactly):
            raise PortTaken(f"port {exactly} is in use")
        wishes = [exactly] if exactly is not None else [self._known.get(name, 0), preferred]
        port = next((wish for wish in wishes if wish and self._usable(name, wish)), None)
        self._known[name] = port or self._any(name)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._known, indent=1) + "\n")
        return self._known[name]

    def _usable(self, name: str, port: int) -> bool:
        """Free, and not promised to another name: a promised port may not be bound yet."""
        promised = {number for other, number in self._known.items() if other != name}
        return port not in promised and is_free(port)

    def _any(self, name: str) -> int:
        while True:
            with socket.socket() as probe:
                probe.bind((LOOPBACK, 0))
                port = int(probe.getsockname()[1])
            if self._usable(name, port):
                return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
