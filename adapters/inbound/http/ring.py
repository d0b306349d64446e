"""An account's live events in this process: numbered, kept for a while, handed to every stream."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson

KEPT = 512
ROOM = 1_000_000
"""Bytes that a ring keeps, and that a stream may be behind."""
KEPT_SECONDS = 55.0
"""Events may hold names of devices: none stays here for over a minute, read or not."""
BEHIND = 256
"""Events that a stream may be behind before it is cut; its client comes back with its last id."""


@dataclass(frozen=True)
class LiveEvent:
    """``name`` ``reset``: some were missed, the client needs a snapshot."""

    sequence: int
    name: str
    text: bytes
    at: float = field(default_factory=time.monotonic)


def text_of(name: str, data: Any, event_id: str | None) -> bytes:
    """One event as HTML's event stream has it; JSON has no line breaks to be escaped."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: ".encode() + orjson.dumps(data, default=str) + b"\n\n"


class Stream:
    """One client's queue. ``cut``: it was too slow, and what it gets next would have a gap."""

    def __init__(self, size: int, room: int = ROOM) -> None:
        self._queue: asyncio.Queue[LiveEvent | None] = asyncio.Queue(size)
        self._room = room
        self._held = 0
        self.cut = False

    def put(self, event: LiveEvent) -> None:
        if self._queue.full() or (self._held and self._held + len(event.text) > self._room):
            self.cut = True
        else:
            self._held += len(event.text)
            self._queue.put_nowait(event)

    def clear(self) -> None:
        while not self._queue.empty():
            self._taken(self._queue.get_nowait())

    def _taken(self, event: LiveEvent | None) -> LiveEvent | None:
        self._held -= len(event.text) if event else 0
        return event

    def end(self) -> None:
        """Nothing more comes; wakes whoever waits."""
        self.cut = True
        if not self._queue.full():
            self._queue.put_nowait(None)

    async def next(self, seconds: float) -> LiveEvent | None:
        """The next event, or None when none came in time or the stream has ended."""
        if not self._queue.empty():
            return self._taken(self._queue.get_nowait())
        try:
            async with asyncio.timeout(seconds):
                return self._taken(await self._queue.get())
        except TimeoutError:
            return None


class Ring:
    """``instance`` makes the ids of another process, or of an earlier ring, unknown here."""

    def __init__(
        self, instance: str, *, kept: int = KEPT, behind: int = BEHIND, room: int = ROOM
    ) -> None:
        self.instance = instance
        self.last = 0
        self.streams: set[Stream] = set()
        self._kept: deque[LiveEvent] = deque()
        self._size = kept
        self._behind = behind
        self._room = room
        self._held = 0

    def id_of(self, sequence: int) -> str:
        return f"{self.instance}-{sequence}"

    def emit(self, name: str, data: Any) -> None:
        self.last += 1
        event = LiveEvent(self.last, name, text_of(name, data, self.id_of(self.last)))
        self._kept.append(event)
        self._held += len(event.text)
        while len(self._kept) > self._size or self._held > self._room:
            self._drop_first()
        self._give(event)

    def purge(self, *, seconds: float = KEPT_SECONDS) -> None:
        """Called every second: drop what is over that age."""
        until = time.monotonic() - seconds
        while self._kept and self._kept[0].at <= until:
            self._drop_first()

    def _drop_first(self) -> None:
        self._held -= len(self._kept.popleft().text)

    def reset(self) -> None:
        """Ids from before this are unknown from now on."""
        self._kept.clear()
        self._held = 0
        self.last += 1
        self._give(LiveEvent(self.last, "reset", b""))

    def _give(self, event: LiveEvent) -> None:
        for stream in self.streams:
            stream.put(event)

    def open(self) -> Stream:
        stream = Stream(self._behind, self._room)
        self.streams.add(stream)
        return stream

    def close(self, stream: Stream) -> None:
        self.streams.discard(stream)

    def since(self, last_event_id: str) -> list[LiveEvent] | None:
        """What came after that id; None when it is unknown or no longer kept."""
        instance, _, sequence = last_event_id.rpartition("-")
        if instance != self.instance or not (sequence.isascii() and sequence.isdigit()):
            return None
        seen = int(sequence[:18])
        first = self._kept[0].sequence if self._kept else self.last + 1
        if not first - 1 <= seen <= self.last:
            return None
        return [event for event in self._kept if event.sequence > seen]
