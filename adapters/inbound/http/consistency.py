"""Read-your-writes: the token that an accepted command answers with, and that a query may send.

It names rows of read models and the number that each has to have. It is opaque to clients, and not
signed: it only ever makes a query wait, and never for what the caller may not see (``fresh.py``).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Header
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.inbound.http.errors import InvalidConsistencyToken
from domain.kernel.recorded import Recorded
from projections.devices.devices import DEVICES, DeviceRow
from projections.devices.remote_commands import REMOTE_COMMANDS, RemoteCommandRow
from projections.kernel.marks import marks_of

NAME = "Consistency-Token"
SIZE = 4096
"""Characters: the end of a device ends its open commands, each of which is a mark."""
MARKS = 128
DEVICES_MAX = 8
WAIT_DEFAULT = 2.0
WAIT_MAX = 10.0
PREFER_MAX = 256
SHAPE = re.compile(r"[A-Za-z0-9_-]+")
WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,9})\"?")

Number = Annotated[int, Field(ge=1, le=2**53 - 1)]
DeviceKey = Annotated[str, Field(pattern="^[a-z2-7]{26}$")]


class Marks(BaseModel):
    """``d``: device → version; ``c``: device → number of a remote command → step.

    ``g``: the store's generation, for both. ``v``: of this form.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    v: Literal[1]
    g: Annotated[int, Field(ge=1, le=2**31)]
    d: Annotated[dict[DeviceKey, Number], Field(max_length=DEVICES_MAX)] = {}
    c: Annotated[dict[DeviceKey, dict[Number, Number]], Field(max_length=DEVICES_MAX)] = {}

    @property
    def count(self) -> int:
        return len(self.d) + sum(len(numbers) for numbers in self.c.values())

    def encode(self) -> str:
        text = self.model_dump_json(exclude_defaults=True).encode()
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode(text: str) -> Marks:
    """Raises ``InvalidConsistencyToken``, which says nothing about what the token names."""
    try:
        if len(text) > SIZE or not SHAPE.fullmatch(text):
            raise ValueError("not base64url, or too long")
        marks = Marks.model_validate_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if marks.count > MARKS:
            raise ValueError("too many marks")
    except (ValidationError, ValueError, binascii.Error) as error:
        raise InvalidConsistencyToken("send the token as it came") from error
    return marks


def token_of(recorded: Sequence[Recorded], *rows: DeviceRow | RemoteCommandRow) -> str:
    """For what was stored, and for the rows that the answer shows (nothing new may be stored)."""
    devices = {str(key[0]): number for key, number in marks_of(DEVICES, recorded).items()}
    commands: dict[str, dict[int, int]] = {}
    for (device_id, number), step in marks_of(REMOTE_COMMANDS, recorded).items():
        commands.setdefault(device_id, {})[number] = step
    generations = [one.generation for one in recorded] + [row.generation for row in rows]
    for row in rows:
        if isinstance(row, DeviceRow):
            devices[row.device_id] = max(devices.get(row.device_id, 0), row.applied)
        else:
            steps = commands.setdefault(row.device_id, {})
            steps[row.number] = max(steps.get(row.number, 0), row.applied)
    return Marks(v=1, g=max(generations), d=devices, c=commands).encode()


# --- what a query asks for ------------------------------------------------------------------------


@dataclass(frozen=True)
class Consistency:
    """``marks`` None: as the read model is. ``seconds``: how long to wait for them."""

    marks: Marks | None = None
    seconds: float = WAIT_DEFAULT


def seconds_of(prefer: str | None) -> float:
    """``Prefer: wait=N`` (RFC 7240 section 4.3); what is no such preference is ignored."""
    for preference in (prefer or "")[:PREFER_MAX].split(","):
        asked = WAIT.fullmatch(preference.partition(";")[0].strip().lower())
        if asked:
            return min(float(asked[1]), WAIT_MAX)
    return WAIT_DEFAULT


async def consistency_of(
    token: Annotated[
        str | None,
        Header(
            alias=NAME,
            description="Of an earlier answer: this one shows what that one has changed",
        ),
    ] = None,
    prefer: Annotated[
        str | None,
        Header(description="`wait=N`: seconds to wait for that, 2 if not said, 10 at most"),
    ] = None,
) -> Consistency:
    """Raises ``InvalidConsistencyToken``."""
    marks = decode(token) if token is not None else None
    return Consistency(marks, seconds_of(prefer))


GIVEN: dict[str, Any] = {
    "headers": {
        NAME: {
            "description": "Send it with a query that has to show what this request has changed",
            "schema": {"type": "string", "maxLength": SIZE},
        }
    }
}
"""An answer's part of the OpenAPI document."""
