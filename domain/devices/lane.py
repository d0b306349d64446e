"""A lane: the order, the cap and the life of all remote commands of one device.

Stream ``lane-{device id}``. The state holds numbers, deadlines and hashes, never payloads, and all
of its collections are bounded. Every decision returns no event when there is nothing left to do,
so that deciding again is harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, assert_never, cast

from pydantic import BaseModel, ConfigDict, Field

from domain.devices.remote_command import (
    ACCEPTED,
    CANCELED,
    EXPIRED,
    IN_FLIGHT,
    IN_PROGRESS,
    SENT,
    TIMED_OUT,
    CommandStatus,
    RemoteCommandAccepted,
    RemoteCommandCanceled,
    RemoteCommandDelivered,
    RemoteCommandEvent,
    RemoteCommandExpired,
    RemoteCommandFailed,
    RemoteCommandProgressed,
    RemoteCommandRejected,
    RemoteCommandSent,
    RemoteCommandSucceeded,
    RemoteCommandSuperseded,
    RemoteCommandTimedOut,
    status_after,
)
from domain.kernel.errors import Conflict, IdempotencyKeyReused, NotFound, Refused, Unavailable
from domain.kernel.event import Aggregate, Event, State, register

CAP = 100
"""Open commands per lane."""
LATE_RESULT = timedelta(hours=24)
KEY_MEMORY = timedelta(hours=24)
KEYS_KEPT = 256
LATE_KEPT = 256
CLOSED_KEPT = 32
EVENTS_PER_DECISION = 90
"""Below DynamoDB's 100 actions a transaction, with room for what is committed beside them."""
TTL_DEFAULT, TTL_MIN, TTL_MAX = 60, 1, 7 * 24 * 3600
EXECUTION_TIMEOUT_DEFAULT, EXECUTION_TIMEOUT_MIN, EXECUTION_TIMEOUT_MAX = 30, 1, 24 * 3600


class LaneFull(Unavailable):
    """The device has 100 open commands; try again when some have ended."""

    code = "lane_full"


class LaneIsClosed(Refused):
    code = "lane_closed"


class CommandNotFound(NotFound):
    code = "command_not_found"


class CommandNotCancelable(Conflict):
    """It was sent, or has ended; ``extra["status"]`` says which, while that is remembered."""

    code = "command_not_cancelable"
    retryable = False


class StaleSession(Refused):
    """A newer session of the same device has already taken commands."""

    code = "stale_session"


class LaneOpened(Event):
    TOPIC: ClassVar[str] = "devices.lane_opened"
    account_id: str
    device_version: int = Field(description="Version of the claim that opened the lane")


class LaneClosed(Event):
    TOPIC: ClassVar[str] = "devices.lane_closed"
    reason: str = Field(description="released or lost")


LaneEvent = (
    LaneOpened
    | LaneClosed
    | RemoteCommandAccepted
    | RemoteCommandSent
    | RemoteCommandDelivered
    | RemoteCommandProgressed
    | RemoteCommandSucceeded
    | RemoteCommandFailed
    | RemoteCommandRejected
    | RemoteCommandTimedOut
    | RemoteCommandExpired
    | RemoteCommandCanceled
    | RemoteCommandSuperseded
)
register(LaneOpened, LaneClosed)


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class OpenCommand(Frozen):
    """``due``: when the clock acts next: the expiry until sent, then the execution deadline.
    ``client_id``: who gave it, as the event says."""

    status: CommandStatus
    step: int
    due: datetime
    execution_timeout: int
    client_id: str
    collapse_key: str | None = None
    session: str | None = None
    attempt: int = 0


class TimedOutCommand(Frozen):
    step: int
    until: datetime


class RememberedKey(Frozen):
    number: int
    body_hash: str
    until: datetime


class Lane(State):
    account_id: str | None = None
    device_version: int = 0
    opened_at: int = 0
    """Lane version of the last opening: earlier commands are an earlier owner's, never sent."""
    is_open: bool = False
    session: str = ""
    open: Mapping[int, OpenCommand] = {}
    timed_out: Mapping[int, TimedOutCommand] = {}
    keys: Mapping[str, RememberedKey] = {}
    closed: Mapping[int, CommandStatus] = {}

    @property
    def device_id(self) -> str:
        return self.stream.split("-", 1)[1]

    def queue(self) -> list[int]:
        """Numbers that the device has to be given, in order."""
        if not self.is_open:
            return []
        return sorted(number for number in self.open if number > self.opened_at)

    def taken(self) -> int:
        """Slots in use: what an earlier owner left in flight takes none."""
        return sum(number > self.opened_at for number in self.open)

    def next_due(self) -> datetime | None:
        return min((command.due for command in self.open.values()), default=None)


# --- fold ---------------------------------------------------------------------------------------


def fold(state: Lane, event: Event) -> Lane:
    known = cast("LaneEvent", event)
    match known:
        case LaneOpened():
            return _with(
                state,
                event,
                account_id=known.account_id,
                device_version=known.device_version,
                opened_at=event.originator_version,
                is_open=True,
                keys={},
            )
        case LaneClosed():
            return _with(state, event, is_open=False)
        case RemoteCommandAccepted():
            return _accepted(state, known)
        case RemoteCommandSent():
            return _sent(state, known)
        case RemoteCommandDelivered() | RemoteCommandProgressed():
            return _advanced(state, known)
        case RemoteCommandTimedOut():
            late = TimedOutCommand(step=known.step, until=event.timestamp + LATE_RESULT)
            timed_out = _newest({**state.timed_out, known.number: late}, LATE_KEPT)
            return _ended(state, known, timed_out=timed_out)
        case (
            RemoteCommandSucceeded()
            | RemoteCommandFailed()
            | RemoteCommandRejected()
            | RemoteCommandExpired()
            | RemoteCommandCanceled()
            | RemoteCommandSuperseded()
        ):
            return _ended(state, known, timed_out=_without(state.timed_out, known.number))
        case _:
            assert_never(known)


def _with(state: Lane, event: Event, **changes: Any) -> Lane:
    return state.model_copy(update={"version": event.originator_version, **changes})


def _newest(entries: Mapping[Any, Any], keep: int) -> Mapping[Any, Any]:
    if len(entries) <= keep:
        return entries
    return dict(list(entries.items())[-keep:])


def _without(entries: Mapping[Any, Any], gone: int | str) -> Mapping[Any, Any]:
    if gone not in entries:
        return entries
    return {key: value for key, value in entries.items() if key != gone}


def _moved(state: Lane, event: RemoteCommandEvent) -> CommandStatus:
    """Where the event moves its command; raises ``IllegalMoveError`` off the table."""
    number = event.number
    if number in state.open:
        return status_after(state.open[number].status, event)
    return status_after(TIMED_OUT if number in state.timed_out else state.closed.get(number), event)


def _accepted(state: Lane, event: RemoteCommandAccepted) -> Lane:
    command = OpenCommand(
        status=_moved(state, event),
        step=event.step,
        due=event.expires_at,
        execution_timeout=event.execution_timeout,
        client_id=event.client_id,
        collapse_key=event.collapse_key,
    )
    keys = state.keys
    if event.idempotency_key and event.body_hash:
        until = event.timestamp + KEY_MEMORY
        entry = RememberedKey(number=event.number, body_hash=event.body_hash, until=until)
        others = _without(keys, event.idempotency_key)  # a key used anew counts as the newest
        keys = _newest({**others, event.idempotency_key: entry}, KEYS_KEPT)
    return _with(state, event, open={**state.open, event.number: command}, keys=keys)


def _sent(state: Lane, event: RemoteCommandSent) -> Lane:
    status = _moved(state, event)
    command = state.open[event.number].model_copy(
        update={
            "status": status,
            "step": event.step,
            "due": event.deadline,
            "session": event.session,
            "attempt": event.attempt,
        }
    )
    session = max(state.session, event.session)
    return _with(state, event, open={**state.open, event.number: command}, session=session)


def _advanced(state: Lane, event: RemoteCommandDelivered | RemoteCommandProgressed) -> Lane:
    status = _moved(state, event)
    command = state.open[event.number].model_copy(update={"status": status, "step": event.step})
    return _with(state, event, open={**state.open, event.number: command})


def _ended(state: Lane, event: RemoteCommandEvent, **changes: Any) -> Lane:
    status = _moved(state, event)
    closed = _newest({**_without(state.closed, event.number), event.number: status}, CLOSED_KEPT)
    return _with(state, event, open=_without(state.open, event.number), closed=closed, **changes)


LANE = Aggregate("lane", Lane, fold, snapshot_every=200, code_version=2)


# --- decisions ----------------------------------------------------------------------------------


class Writer:
    """Numbers the events of one decision: versions from the lane's, steps from the command's."""

    def __init__(self, lane: Lane, at: datetime) -> None:
        self.lane = lane
        self.at = at
        self.events: list[Event] = []

    @property
    def next_version(self) -> int:
        return self.lane.version + len(self.events) + 1

    def write(self, event_type: type[Event], **fields: Any) -> None:
        self.events.append(
            event_type(
                originator_id=self.lane.stream,
                originator_version=self.next_version,
                timestamp=self.at,
                **fields,
            )
        )

    def move(self, event_type: type[RemoteCommandEvent], number: int, **fields: Any) -> None:
        known = self.lane.open.get(number) or self.lane.timed_out[number]
        self.write(event_type, number=number, step=known.step + 1, **fields)


def open_lane(lane: Lane, *, account_id: str, device_version: int, at: datetime) -> list[Event]:
    """Also cancel what closing left over, so that the next owner finds nothing queued."""
    if lane.is_open:
        return []
    writer = Writer(lane, at)
    writer.write(LaneOpened, account_id=account_id, device_version=device_version)
    _cancel_unsent(writer, by="platform", reason="lane_closed")
    return writer.events


def close_lane(lane: Lane, *, by: str, reason: str, at: datetime) -> list[Event]:
    """Cancel what was not sent, as far as one transaction holds; ``sweep`` does the rest."""
    if not lane.is_open:
        return []
    writer = Writer(lane, at)
    writer.write(LaneClosed, reason=reason)
    _cancel_unsent(writer, by=by, reason=reason)
    return writer.events


def _cancel_unsent(writer: Writer, *, by: str, reason: str) -> None:
    unsent = [number for number, one in writer.lane.open.items() if one.status == ACCEPTED]
    for number in unsent[: EVENTS_PER_DECISION - len(writer.events)]:
        writer.move(RemoteCommandCanceled, number, by=by, reason=reason)


def remembered(lane: Lane, *, key: str | None, body_hash: str, at: datetime) -> int | None:
    """The number that an earlier submit with this key was given.

    A key is remembered for 24 h, or until 256 later commands with keys. Raises
    ``IdempotencyKeyReused`` when the body differs.
    """
    entry = lane.keys.get(key) if key else None
    if entry is None or entry.until <= at:
        return None
    if entry.body_hash != body_hash:
        raise IdempotencyKeyReused("this Idempotency-Key was used with another body")
    return entry.number


def accept(
    lane: Lane,
    *,
    account_id: str,
    client_id: str,
    command: str,
    args: Mapping[str, Any],
    ttl: int,
    execution_timeout: int,
    collapse_key: str | None,
    idempotency_key: str | None,
    body_hash: str,
    at: datetime,
    not_after: datetime | None = None,
    replaces: str = "",
) -> list[Event]:
    """Accept a checked command; the first event's version is its number.

    ``not_after``: the ttl ends there at the latest. ``replaces``: only what a client whose id
    begins so has given is superseded.
    """
    if not lane.is_open:
        raise LaneIsClosed("the device takes no commands")
    writer = Writer(lane, at)
    number = writer.next_version
    expires_at = at + timedelta(seconds=ttl)
    writer.write(
        RemoteCommandAccepted,
        number=number,
        step=1,
        account_id=account_id,
        client_id=client_id,
        command=command,
        args=dict(args),
        expires_at=min(expires_at, not_after) if not_after else expires_at,
        execution_timeout=execution_timeout,
        collapse_key=collapse_key,
        idempotency_key=idempotency_key,
        body_hash=body_hash if idempotency_key else None,
    )
    freed = _make_room(writer, number, collapse_key, replaces)
    if lane.taken() - freed >= CAP:
        raise LaneFull("the device has 100 open commands", retry_after=1)
    return writer.events


def _make_room(writer: Writer, number: int, collapse_key: str | None, replaces: str) -> int:
    """Supersede what the new command replaces; at the cap also end what is overdue."""
    lane, at, freed = writer.lane, writer.at, 0
    full = lane.taken() >= CAP
    for old, command in lane.open.items():
        if len(writer.events) >= EVENTS_PER_DECISION:
            break
        replaced = collapse_key is not None and command.collapse_key == collapse_key
        replaced = replaced and command.client_id.startswith(replaces)
        if command.status == ACCEPTED and command.due <= at and (full or replaced):
            writer.move(RemoteCommandExpired, old)
        elif command.status == ACCEPTED and replaced:
            writer.move(RemoteCommandSuperseded, old, by_number=number)
        elif command.status != ACCEPTED and command.due <= at and full:
            writer.move(RemoteCommandTimedOut, old)
        else:
            continue
        freed += old > lane.opened_at
    return freed


def send(lane: Lane, *, number: int, session: str, at: datetime) -> list[Event]:
    """Mark as sent before the socket is written; send again only to a newer session.

    Returns an expiry or a time-out instead when that is due. Raises ``StaleSession``.
    """
    command = lane.open.get(number)
    if command is None or number not in lane.queue():
        return []
    if session < lane.session:
        raise StaleSession("a newer session of this device has taken over")
    if command.status != ACCEPTED and command.session == session:
        return []
    writer = Writer(lane, at)
    if command.due <= at:
        overdue = RemoteCommandExpired if command.status == ACCEPTED else RemoteCommandTimedOut
        writer.move(overdue, number)
        return writer.events
    first = command.status == ACCEPTED
    deadline = at + timedelta(seconds=command.execution_timeout) if first else command.due
    attempt = command.attempt + 1
    writer.move(RemoteCommandSent, number, session=session, attempt=attempt, deadline=deadline)
    return writer.events


def receipt(lane: Lane, *, number: int, at: datetime) -> list[Event]:
    command = _of_device(lane, number)
    if command is None or command.status != SENT:
        return []
    writer = Writer(lane, at)
    writer.move(RemoteCommandDelivered, number)
    return writer.events


def progress(
    lane: Lane, *, number: int, percent: int | None, detail: str | None, at: datetime
) -> list[Event]:
    command = _of_device(lane, number)
    if command is None or command.status == IN_PROGRESS:
        return []
    writer = Writer(lane, at)
    writer.move(RemoteCommandProgressed, number, percent=percent, detail=detail)
    return writer.events


def succeed(lane: Lane, *, number: int, result: dict[str, Any], at: datetime) -> list[Event]:
    return _result(lane, RemoteCommandSucceeded, number, at, result=result)


def fail(lane: Lane, *, number: int, error: str, detail: str | None, at: datetime) -> list[Event]:
    return _result(lane, RemoteCommandFailed, number, at, error=error, detail=detail)


def reject(lane: Lane, *, number: int, error: str, detail: str | None, at: datetime) -> list[Event]:
    return _result(lane, RemoteCommandRejected, number, at, error=error, detail=detail)


def _of_device(lane: Lane, number: int) -> OpenCommand | None:
    """The command if the device was given it, None when it has ended, else ``CommandNotFound``."""
    if number > lane.version or not lane.is_open:
        raise CommandNotFound("the device was never given this command", number=number)
    command = lane.open.get(number)
    if command is None or number < lane.opened_at:
        return None
    if command.status == ACCEPTED:
        raise CommandNotFound("this command was not sent yet", number=number)
    return command


def _result(
    lane: Lane, event_type: type[RemoteCommandEvent], number: int, at: datetime, **fields: Any
) -> list[Event]:
    """A repeated result, or one for a command that has ended otherwise, changes nothing."""
    writer = Writer(lane, at)
    if _of_device(lane, number) is not None:
        writer.move(event_type, number, **fields)
        return writer.events
    late = lane.timed_out.get(number)
    if late is not None and at < late.until and number > lane.opened_at:
        writer.move(event_type, number, late=True, **fields)
    return writer.events


def cancel(lane: Lane, *, number: int, by: str, at: datetime) -> list[Event]:
    command = lane.open.get(number)
    if command is None:
        status = lane.closed.get(number)
        if status == CANCELED:
            return []
        raise CommandNotCancelable("the command has ended", status=status)
    if command.status in IN_FLIGHT:
        raise CommandNotCancelable("the command was sent", status=command.status)
    if command.due <= at:  # the sweep will write it; asked again, the answer is the same
        raise CommandNotCancelable("the command has expired", status=EXPIRED)
    writer = Writer(lane, at)
    writer.move(RemoteCommandCanceled, number, by=by)
    return writer.events


def cancel_of(lane: Lane, *, client: str, over_at: datetime, by: str, at: datetime) -> list[Event]:
    """What clients whose ids begin so have given, was not sent, and would wait beyond ``over_at``;
    as far as one transaction holds."""
    writer = Writer(lane, at)
    for number, command in lane.open.items():
        given = command.status == ACCEPTED and command.client_id.startswith(client)
        if given and command.due > max(over_at, at) and len(writer.events) < EVENTS_PER_DECISION:
            writer.move(RemoteCommandCanceled, number, by=by)
    return writer.events


def sweep(lane: Lane, *, at: datetime) -> list[Event]:
    """End what the clock has ended; in a closed lane also what was never sent."""
    writer = Writer(lane, at)
    for number, command in lane.open.items():
        if len(writer.events) >= EVENTS_PER_DECISION:
            break
        if command.status == ACCEPTED and command.due <= at:
            writer.move(RemoteCommandExpired, number)
        elif command.status == ACCEPTED and not _still_wanted(lane, number):
            writer.move(RemoteCommandCanceled, number, by="platform", reason="lane_closed")
        elif command.status in IN_FLIGHT and command.due <= at:
            writer.move(RemoteCommandTimedOut, number)
    return writer.events


def _still_wanted(lane: Lane, number: int) -> bool:
    return lane.is_open and number > lane.opened_at
