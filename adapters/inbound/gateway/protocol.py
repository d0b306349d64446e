"""Device protocol v1: every message of either side, and the codes that a session may end with.

``docs/asyncapi.yaml`` is generated from here; ``docs/device-protocol.md`` tells the rules.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from domain.kernel.errors import ContractError, HomecastError

PATH = "/v1/device"
SUBPROTOCOL = "homecast.v1"
MAX_MESSAGE = 96 * 1024
MAX_DEPTH = 8
"""Levels of nesting in what a device sends: more is refused."""
MAX_RESULT = 64 * 1024
"""Bytes of JSON in the ``result`` of a command: it is kept with the events."""
MAX_TOLD = 200
"""Characters of an error's detail: it may quote what the device sent."""


class Close(IntEnum):
    """Close codes, and what the device does next."""

    DRAINING = 4000
    """This gateway stops: connect again after a random pause of up to 5 s."""
    SUPERSEDED = 4001
    """A newer session of the device is there: do not connect again if that was you."""
    REVOKED = 4002
    """Released or reported lost: the credential no longer holds."""
    UNACKNOWLEDGED = 4003
    """The oldest command had no answer for 10 s: connect again, it comes again."""
    PROTOCOL_ERROR = 4004
    """Too many faulty messages; an ``error`` was sent for each."""
    IDLE = 4005
    """No pong."""
    TOO_BIG = 1009
    TRY_LATER = 1013
    """The platform is short of something: connect again with growing pauses."""


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Number = Annotated[
    int, Field(ge=1, lt=2**53, description="The command's number, unique for the device")
]
Sequence = Annotated[int, Field(ge=0, lt=2**53, description="Ascending within a session")]
ReportedState = Annotated[
    dict[str, dict[str, Any]], Field(description="Attributes by cluster; may hold only changes")
]
Word = Annotated[str, Field(min_length=1, max_length=64)]
Sentence = Annotated[str, Field(max_length=1024)]
Of = Literal["receipt", "progress", "result", "report"]


class Receipt(Message):
    """The command has arrived; needed only where no result comes within 2 s."""

    type: Literal["receipt"]
    number: Number


class Progress(Message):
    """Work is going on; also counts as a receipt."""

    type: Literal["progress"]
    number: Number
    percent: int | None = Field(None, ge=0, le=100)
    detail: Sentence | None = None


class Result(Message):
    """How it ended. FAILED: tried in vain; REJECTED: would not try. Both give an ``error``."""

    type: Literal["result"]
    number: Number
    status: Literal["SUCCEEDED", "FAILED", "REJECTED"]
    result: dict[str, Any] = Field({}, description=f"At most {MAX_RESULT // 1024} KB of JSON")
    error: Word | None = None
    detail: Sentence | None = None
    state: ReportedState | None = None
    sequence: Sequence | None = None

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if (self.error is None) != (self.status == "SUCCEEDED"):
            raise ValueError("an error is given with FAILED and REJECTED, and only then")
        return self


class Report(Message):
    """The state that the device is in."""

    type: Literal["report"]
    sequence: Sequence
    state: ReportedState


class Welcome(Message):
    """First message of a session."""

    type: Literal["welcome"] = "welcome"
    session: str = Field(description="ULID; a later session has a greater one")
    heartbeat: int = Field(description="Seconds between pings of the platform")
    window: int = Field(description="Commands that may be unacknowledged at a time")


class Command(Message):
    """Do this, unless you have done this number before: then repeat its answer."""

    type: Literal["command"] = "command"
    number: Number
    command: str = Field(description="Cluster and command, such as OnOff.On")
    args: dict[str, Any]
    attempt: int = Field(ge=1, description="Above 1: it was sent to an earlier session already")
    expires_at: datetime = Field(description="When it would have expired, had it not been sent")
    deadline: datetime = Field(description="A result after this counts as late")
    trace: str | None = Field(None, description="X-Ray trace header")
    correlation_id: str
    generation: int = Field(
        1, ge=1, description="Of the store; a greater one gives the number a new meaning"
    )


class Ack(Message):
    """Stored: the device may forget what it said, but not the answer to a command."""

    type: Literal["ack"] = "ack"
    of: Of
    number: Number | None = None
    sequence: Sequence | None = None


class Error(Message):
    """A message was not taken. ``retryable``: the same one may be sent again, after a pause."""

    type: Literal["error"] = "error"
    code: str
    detail: str
    retryable: bool
    of: Of | None = None
    number: Number | None = None
    sequence: Sequence | None = None


FromDevice = Receipt | Progress | Result | Report
ToDevice = Welcome | Command | Ack | Error
FROM_DEVICE: TypeAdapter[FromDevice] = TypeAdapter(
    Annotated[FromDevice, Field(discriminator="type")]
)


def parse(data: str | bytes) -> FromDevice:
    """Raises ``ContractError``: not JSON, too deep, unknown type or field, wrong value."""
    if isinstance(data, bytes):
        raise ContractError("messages are text, not binary")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ContractError("not JSON (RFC 8259)") from error
    if _deeper_than(document, MAX_DEPTH):
        raise ContractError(f"more than {MAX_DEPTH} levels")
    try:
        return FROM_DEVICE.validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ContractError(f"{place}: {first['msg']}".lstrip(": ")) from error


def refusal(
    error: HomecastError,
    *,
    of: Of | None = None,
    number: int | None = None,
    sequence: int | None = None,
) -> Error:
    return Error(
        code=error.code,
        detail=error.detail[:MAX_TOLD],
        retryable=error.retryable,
        of=of,
        number=number,
        sequence=sequence,
    )


def result_too_large(result: Result) -> Error | None:
    size = len(orjson.dumps(result.result))
    if size <= MAX_RESULT:
        return None
    return Error(
        code="result_too_large",
        detail=f"the result is {size} bytes of JSON, {MAX_RESULT} are taken",
        retryable=False,
        of="result",
        number=result.number,
    )


def render(message: ToDevice) -> str:
    return message.model_dump_json(exclude_none=True)


def _deeper_than(document: Any, levels: int) -> bool:
    if isinstance(document, dict):
        return levels == 0 or any(_deeper_than(one, levels - 1) for one in document.values())
    if isinstance(document, list):
        return levels == 0 or any(_deeper_than(one, levels - 1) for one in document)
    return False
