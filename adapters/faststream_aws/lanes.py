"""What is held locally and what may run next. No I/O, no clock."""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from .received import ReceivedMessage


@dataclass(frozen=True, slots=True)
class Unit:
    """Messages for one call of the handler. Units of one lane never run at the same time."""

    lane: Hashable
    messages: tuple[ReceivedMessage, ...]


class Lanes:
    """FIFO: a lane for each message group, in order of sequence; the lanes take turns.

    Standard queues: a lane for each message, or with ``batch`` for each receive.
    """

    def __init__(self, *, fifo: bool, batch: bool) -> None:
        self._fifo = fifo
        self._batch = batch
        self._waiting: dict[Hashable, deque[ReceivedMessage]] = {}
        self._ready: deque[Hashable] = deque()
        self._running: set[Hashable] = set()

    def __len__(self) -> int:
        """Lanes that run or wait: what a limit of units in flight counts."""
        return len(self._running) + len(self._ready)

    @property
    def running(self) -> int:
        return len(self._running)

    def add(self, messages: Sequence[ReceivedMessage]) -> None:
        """Messages of one receive, in the order received."""
        received = object()
        for message in messages:
            lane = self._lane_of(message, received)
            if lane not in self._waiting:
                self._waiting[lane] = deque()
            waiting = self._waiting[lane]
            waiting.append(message)
            if len(waiting) == 1 and lane not in self._running:
                self._ready.append(lane)

    def take(self) -> Unit | None:
        """The next unit, whose lane is taken until ``finish``; None when all must wait."""
        if not self._ready:
            return None
        lane = self._ready.popleft()
        self._running.add(lane)
        waiting = self._waiting[lane]
        count = len(waiting) if self._batch else 1
        return Unit(lane, tuple(waiting.popleft() for _ in range(count)))

    def drop(self, lane: Hashable) -> list[ReceivedMessage]:
        """Remove and return what waits in this lane."""
        rest = list(self._waiting.get(lane, ()))
        if rest:
            self._waiting[lane].clear()
            if lane not in self._running:
                self._ready.remove(lane)
        return rest

    def drop_all(self) -> list[ReceivedMessage]:
        return [message for lane in list(self._waiting) for message in self.drop(lane)]

    def finish(self, lane: Hashable) -> None:
        """The unit taken is over; what waits in its lane goes to the end of the line."""
        self._running.discard(lane)
        if self._waiting[lane]:
            self._ready.append(lane)
        else:
            del self._waiting[lane]

    def _lane_of(self, message: ReceivedMessage, received: object) -> Hashable:
        if self._fifo:
            return message.group_id
        return received if self._batch else object()
