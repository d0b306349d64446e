"""Steps of a creative, in the words of its rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from domain.kernel.event import Event
from domain.media import creative as creatives
from domain.media.creative import Creative, Stage
from domain.media.rendition import AdFacts
from tests.support.events import RENDITION, SHA256, SOURCE

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
LADDER, NEWER = "6fac3f80", "0000beef"
Step = Callable[[Creative], list[Event]]


def at(seconds: float = 0) -> datetime:
    return START + timedelta(seconds=seconds)


def discovered(second: float = 0) -> Step:
    return lambda state: creatives.discover(
        state,
        kind="url",
        identity="https://films.example/a.mp4",
        broker="acme",
        media_url="https://films.example/a.mp4",
        media_type="video/mp4",
        captions=(),
        ad=AdFacts(title="Spring"),
        by="broker:acme",
        at=at(second),
    )


def fetched(second: float = 1, *, owner: str | None = None) -> Step:
    return lambda state: creatives.record_fetched(
        state,
        content=SHA256,
        size=1_000,
        original=f"originals/{SHA256}",
        source=SOURCE,
        captions=(),
        owner=owner or state.id,
        at=at(second),
    )


def submitted(job: str = "j1", second: float = 2, ladder: str = LADDER) -> Step:
    return lambda state: creatives.record_submitted(state, job_id=job, ladder=ladder, at=at(second))


def progressed(stage: Stage = Stage.TRANSCODING, job: str = "j1", second: float = 3) -> Step:
    return lambda state: creatives.record_progress(state, job_id=job, stage=stage, at=at(second))


def completed(job: str = "j1", second: float = 4, ladder: str = LADDER) -> Step:
    rendition = RENDITION.model_copy(update={"ladder": ladder})
    return lambda state: creatives.record_complete(
        state, job_id=job, rendition=rendition, at=at(second)
    )


def failed(
    during: Literal["fetch", "transcoding"] = "transcoding",
    second: float = 4,
    *,
    retryable: bool = True,
) -> Step:
    return lambda state: creatives.record_failure(
        state,
        during=during,
        error="broken",
        detail="it is broken",
        vast_code=405,
        retryable=retryable,
        at=at(second),
    )


def canceled(second: float = 5) -> Step:
    return lambda state: creatives.cancel(state, by="token:t", at=at(second))


def requested(ladder: str = LADDER, second: float = 6) -> Step:
    return lambda state: creatives.request(state, ladder=ladder, by="token:t", at=at(second))


def quarantined(second: float = 7) -> Step:
    return lambda state: creatives.quarantine(state, reason="ugly", by="token:t", at=at(second))


def released(second: float = 8) -> Step:
    return lambda state: creatives.release(state, by="token:t", at=at(second))


UNTIL: dict[str, list[Step]] = {
    "–": [],
    "DISCOVERED": [discovered()],
    "FETCHED": [discovered(), fetched()],
    "LINKED": [discovered(), fetched(owner="other")],
    "SUBMITTED": [discovered(), fetched(), submitted()],
    "PROGRESSING": [discovered(), fetched(), submitted(), progressed()],
    "COMPLETE": [discovered(), fetched(), submitted(), completed()],
    "FAILED": [discovered(), fetched(), submitted(), failed()],
    "QUARANTINED": [discovered(), fetched(), quarantined()],
    "RELEASED": [discovered(), fetched(), quarantined(), released()],
    "CANCELED": [discovered(), fetched(), submitted(), canceled()],
}


def stored(stream: str, *steps: Step) -> list[Any]:
    """The events of these steps, one after the other."""
    state, events = creatives.CREATIVE.initial(stream), list[Event]()
    for step in steps:
        for event in step(state):
            state = creatives.CREATIVE.fold(state, event)
            events.append(event)
    return events
