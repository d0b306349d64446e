"""The remote command: its statuses, the table of its moves, and the events that make them.

The events belong to the lane's stream (``domain/devices/lane.py``); they stand here because the
read model folds them by themselves. Each carries the command's ``number`` (the lane version of
its first event) and its ``step`` (1, 2, 3 … within the command), by which the gate orders them.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from domain.kernel.event import Event, register
from domain.kernel.machine import Machine, moves


class CommandStatus(StrEnum):
    ACCEPTED = "ACCEPTED"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    TIMED_OUT = "TIMED_OUT"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"
    SUPERSEDED = "SUPERSEDED"


ACCEPTED, SENT, DELIVERED, IN_PROGRESS, SUCCEEDED, FAILED, REJECTED, TIMED_OUT = (
    CommandStatus.ACCEPTED,
    CommandStatus.SENT,
    CommandStatus.DELIVERED,
    CommandStatus.IN_PROGRESS,
    CommandStatus.SUCCEEDED,
    CommandStatus.FAILED,
    CommandStatus.REJECTED,
    CommandStatus.TIMED_OUT,
)
EXPIRED, CANCELED, SUPERSEDED = (
    CommandStatus.EXPIRED,
    CommandStatus.CANCELED,
    CommandStatus.SUPERSEDED,
)
IN_FLIGHT = (SENT, DELIVERED, IN_PROGRESS)
RESULTS = (SUCCEEDED, FAILED, REJECTED)
OPEN = (ACCEPTED, *IN_FLIGHT)
FINAL = (*RESULTS, TIMED_OUT, EXPIRED, CANCELED, SUPERSEDED)
"""TIMED_OUT counts as final, though one late result may still replace it within 24 h."""

MACHINE = Machine(
    (
        *moves((None,), (ACCEPTED,), "caller", "capabilities fit, lane open and below its cap"),
        *moves((ACCEPTED,), (SENT,), "gateway", "appended before the socket is written"),
        *moves((ACCEPTED,), (EXPIRED,), "clock", "ttl passed before it was sent"),
        *moves((ACCEPTED,), (CANCELED,), "caller", "before SENT only"),
        *moves((ACCEPTED,), (SUPERSEDED,), "newer command", "same collapse_key, before SENT only"),
        *moves((SENT,), (DELIVERED,), "device", "its receipt, where no result comes within 2 s"),
        *moves((SENT, DELIVERED), (IN_PROGRESS,), "device", "its first progress"),
        *moves(IN_FLIGHT, RESULTS, "device", "its result"),
        *moves(IN_FLIGHT, (TIMED_OUT,), "platform", "execution_timeout passed; frees the slot"),
        *moves((TIMED_OUT,), RESULTS, "device", "one late result within 24 h, marked late"),
    )
)


class RemoteCommandEvent(Event):
    number: int = Field(ge=1, description="Lane version of the command's first event")
    step: int = Field(ge=1, description="Position within the command's own events")


class RemoteCommandAccepted(RemoteCommandEvent):
    TOPIC: ClassVar[str] = "devices.remote_command_accepted"
    account_id: str
    client_id: str = Field(
        description="The token or service that asked; of a member of the home, `account:token`"
    )
    command: str = Field(description="Cluster and command, such as OnOff.On")
    args: dict[str, Any]
    expires_at: datetime = Field(description="Not sent from here on")
    execution_timeout: int = Field(description="Seconds, from the first sending")
    collapse_key: str | None = None
    idempotency_key: str | None = Field(None, description="Hash over client, account and key")
    body_hash: str | None = None


class RemoteCommandSent(RemoteCommandEvent):
    """Sent, or sent again to a newer session (``attempt`` above 1: the status stays)."""

    TOPIC: ClassVar[str] = "devices.remote_command_sent"
    session: str
    attempt: int = Field(ge=1)
    deadline: datetime = Field(description="TIMED_OUT from here on; set by the first attempt")


class RemoteCommandDelivered(RemoteCommandEvent):
    TOPIC: ClassVar[str] = "devices.remote_command_delivered"


class RemoteCommandProgressed(RemoteCommandEvent):
    """The first progress; later percentages are hints, not events."""

    TOPIC: ClassVar[str] = "devices.remote_command_progressed"
    percent: int | None = Field(None, ge=0, le=100)
    detail: str | None = None


class RemoteCommandSucceeded(RemoteCommandEvent):
    TOPIC: ClassVar[str] = "devices.remote_command_succeeded"
    result: dict[str, Any]
    late: bool = False


class RemoteCommandFailed(RemoteCommandEvent):
    """The device tried and could not."""

    TOPIC: ClassVar[str] = "devices.remote_command_failed"
    error: str
    detail: str | None = None
    late: bool = False


class RemoteCommandRejected(RemoteCommandEvent):
    """The device would not try."""

    TOPIC: ClassVar[str] = "devices.remote_command_rejected"
    error: str
    detail: str | None = None
    late: bool = False


class RemoteCommandTimedOut(RemoteCommandEvent):
    TOPIC: ClassVar[str] = "devices.remote_command_timed_out"


class RemoteCommandExpired(RemoteCommandEvent):
    TOPIC: ClassVar[str] = "devices.remote_command_expired"


class RemoteCommandCanceled(RemoteCommandEvent):
    TOPIC: ClassVar[str] = "devices.remote_command_canceled"
    by: str
    reason: str | None = Field(None, description="Set when the lane was closed: released, lost")


class RemoteCommandSuperseded(RemoteCommandEvent):
    TOPIC: ClassVar[str] = "devices.remote_command_superseded"
    by_number: int


STATUS_AFTER: dict[type[Event], CommandStatus] = {
    RemoteCommandAccepted: ACCEPTED,
    RemoteCommandSent: SENT,
    RemoteCommandDelivered: DELIVERED,
    RemoteCommandProgressed: IN_PROGRESS,
    RemoteCommandSucceeded: SUCCEEDED,
    RemoteCommandFailed: FAILED,
    RemoteCommandRejected: REJECTED,
    RemoteCommandTimedOut: TIMED_OUT,
    RemoteCommandExpired: EXPIRED,
    RemoteCommandCanceled: CANCELED,
    RemoteCommandSuperseded: SUPERSEDED,
}
register(*STATUS_AFTER)


def status_after(status: CommandStatus | None, event: RemoteCommandEvent) -> CommandStatus:
    """Where the event moves a command; raises ``IllegalMoveError`` off the table."""
    target = STATUS_AFTER[type(event)]
    if isinstance(event, RemoteCommandSent) and event.attempt > 1 and status in IN_FLIGHT:
        return status
    return MACHINE.enter(status, target)
