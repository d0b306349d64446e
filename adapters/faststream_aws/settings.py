"""Numbers a user may tune, with the service's own limits checked where they are set."""

import random
from dataclasses import dataclass, field

from faststream.exceptions import SetupError

MAX_BATCH_ENTRIES = 10
MAX_VISIBILITY = 43_200  # seconds, counted from the receive (SQS quota: 12 hours)
MAX_WAIT_TIME = 20  # seconds


@dataclass(frozen=True, slots=True)
class Backoff:
    """Growing delays in seconds: ``first * factor ** (attempt - 1)``, at most ``maximum``.

    ``jitter`` is the share of a delay that is left to chance; it only ever shortens it.
    """

    first: float = 1.0
    factor: float = 2.0
    maximum: float = 900.0
    jitter: float = 0.2

    def delay(self, attempt: int) -> float:
        """The delay after the attempt of this number, the first one being 1."""
        exponent = min(max(attempt, 1) - 1, 64)  # beyond it a float overflows
        grown = min(self.maximum, self.first * self.factor**exponent)
        return grown * (1 - self.jitter * random.random())  # noqa: S311 - not a secret


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Keeping messages invisible while they are held or handled.

    A message is first extended when less than ``remaining`` of its visibility timeout is
    left, so that short handlers cost no calls. After ``max_age`` seconds it is let go.
    """

    enabled: bool = True
    remaining: float = 0.3
    max_age: float = MAX_VISIBILITY


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes; body, attribute names, types and values count."""

    queue_message: int = 1_048_576
    queue_batch: int = 1_048_576
    topic_message: int = 262_144
    topic_batch: int = 262_144
    attributes: int = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsumerSettings:
    """How one queue is read. Times are seconds. See the guide for the meaning of each."""

    fifo: bool = False
    batch: bool = False
    wait_time_seconds: int = 20
    poll_interval: float | None = None
    max_messages: int = MAX_BATCH_ENTRIES
    max_concurrency: int = 10
    prefetch: int | None = None
    pollers: int = 1
    visibility_timeout: int = 30
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    retry_delay: Backoff = field(default_factory=Backoff)
    poll_backoff: Backoff = field(default_factory=lambda: Backoff(first=0.5, maximum=30.0))
    delete_linger: float = 0.02
    call_attempts: int = 5
    call_backoff: Backoff = field(default_factory=lambda: Backoff(first=0.1, maximum=5.0))
    poll_drain_timeout: float | None = None

    def __post_init__(self) -> None:
        _within("wait_time_seconds", self.wait_time_seconds, 0, MAX_WAIT_TIME)
        _within("max_messages", self.max_messages, 1, MAX_BATCH_ENTRIES)
        _within("visibility_timeout", self.visibility_timeout, 1, MAX_VISIBILITY)
        _within("max_concurrency", self.max_concurrency, 1, None)
        _within("pollers", self.pollers, 1, None)
        _within("call_attempts", self.call_attempts, 1, None)

    @property
    def pause_after_empty(self) -> float:
        """A short poll returns at once, so it needs a pause; a long poll is one already."""
        if self.poll_interval is not None:
            return self.poll_interval
        return 0.0 if self.wait_time_seconds else 0.1

    @property
    def unit_is_message(self) -> bool:
        """Otherwise it is a message group (FIFO) or what one receive returned (batch)."""
        return not (self.fifo or self.batch)

    @property
    def units_per_receive(self) -> int:
        """The most that one receive can bring."""
        return 1 if self.batch and not self.fifo else self.max_messages

    @property
    def unit_limit(self) -> int:
        """Units (messages, groups or batches) held before the next receive must wait."""
        ahead = self.units_per_receive if self.prefetch is None else self.prefetch
        return self.max_concurrency + ahead


def _within(name: str, value: int, low: int, high: int | None) -> None:
    if value < low or (high is not None and value > high):
        msg = f"`{name}` must be within {low} and {high or 'any number'}, not {value}"
        raise SetupError(msg)
