"""Gathers finished messages and deletes them in tens."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from .batch_calls import BatchCall, Entry, call_with_retries, in_tens
from .received import ReceivedMessage
from .settings import MAX_BATCH_ENTRIES, ConsumerSettings

Log = Callable[[int, str], None]


class DeleteBatcher:
    """Sends ten at once, or fewer when ``delete_linger`` is over or on ``flush``.

    ``on_settled`` is called for each message when its delete is confirmed or given up; a
    message whose delete was given up comes again, as any may with at-least-once delivery.
    """

    def __init__(
        self,
        call: BatchCall,
        settings: ConsumerSettings,
        *,
        on_settled: Callable[[ReceivedMessage], None],
        log: Log,
    ) -> None:
        self._call = call
        self._settings = settings
        self._on_settled = on_settled
        self._log = log
        self._pending: list[ReceivedMessage] = []
        self._timer: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def add(self, messages: Sequence[ReceivedMessage]) -> None:
        self._pending += messages
        if len(self._pending) >= MAX_BATCH_ENTRIES:
            self.flush()
        elif self._pending and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._settings.delete_linger, self.flush)

    def flush(self) -> None:
        """Send what there is, without waiting for more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending, self._pending = self._pending, []
        for chunk in in_tens(pending):
            task = asyncio.create_task(self._send(chunk))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def drain(self, timeout: float) -> None:
        """Flush and wait for the answers; what has none by then comes again."""
        self.flush()
        if self._sending:
            _, late = await asyncio.wait(self._sending, timeout=timeout)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _send(self, messages: Sequence[ReceivedMessage]) -> None:
        failed = await call_with_retries(
            self._call,
            [Entry(message) for message in messages],
            attempts=self._settings.call_attempts,
            backoff=self._settings.call_backoff,
        )
        for message in messages:
            self._on_settled(message)
        if failed:
            codes = ", ".join(sorted({one.code for one in failed}))
            self._log(logging.WARNING, f"{len(failed)} handled messages not deleted: {codes}")
