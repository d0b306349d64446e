"""What each decision makes of a command in each status: one row a decision, one cell a case."""

from __future__ import annotations

import pytest

from domain.devices.lane import (
    LANE,
    CommandNotCancelable,
    CommandNotFound,
    LaneClosed,
    StaleSession,
)
from domain.devices.remote_command import (
    CommandStatus,
    RemoteCommandAccepted,
    RemoteCommandCanceled,
    RemoteCommandDelivered,
    RemoteCommandExpired,
    RemoteCommandFailed,
    RemoteCommandProgressed,
    RemoteCommandRejected,
    RemoteCommandSent,
    RemoteCommandSucceeded,
    RemoteCommandSuperseded,
    RemoteCommandTimedOut,
)
from domain.kernel.errors import HomecastError
from domain.kernel.event import Event
from tests.support.given import Step, given
from tests.support.streams import (
    FIRST,
    LATER,
    NEW,
    NEWER,
    OLD,
    accepted,
    canceled,
    closed,
    failed,
    opened,
    progressed,
    received,
    rejected,
    sent,
    succeeded,
    swept,
    until,
)

NOTHING = "·"
MEANING: dict[str, tuple[type[Event], ...] | type[HomecastError]] = {
    NOTHING: (),
    "sent": (RemoteCommandSent,),
    "delivered": (RemoteCommandDelivered,),
    "progressed": (RemoteCommandProgressed,),
    "succeeded": (RemoteCommandSucceeded,),
    "failed": (RemoteCommandFailed,),
    "rejected": (RemoteCommandRejected,),
    "timed_out": (RemoteCommandTimedOut,),
    "expired": (RemoteCommandExpired,),
    "canceled": (RemoteCommandCanceled,),
    "accepted": (RemoteCommandAccepted,),
    "superseded": (RemoteCommandAccepted, RemoteCommandSuperseded),
    "closed": (LaneClosed,),
    "closed,canceled": (LaneClosed, RemoteCommandCanceled),
    "!unknown": CommandNotFound,
    "!late": CommandNotCancelable,
    "!stale": StaleSession,
}
# fmt: off
COLUMNS = "ACCEPTED SENT DELIVERED IN_PROGRESS SUCCEEDED FAILED REJECTED TIMED_OUT EXPIRED CANCELED"
TABLE = """
send_same   sent      ·          ·          ·          · · · ·         ·       ·
send_newer  sent      sent       sent       sent       · · · ·         ·       ·
send_older  sent      !stale     !stale     !stale     · · · ·         ·       ·
send_late   expired   timed_out  timed_out  timed_out  · · · ·         ·       ·
receipt     !unknown  delivered  ·          ·          · · · ·         ·       ·
progress    !unknown  progressed progressed ·          · · · ·         ·       ·
succeed     !unknown  succeeded  succeeded  succeeded  · · · succeeded ·       ·
fail        !unknown  failed     failed     failed     · · · failed    ·       ·
reject      !unknown  rejected   rejected   rejected   · · · rejected  ·       ·
cancel      canceled  !late      !late      !late      !late !late !late !late !late ·
cancel_late !late     !late      !late      !late      !late !late !late !late !late ·
sweep_early ·         ·          ·          ·          · · · ·         ·       ·
sweep_late  expired   timed_out  timed_out  timed_out  · · · ·         ·       ·
supersede   superseded accepted  accepted   accepted   accepted accepted accepted accepted accepted accepted
close       closed,canceled closed closed   closed     closed closed closed closed closed closed
open        ·         ·          ·          ·          · · · ·         ·       ·
"""  # noqa: E501
# fmt: on
DECISIONS: dict[str, Step] = {
    "send_same": sent(session=NEW, second=5),
    "send_newer": sent(session=NEWER, second=5),
    "send_older": sent(session=OLD, second=5),
    "send_late": sent(session=NEWER, second=LATER),
    "receipt": received(second=5),
    "progress": progressed(second=5),
    "succeed": succeeded(second=5),
    "fail": failed(second=5),
    "reject": rejected(second=5),
    "cancel": canceled(second=5),
    "cancel_late": canceled(second=LATER),
    "sweep_early": swept(second=5),
    "sweep_late": swept(second=LATER),
    "supersede": accepted(collapse="c", second=5),
    "close": closed(second=5),
    "open": opened(second=5),
}
CASES = [
    (name, CommandStatus(status), cell)
    for name, *cells in map(str.split, TABLE.strip().splitlines())
    for status, cell in zip(COLUMNS.split(), cells, strict=True)
]


@pytest.mark.parametrize(("decision", "status", "cell"), CASES)
def test_a_decision_on_a_command_in_a_status(
    decision: str, status: CommandStatus, cell: str
) -> None:
    case = given(LANE, *until(status)).when(DECISIONS[decision])
    meaning = MEANING[cell]
    if isinstance(meaning, tuple):
        case.then(*meaning, repeats=decision == "supersede")
    else:
        case.then_raises(meaning)


def test_the_table_has_every_decision() -> None:
    assert {name for name, *_ in CASES} == set(DECISIONS)


@pytest.mark.parametrize(
    "step",
    [
        sent(session=NEWER, second=5),
        received(second=5),
        progressed(second=5),
        succeeded(second=5),
        failed(second=5),
        rejected(second=5),
        swept(second=5),
    ],
)
def test_a_superseded_command_takes_nothing_more(step: Step) -> None:
    given(LANE, *until(CommandStatus.SUPERSEDED)).when(step).then()


def test_a_superseded_command_cannot_be_canceled_and_says_so() -> None:
    case = given(LANE, *until(CommandStatus.SUPERSEDED)).when(canceled(FIRST, second=5))
    case.then_raises(CommandNotCancelable, status=CommandStatus.SUPERSEDED)


@pytest.mark.parametrize(
    "status", [status for status in CommandStatus if status not in ("ACCEPTED", "CANCELED")]
)
def test_a_refused_cancel_tells_the_status(status: CommandStatus) -> None:
    case = given(LANE, *until(status)).when(canceled(second=5))
    case.then_raises(CommandNotCancelable, status=status)


@pytest.mark.parametrize(
    "step", [received(99), progressed(99), succeeded(99), failed(99), rejected(99)]
)
def test_a_device_cannot_report_on_a_command_that_never_was(step: Step) -> None:
    given(LANE, opened(), accepted()).when(step).then_raises(CommandNotFound, number=99)


@pytest.mark.parametrize("number", [-1, 0, 1, 3, 99])
def test_sending_what_is_no_command_does_nothing(number: int) -> None:
    given(LANE, opened(), accepted(), sent()).when(sent(number, NEWER)).then()
