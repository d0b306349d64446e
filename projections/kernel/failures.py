"""A row that cannot go on: which event stopped it, and the mark that says so in its own item."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.kernel.errors import HomecastError
from domain.kernel.event import Event
from domain.kernel.recorded import Recorded, event_id

MESSAGE_MAX = 500


class Mark(BaseModel):
    """``at`` tells one mark from another. ``dropped``: not to be retried until somebody asks."""

    model_config = ConfigDict(frozen=True)

    event: str
    stream: str
    version: int
    number: int
    error: str
    message: str
    at: datetime
    dropped: bool = False


@dataclass(frozen=True)
class Failure:
    """``number``: of the event within its row. ``recorded`` None: the event cannot be read."""

    key: tuple[Any, ...]
    stream: str
    version: int
    number: int
    generation: int
    error: Exception
    recorded: Recorded | None = None

    @classmethod
    def at(cls, key: tuple[Any, ...], recorded: Recorded, number: int, error: Exception) -> Failure:
        event: Event = recorded.event
        return cls(
            key,
            event.originator_id,
            event.originator_version,
            number,
            recorded.generation,
            error,
            recorded,
        )

    @property
    def event(self) -> str:
        return event_id(self.generation, self.stream, self.version)


def said_by(error: Exception) -> str:
    """What may be kept and shown: where it happened, and only messages known to hold no data.

    The text of other errors may quote the event, which may be personal.
    """
    if isinstance(error, ValidationError):
        wrong = error.errors(include_input=False, include_url=False, include_context=False)
        told = "; ".join(f"{next(iter(one['loc']), '')}: {one['type']}" for one in wrong)
    elif isinstance(error, HomecastError):
        told = error.detail or error.code
    elif isinstance(error, AssertionError):
        told = str(error)
    else:
        told = ""
    return f"{told} {_place(error)}".strip()[:MESSAGE_MAX]


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    return f"({frames[-1].name}, {PurePath(frames[-1].filename).name}:{frames[-1].lineno})"
