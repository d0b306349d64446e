"""HTTP connections that do not wait for ever, neither for a request nor for its answer to be taken.

uvicorn limits the pause between two requests, and that only until their first byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_WITHIN = 10.0
"""Seconds until the head of a request has to be there."""
TAKEN_WITHIN = 20.0
"""Seconds in which a client has to take 16 KB of what it is sent, or the rest."""
TAKEN = 16 * 1024


class Alarm:
    """Rings once, unless it is stopped before."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        return self._handle is not None

    def set(self, seconds: float, ring: Callable[[], object]) -> None:
        self.stop()
        self._handle = self._loop.call_later(seconds, ring)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None


class ImpatientProtocol(H11Protocol):
    """A connection that is closed when its client keeps it waiting."""

    request_within = REQUEST_WITHIN
    taken_within = TAKEN_WITHIN

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._request, self._taking = Alarm(self.loop), Alarm(self.loop)
        self._request.set(self.request_within, transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._request.stop()
        elif not self._request.is_set:  # its first bytes; uvicorn no longer counts the pause
            self._request.set(self.request_within, self.transport.abort)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_taking()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_taking()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._taking.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._request.stop()
        self._taking.stop()

    def _watch_taking(self) -> None:
        """From now on, for what has been written until now."""
        left = self.transport.get_write_buffer_size()
        if left:
            self._taking.set(self.taken_within, lambda: self._look(left))

    def _look(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left > max(0, before - TAKEN):
            self.transport.abort()
        else:
            self._watch_taking()


def impatient(request_within: float, taken_within: float) -> type[ImpatientProtocol]:
    """With limits of one's own."""
    limits = {"request_within": request_within, "taken_within": taken_within}
    return type("Impatient", (ImpatientProtocol,), limits)
