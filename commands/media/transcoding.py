"""Policy ``transcoding``: carries a creative from its discovery to a rendition, whatever fails.

What is due is asked of the creative alone (``next_step``); the policy only makes sure that somebody
asks: after every event that may change it, when the pause of a retry is over, and at intervals
while something is under way, for a job's reports may be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from commands.kernel.policy import Action, Policy, PolicyState, Schedule, Send, Timeout
from domain.kernel.event import Event, id_of
from domain.media.creative import (
    CREATIVE,
    CreativeDiscovered,
    CreativeFetched,
    CreativeLinked,
    CreativeQuarantined,
    CreativeReleased,
    JobSubmitted,
    TranscodingCanceled,
    TranscodingCompleted,
    TranscodingFailed,
    TranscodingRequested,
)

RETRY = "retry"
LOOK = "look"
LOOK_AFTER = timedelta(seconds=60)
LONGEST_LOOK = timedelta(minutes=15)
"""Between two looks at something that is under way for long."""
JOB_LOST = "job_lost"
"""The error of a job that its transcoder may still have: it is ended after it is recorded."""
SINCE = datetime(2026, 11, 25, tzinfo=UTC)


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    creative_id: str


class ContinueCreative(Message):
    """Do what is due, if anything is."""


class LookAtJob(Message):
    """Ask the transcoder, if a job is under way."""


class EndJob(Message):
    job_id: str


class Following(PolicyState):
    """``busy``: something is under way that may get lost. ``job_id``: of a job that may still run.
    ``made``: there is a rendition, or a link to one. ``wanted``: another one is to be made.
    ``since``: of the last event."""

    busy: bool = False
    job_id: str = ""
    made: bool = False
    wanted: bool = False
    since: datetime | None = None


def fold(following: Following, event: Event) -> Following:
    return following.model_copy(update=_changed(following, event) | {"since": event.timestamp})


def _changed(following: Following, event: Event) -> dict[str, Any]:
    match event:
        case CreativeDiscovered() | CreativeFetched():
            return {"busy": True}
        case CreativeLinked() | TranscodingCompleted():
            return {"busy": False, "job_id": "", "made": True, "wanted": False}
        case TranscodingRequested():
            return {"busy": True, "job_id": "", "wanted": True}
        case JobSubmitted():
            return {"busy": True, "job_id": event.job_id, "wanted": True}
        case TranscodingFailed():
            job_id = following.job_id if event.error == JOB_LOST else ""
            return {"busy": event.retry_at is not None, "job_id": job_id}
        case TranscodingCanceled():
            return {"busy": False, "wanted": False}
        case CreativeQuarantined():
            return {"busy": False}
        case CreativeReleased():
            return {"busy": following.wanted or not following.made, "job_id": ""}
        case _:
            return {}


def react(following: Following, event: Event) -> Sequence[Action]:
    creative_id = id_of(event.originator_id)
    look = Schedule(LOOK, event.timestamp + LOOK_AFTER)
    match event:
        case CreativeReleased() if not following.busy:
            return ()
        case CreativeDiscovered() | CreativeFetched() | CreativeReleased() | TranscodingRequested():
            return [look, Send(ContinueCreative(creative_id=creative_id))]
        case JobSubmitted():
            return [look]
        case TranscodingFailed():
            retry: list[Action] = [Schedule(RETRY, event.retry_at)] if event.retry_at else []
            return [*retry, *_ended(following, creative_id)]
        case CreativeQuarantined() | TranscodingCanceled():
            return _ended(following, creative_id)
        case _:
            return ()


def _ended(following: Following, creative_id: str) -> list[Action]:
    job_id = following.job_id
    return [Send(EndJob(creative_id=creative_id, job_id=job_id))] if job_id else []


def on_timeout(following: Following, timeout: Timeout) -> Sequence[Action]:
    """Looks again at growing intervals until nothing is under way."""
    if not following.busy or following.since is None:
        return ()
    creative_id = id_of(timeout.stream)
    if timeout.name == RETRY:
        return [
            Send(ContinueCreative(creative_id=creative_id)),
            Schedule(LOOK, timeout.due_at + LOOK_AFTER),
        ]
    last = max(timeout.due_at, following.since)  # later, after a pause of ours: do not catch up
    elapsed = max(last - following.since, LOOK_AFTER)
    return [
        Send(LookAtJob(creative_id=creative_id)),
        Send(ContinueCreative(creative_id=creative_id)),
        Schedule(LOOK, last + min(elapsed, LONGEST_LOOK)),
    ]


TRANSCODING = Policy("transcoding", CREATIVE.category, SINCE, Following, fold, react, on_timeout)
