"""The promises about commands, each as a check that names every violation in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.devices.device import DEVICE
from domain.devices.lane import LANE
from domain.devices.remote_command import (
    FINAL,
    IN_FLIGHT,
    MACHINE,
    STATUS_AFTER,
    CommandStatus,
    RemoteCommandAccepted,
    RemoteCommandEvent,
    RemoteCommandSent,
)
from domain.kernel.event import Aggregate, category_of, id_of
from domain.kernel.machine import IllegalMoveError
from domain.kernel.recorded import Recorded

CommandId = tuple[str, int]
"""Device and number."""
Streams = Mapping[str, Sequence[Recorded]]


@dataclass(frozen=True)
class Answer:
    """What a client was told: its key, the command that it was given for it, and how that stood."""

    key: str
    device_id: str
    number: int
    status: str = CommandStatus.ACCEPTED


@dataclass(frozen=True)
class History:
    """One remote command's own events, in the order of the stream."""

    device_id: str
    number: int
    events: list[RemoteCommandEvent]

    @property
    def name(self) -> str:
        return f"{self.device_id}.{self.number}"

    def statuses(self) -> list[CommandStatus]:
        return [STATUS_AFTER[type(event)] for event in self.events]

    @property
    def attempts(self) -> list[RemoteCommandSent]:
        return [event for event in self.events if isinstance(event, RemoteCommandSent)]


def histories_of(streams: Streams) -> dict[CommandId, History]:
    found: dict[CommandId, History] = {}
    for stream, recorded in streams.items():
        for event in (one.event for one in recorded):
            if isinstance(event, RemoteCommandEvent):
                place = (id_of(stream), event.number)
                found.setdefault(place, History(*place, [])).events.append(event)
    return found


# --- the store --------------------------------------------------------------------------------


def streams_fold(streams: Streams) -> Iterator[str]:
    """Versions 1, 2, 3 … and every event legal where it stands."""
    for stream, recorded in streams.items():
        versions = [one.event.originator_version for one in recorded]
        if versions != list(range(1, len(versions) + 1)):
            yield f"{stream}: versions are not contiguous"
            continue
        try:
            _fold(stream, recorded)
        except (IllegalMoveError, KeyError) as error:
            yield f"{stream}: the domain cannot fold it: {error!r}"


def _fold(stream: str, recorded: Sequence[Recorded]) -> None:
    aggregate: Aggregate[Any] = DEVICE if category_of(stream) == DEVICE.category else LANE
    state = aggregate.initial(stream)
    for one in recorded:
        state = aggregate.fold(state, one.event)


def nothing_is_open(histories: Iterable[History]) -> Iterator[str]:
    for history in histories:
        last = history.statuses()[-1]
        if last not in FINAL:
            yield f"{history.name} was left {last}"


# --- histories --------------------------------------------------------------------------------


def histories_are_legal(histories: Iterable[History]) -> Iterator[str]:
    for history in histories:
        for fault in _faults_of(history):
            yield f"{history.name}: {fault}"


def _faults_of(history: History) -> Iterator[str]:
    events, first = history.events, history.events[0]
    if [event.step for event in events] != list(range(1, len(events) + 1)):
        yield f"steps are {[event.step for event in events]}"
    if not isinstance(first, RemoteCommandAccepted):
        yield f"begins with {type(first).__name__}"
        return
    if first.originator_version != first.number:
        yield f"accepted in version {first.originator_version}"
    yield from _illegal_moves(history)
    if [sent.attempt for sent in history.attempts] != list(range(1, len(history.attempts) + 1)):
        yield "attempts are not numbered 1, 2, 3 …"
    if history.attempts and history.attempts[0].timestamp >= first.expires_at:
        yield "sent after it had expired"
    sessions = [sent.session for sent in history.attempts]
    if sorted(set(sessions)) != sessions:
        yield "sent twice to a session, or to an older one after a newer"


def _illegal_moves(history: History) -> Iterator[str]:
    status: CommandStatus | None = None
    for event, target in zip(history.events, history.statuses(), strict=True):
        again = isinstance(event, RemoteCommandSent) and event.attempt > 1
        if again and status in IN_FLIGHT:
            continue
        if not MACHINE.allows(status, target):
            yield f"no move leads from {status} to {target}"
        if status == CommandStatus.TIMED_OUT and not getattr(event, "late", False):
            yield f"{target} after TIMED_OUT is not marked late"
        status = target


# --- clients and devices ----------------------------------------------------------------------


def answers_are_kept(
    answers: Sequence[Answer], histories: Mapping[CommandId, History]
) -> Iterator[str]:
    """One command for one key, each of them in the store, and nothing there that nobody asked."""
    given: dict[str, set[CommandId]] = defaultdict(set)
    for answer in answers:
        given[answer.key].add((answer.device_id, answer.number))
    for key, commands in given.items():
        if len(commands) > 1:
            yield f"key {key} was answered with several commands: {sorted(commands)}"
    promised = Counter(place for commands in given.values() for place in commands)
    for place, keys in promised.items():
        if place not in histories:
            yield f"{place[0]}.{place[1]} was accepted, and the store does not know it"
        if keys > 1:
            yield f"{place[0]}.{place[1]} was given for {keys} keys"
    for place in histories.keys() - promised.keys():
        yield f"{place[0]}.{place[1]} is in the store, and nobody was told of it"
    for answer in answers:
        history = histories.get((answer.device_id, answer.number))
        if history and answer.status not in history.statuses():
            yield f"{history.name} was told to be {answer.status}, and never was"


def devices_obeyed(
    executed: Mapping[str, Sequence[int]], histories: Mapping[CommandId, History]
) -> Iterator[str]:
    for device_id, numbers in executed.items():
        for number, times in Counter(numbers).items():
            if times > 1:
                yield f"{device_id}.{number} was executed {times} times"
        if list(numbers) != sorted(numbers):
            yield f"{device_id} executed out of order: {list(numbers)}"
        for number in numbers:
            history = histories.get((device_id, number))
            if history is None or not history.attempts:
                yield f"{device_id}.{number} was executed and never sent"
    for (device_id, number), history in histories.items():
        succeeded = history.statuses()[-1] == CommandStatus.SUCCEEDED
        if succeeded and device_id in executed and number not in executed[device_id]:
            yield f"{device_id}.{number} succeeded, but its device never executed it"
