"""A caller with one kept connection to the API: as little client as HTTP allows."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import orjson

from tests.support.aws_wire import Message, read_message

KEPT = 3.0
"""Seconds: below the time that the API keeps an idle connection."""
COMMAND = orjson.dumps({"command": "OnOff.Toggle", "args": {}})


class Caller:
    """One request at a time."""

    def __init__(self, api_url: str, token: str) -> None:
        parts = urlsplit(api_url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._headers = {
            b"host": f"{self._host}:{self._port}".encode(),
            b"authorization": f"Bearer {token}".encode(),
            b"content-type": b"application/json",
        }
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def ready(self) -> None:
        """Connect, unless a connection is open and will not be closed in a moment for idleness."""
        reader = self._streams[0] if self._streams else None
        if reader is None or reader.at_eof() or time.monotonic() > self._used + KEPT:
            self.close()
            self._streams = await asyncio.open_connection(self._host, self._port)
        self._used = time.monotonic()

    async def submit(self, device_id: str, *, wait: int) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer."""
        start = f"POST /v1/devices/{device_id}/commands?wait={wait} HTTP/1.1".encode()
        answer = await self._exchange(Message(start, dict(self._headers), COMMAND))
        return answer.status, answer.json()

    async def _exchange(self, request: Message) -> Message:
        await self.ready()
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(request.encoded())
        answer = await read_message(reader)
        if answer is None or answer.closes:
            self.close()
        if answer is None:
            raise ConnectionResetError("the API closed the connection")
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
