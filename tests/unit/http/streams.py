"""A client of the live stream: drives the application itself, for httpx would wait for its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI

DEADLINE = 5.0


@dataclass(frozen=True)
class Event:
    name: str
    id: str
    data: Any


class LiveClient:
    """``reading`` cleared: the client takes nothing more, like one with a full socket."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.last_id = ""
        self.comments = 0
        self.reading = asyncio.Event()
        self.reading.set()
        self.ended = asyncio.Event()
        self.gone = asyncio.Event()
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    async def send(self, message: Any) -> None:
        await self.reading.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            return
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            for block in message["body"].decode().split("\n\n"):
                self._take(block)
        if not message.get("more_body"):
            self.ended.set()

    def _take(self, block: str) -> None:
        if block.startswith(":"):
            self.comments += 1
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            self.last_id = fields.get("id", self.last_id)
            data = orjson.loads(fields["data"])
            self._events.put_nowait(Event(fields["event"], fields.get("id", ""), data))

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def next(self, *names: str) -> Event:
        """The next event, or the next of these names."""
        async with asyncio.timeout(DEADLINE):
            while True:
                event = await self._events.get()
                if not names or event.name in names:
                    return event

    def nothing_more(self) -> bool:
        return self._events.empty()


@asynccontextmanager
async def live(
    app: FastAPI, token: str, last_id: str | None = None, *, home: str = "", **more: str
) -> AsyncIterator[LiveClient]:
    """``more``: headers, with ``_`` for ``-``."""
    client = LiveClient()
    headers = [(b"authorization", f"Bearer {token}".encode())]
    headers += [(name.replace("_", "-").encode(), text.encode()) for name, text in more.items()]
    if last_id is not None:
        headers.append((b"last-event-id", last_id.encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/v1/live",
        "raw_path": b"/v1/live",
        "root_path": "",
        "query_string": f"home={home}".encode() if home else b"",
        "headers": headers,
        "client": None,
        "server": None,
    }
    task = asyncio.create_task(app(scope, client.receive, client.send))
    try:
        yield client
    finally:
        client.gone.set()
        client.reading.set()
        async with asyncio.timeout(DEADLINE):
            await task
