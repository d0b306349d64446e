"""Steps of a lane's and a device's life, and hypothesis strategies that walk through them.

A step takes the state and returns the events of one decision; seconds count from ``START``. In a
lane that begins with ``opened()`` the first command has the number 2.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from domain.devices import device as devices
from domain.devices import lane as lanes
from domain.devices.capabilities import KINDS, Capabilities, DeviceKind
from domain.devices.device import Device
from domain.devices.lane import LANE, Lane
from domain.devices.remote_command import CommandStatus
from domain.kernel.errors import HomecastError
from domain.kernel.event import Event

START = datetime(2026, 1, 1, tzinfo=UTC)
OWNER, OTHER = "01OWNER", "01OTHER"
FIRST = 2
OLD, NEW, NEWER = "01A", "01B", "01C"
"""Sessions, as they sort."""

LaneStep = Callable[[Lane], list[Event]]
DeviceStep = Callable[[Device], list[Event]]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


# --- lane -----------------------------------------------------------------------------------------


def opened(account: str = OWNER, *, second: float = 0, device_version: int = 1) -> LaneStep:
    return lambda lane: lanes.open_lane(
        lane, account_id=account, device_version=device_version, at=at(second)
    )


def closed(reason: str = "released", *, second: float = 0) -> LaneStep:
    return lambda lane: lanes.close_lane(lane, by="token:t", reason=reason, at=at(second))


def accepted(
    *,
    second: float = 0,
    ttl: int = 60,
    timeout: int = 30,
    collapse: str | None = None,
    key: str | None = None,
    body: str = "b",
    account: str = OWNER,
) -> LaneStep:
    """As ``submit`` decides: a remembered key first, then acceptance."""

    def decide(lane: Lane) -> list[Event]:
        moment = at(second)
        if lanes.remembered(lane, key=key, body_hash=body, at=moment) is not None:
            return []
        return lanes.accept(
            lane,
            account_id=account,
            client_id="token:t",
            command="LevelControl.MoveToLevel",
            args={"level": 7, "transition_time": 0},
            ttl=ttl,
            execution_timeout=timeout,
            collapse_key=collapse,
            idempotency_key=key,
            body_hash=body,
            at=moment,
        )

    return decide


def sent(number: int = FIRST, session: str = NEW, *, second: float = 1) -> LaneStep:
    return lambda lane: lanes.send(lane, number=number, session=session, at=at(second))


def received(number: int = FIRST, *, second: float = 2) -> LaneStep:
    return lambda lane: lanes.receipt(lane, number=number, at=at(second))


def progressed(number: int = FIRST, *, second: float = 3, percent: int | None = 40) -> LaneStep:
    return lambda lane: lanes.progress(
        lane, number=number, percent=percent, detail="half way", at=at(second)
    )


def succeeded(number: int = FIRST, *, second: float = 4) -> LaneStep:
    result = {"level": 7, "nested": [{"ok": True, "note": None, "ratio": 0.5}]}
    return lambda lane: lanes.succeed(lane, number=number, result=result, at=at(second))


def failed(number: int = FIRST, *, second: float = 4) -> LaneStep:
    return lambda lane: lanes.fail(
        lane, number=number, error="motor_blocked", detail="ünlösbar", at=at(second)
    )


def rejected(number: int = FIRST, *, second: float = 4) -> LaneStep:
    return lambda lane: lanes.reject(
        lane, number=number, error="child_lock", detail=None, at=at(second)
    )


def canceled(number: int = FIRST, *, second: float = 1) -> LaneStep:
    return lambda lane: lanes.cancel(lane, number=number, by="token:t", at=at(second))


def swept(*, second: float) -> LaneStep:
    return lambda lane: lanes.sweep(lane, at=at(second))


LATER = 3600.0
"""When anything with the usual times is overdue."""


def until(status: CommandStatus) -> list[LaneStep]:
    """An open lane whose first command, number 2, is in this status (collapse key ``c``)."""
    start = [opened(), accepted(collapse="c")]
    in_flight = [*start, sent()]
    ways: dict[CommandStatus, list[LaneStep]] = {
        CommandStatus.ACCEPTED: start,
        CommandStatus.SENT: in_flight,
        CommandStatus.DELIVERED: [*in_flight, received()],
        CommandStatus.IN_PROGRESS: [*in_flight, progressed()],
        CommandStatus.SUCCEEDED: [*in_flight, succeeded()],
        CommandStatus.FAILED: [*in_flight, failed()],
        CommandStatus.REJECTED: [*in_flight, rejected()],
        CommandStatus.TIMED_OUT: [*in_flight, swept(second=31)],
        CommandStatus.EXPIRED: [*start, swept(second=60)],
        CommandStatus.CANCELED: [*start, canceled()],
        CommandStatus.SUPERSEDED: [*start, accepted(collapse="c", second=1, timeout=86_400)],
    }
    return ways[status]


# --- device ---------------------------------------------------------------------------------------


def claimed(
    account: str = OWNER,
    *,
    name: str = "Lamp",
    kind: DeviceKind = DeviceKind.EXTENDED_COLOR_LIGHT,
    capabilities: Capabilities | None = None,
    proved_at: datetime | None = None,
) -> DeviceStep:
    return lambda device: devices.claim(
        device,
        account_id=account,
        name=name,
        kind=kind,
        capabilities=KINDS[kind] if capabilities is None else capabilities,
        proved_at=proved_at,
        at=at(0),
    )


def renamed(name: str = "Desk lamp") -> DeviceStep:
    return lambda device: devices.rename(device, name=name, at=at(1))


def reported_lost() -> DeviceStep:
    return lambda device: devices.report_lost(device, by="token:t", at=at(2))


def released() -> DeviceStep:
    return lambda device: devices.release(device, by="token:t", at=at(3))


# --- walks ----------------------------------------------------------------------------------------

_keys = st.none() | st.sampled_from(["k1", "k2"])
Move = Callable[[float], LaneStep]


def _number_in(lane: Lane, choice: int) -> int:
    """Mostly a command that the lane knows; now and then one that it never had."""
    known = sorted({*lane.open, *lane.timed_out, *lane.closed})
    choices = [*lane.open, *lane.open, *lane.open, *known, lane.version, lane.version + 1]
    return choices[choice % len(choices)]


def _of_some_command(step: Callable[[int, float], LaneStep]) -> st.SearchStrategy[Move]:
    def move(choice: int) -> Move:
        return lambda s: lambda lane: step(_number_in(lane, choice), s)(lane)

    return st.builds(move, st.integers(min_value=0, max_value=12))


def _of_some_session(session: str) -> Callable[[int, float], LaneStep]:
    return lambda number, s: sent(number, session, second=s)


def _acceptance(ttl: int, timeout: int, collapse: str | None, key: str | None) -> Move:
    def step(second: float) -> LaneStep:
        accept = accepted(second=second, ttl=ttl, timeout=timeout, collapse=collapse, key=key)
        return lambda lane: accept(lane) if lane.is_open else opened(OTHER, second=second)(lane)

    return step


_acceptances = st.builds(
    _acceptance,
    st.sampled_from([1, 60, 604_800]),
    st.sampled_from([1, 30, 86_400]),
    st.none() | st.just("c"),
    _keys,
)
_pauses = st.sampled_from([*[0.0] * 4, *[0.25] * 8, 0.5, 2.0, 40.0, 4_000.0, 90_000.0])
_usual: list[st.SearchStrategy[Move]] = [
    *([_acceptances] * 6),
    *(_of_some_command(_of_some_session(session)) for session in (OLD, NEW, NEWER)),
    _of_some_command(lambda number, s: received(number, second=s)),
    _of_some_command(lambda number, s: received(number, second=s)),
    _of_some_command(lambda number, s: progressed(number, second=s)),
    _of_some_command(lambda number, s: succeeded(number, second=s)),
    _of_some_command(lambda number, s: failed(number, second=s)),
    _of_some_command(lambda number, s: rejected(number, second=s)),
    _of_some_command(lambda number, s: canceled(number, second=s)),
    st.just(lambda s: swept(second=s)),
    st.builds(lambda who: lambda s: opened(who, second=s), st.sampled_from([OWNER, OTHER])),
]
_closing: st.SearchStrategy[Move] = st.just(lambda s: closed("lost", second=s))
# Weighted by repetition; ``one_of`` would drop the copies.
MOVES: st.SearchStrategy[Move] = st.sampled_from([*_usual, *_usual, _closing]).flatmap(
    lambda chosen: chosen
)
"""What may be asked of a lane at any time, sensible or not."""


@st.composite
def walks(draw: st.DrawFn, *, longest: int = 60) -> list[LaneStep]:
    """Steps at times that only go forward, beginning with an open lane."""
    clock, steps = 0.0, [opened()]
    length = draw(st.integers(min_value=0, max_value=longest))
    for move, pause in draw(st.lists(st.tuples(MOVES, _pauses), min_size=length, max_size=length)):
        clock += pause
        steps.append(move(clock))
    return steps


def walk(steps: list[LaneStep], lane_id: str = "walk") -> tuple[Lane, list[Event]]:
    """Where the steps lead; refusals lead nowhere."""
    lane = LANE.initial(LANE.stream(lane_id))
    history: list[Event] = []
    for step in steps:
        try:
            events = step(lane)
        except HomecastError:
            continue
        for event in events:
            lane = LANE.fold(lane, event)
        history += events
    return lane, history


@st.composite
def histories(draw: st.DrawFn, *, longest: int = 60) -> list[Event]:
    """All events of some lane."""
    _, history = walk(draw(walks(longest=longest)))
    return history
