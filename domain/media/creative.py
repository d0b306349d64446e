"""A creative: one advertising film, however many ads carry it, and its way to something playable.

Stream ``creative-{creative id}``. The id comes from what identifies the film (``identity``), so
that whoever meets it first claims it: the others find the stream begun. What is done next is told
by ``next_step`` alone; policies and reconcilers only ask it.

A job's reports may come twice, late and out of order: a report moves the creative forward or not
at all. While a newer ladder is rendered, the rendition that is there stays ready.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Literal, assert_never, cast

from pydantic import Field

from domain.kernel.errors import Conflict
from domain.kernel.event import Aggregate, Event, State, id_of, next_event, register
from domain.kernel.machine import Machine, Move, moves
from domain.media.rendition import AdFacts, Caption, CaptionLink, Rendition, Source

MOST_ATTEMPTS = 4
"""Of fetching, and of rendering by one ladder; then the creative is put aside."""
PAUSES = (timedelta(seconds=15), timedelta(minutes=2), timedelta(minutes=10))
"""Before the second, the third and the fourth attempt."""


class CreativeStatus(StrEnum):
    DISCOVERED = "DISCOVERED"
    FETCHED = "FETCHED"
    LINKED = "LINKED"
    SUBMITTED = "SUBMITTED"
    PROGRESSING = "PROGRESSING"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    QUARANTINED = "QUARANTINED"
    RELEASED = "RELEASED"
    CANCELED = "CANCELED"


class Stage(StrEnum):
    """Of a job that is PROGRESSING, in this order; as MediaConvert names its phases."""

    PROBING = "PROBING"
    TRANSCODING = "TRANSCODING"
    UPLOADING = "UPLOADING"


STAGES = tuple(Stage)
(DISCOVERED, FETCHED, LINKED, SUBMITTED, PROGRESSING, COMPLETE, FAILED, QUARANTINED, RELEASED,
 CANCELED) = CreativeStatus  # fmt: skip
IN_FLIGHT = (SUBMITTED, PROGRESSING)
MACHINE = Machine(
    (
        Move(None, DISCOVERED, "ad request, pre-ingest", "the film is seen for the first time"),
        *moves(
            (DISCOVERED, FAILED, RELEASED),
            (FETCHED,),
            "worker",
            "the original is stored",
        ),
        Move(FETCHED, LINKED, "worker", "another creative has the same content"),
        *moves(
            (FETCHED, FAILED, RELEASED, CANCELED, COMPLETE),
            (SUBMITTED,),
            "platform",
            "a transcoder has the job; from COMPLETE: the ladder has changed",
        ),
        Move(SUBMITTED, PROGRESSING, "transcoder", "the job has begun"),
        *moves(
            (SUBMITTED, PROGRESSING, FAILED),
            (COMPLETE,),
            "transcoder",
            "the rendition is there; from FAILED: the job was given up too early",
        ),
        *moves(
            (DISCOVERED, FETCHED, RELEASED, FAILED, SUBMITTED, PROGRESSING, CANCELED, COMPLETE),
            (FAILED,),
            "worker, transcoder",
            "an attempt has failed; from COMPLETE: the new ladder's job was refused",
        ),
        *moves(IN_FLIGHT, (CANCELED,), "operator", "the job is to be ended"),
        *moves(
            (DISCOVERED, FETCHED, LINKED, SUBMITTED, PROGRESSING, COMPLETE, FAILED, RELEASED,
             CANCELED),
            (QUARANTINED,),
            "platform, operator",
            "it cannot be rendered, or must not be shown",
        ),
        Move(QUARANTINED, RELEASED, "operator", "it may be tried, or shown, again"),
    )
)  # fmt: skip


class NotInFlight(Conflict):
    """No job of the creative is under way."""

    code = "not_in_flight"
    retryable = False


class NotQuarantined(Conflict):
    """Only a quarantined creative can be released."""

    code = "not_quarantined"
    retryable = False


class NothingToTry(Conflict):
    """The creative is ready, under way, linked to another one or quarantined."""

    code = "nothing_to_try"
    retryable = False


class JobNotRecorded(Conflict):
    """A report is ahead of the record that its job was submitted: it has to come again."""

    code = "job_not_recorded"


class CreativeDiscovered(Event):
    """``kind``: by what it is known. ``registered``: a registered id within its registry and
    broker; ``url``: the canonical address of its film; ``identity`` is that text."""

    TOPIC: ClassVar[str] = "media.creative_discovered"
    kind: Literal["registered", "url"]
    identity: str
    broker: str | None = Field(None, description="Who brought it first; missing: pre-ingest")
    media_url: str
    media_type: str = ""
    captions: tuple[CaptionLink, ...] = ()
    ad: AdFacts = AdFacts()
    by: str


class CreativeFetched(Event):
    TOPIC: ClassVar[str] = "media.creative_fetched"
    content: str = Field(description="SHA-256 of the original, hexadecimal")
    size: int = Field(description="Bytes")
    original: str = Field(description="Key in the media bucket")
    source: Source
    captions: tuple[Caption, ...] = ()


class CreativeLinked(Event):
    """Its content is that of ``creative_id``, whose rendition serves both. Follows
    ``CreativeFetched`` in the same commit."""

    TOPIC: ClassVar[str] = "media.creative_linked"
    creative_id: str
    content: str


class JobSubmitted(Event):
    TOPIC: ClassVar[str] = "media.job_submitted"
    job_id: str
    ladder: str
    attempt: int


class JobProgressed(Event):
    """The job has come to another stage. Percentages are hints and no events."""

    TOPIC: ClassVar[str] = "media.job_progressed"
    job_id: str
    stage: Stage


class TranscodingCompleted(Event):
    TOPIC: ClassVar[str] = "media.transcoding_completed"
    job_id: str
    rendition: Rendition


class TranscodingFailed(Event):
    """``retry_at`` missing: it is not tried again by itself. ``vast_code``: what to tell whoever
    asked for the ad (VAST 4.3, table of error codes)."""

    TOPIC: ClassVar[str] = "media.transcoding_failed"
    during: Literal["fetch", "transcoding"]
    attempt: int
    error: str = Field(description="Stable code, for programs")
    detail: str = Field("", description="For people")
    vast_code: int = 405
    retry_at: datetime | None = None


class TranscodingCanceled(Event):
    TOPIC: ClassVar[str] = "media.transcoding_canceled"
    job_id: str
    by: str


class TranscodingRequested(Event):
    """Try it again from here on, by this ladder."""

    TOPIC: ClassVar[str] = "media.transcoding_requested"
    ladder: str
    by: str


class CreativeQuarantined(Event):
    TOPIC: ClassVar[str] = "media.creative_quarantined"
    reason: str
    by: str


class CreativeReleased(Event):
    TOPIC: ClassVar[str] = "media.creative_released"
    by: str


CreativeEvent = (
    CreativeDiscovered
    | CreativeFetched
    | CreativeLinked
    | JobSubmitted
    | JobProgressed
    | TranscodingCompleted
    | TranscodingFailed
    | TranscodingCanceled
    | TranscodingRequested
    | CreativeQuarantined
    | CreativeReleased
)
register(
    CreativeDiscovered,
    CreativeFetched,
    CreativeLinked,
    JobSubmitted,
    JobProgressed,
    TranscodingCompleted,
    TranscodingFailed,
    TranscodingCanceled,
    TranscodingRequested,
    CreativeQuarantined,
    CreativeReleased,
)


class Creative(State):
    """``attempts``: that have failed since the last success or wish. ``wanted``: the ladder of the
    job that is wanted or under way. ``job_id``: of the last job. ``jobs``: the number of the last
    attempt; a release passes one over. ``since``: of the last step."""

    status: CreativeStatus | None = None
    media_url: str = ""
    links: tuple[CaptionLink, ...] = ()
    content: str = ""
    original: str = ""
    source: Source | None = None
    captions: tuple[Caption, ...] = ()
    linked_to: str | None = None
    wanted: str = ""
    job_id: str = ""
    jobs: int = 0
    stage: Stage | None = None
    attempts: int = 0
    retry_at: datetime | None = None
    rendition: Rendition | None = None
    since: datetime | None = None

    @property
    def id(self) -> str:
        return id_of(self.stream)

    @property
    def in_flight(self) -> bool:
        return self.status in IN_FLIGHT


def fold(state: Creative, event: Event) -> Creative:
    changed: dict[str, Any] = {"version": event.originator_version, "since": event.timestamp}
    changed["jobs"] = state.jobs + passed_over(event)
    return state.model_copy(update=changed | status_change(state.status, event) | _facts(event))


def passed_over(event: Event) -> int:
    """Numbers of attempts. A job may have been asked for when a quarantine came, and ended without
    a record: asked for by the same number, after the release, it would come back ended."""
    return int(isinstance(event, CreativeReleased))


def status_after(status: CreativeStatus | None, event: Event) -> CreativeStatus | None:
    """For whoever keeps nothing but the status."""
    found: CreativeStatus | None = status_change(status, event).get("status", status)
    return found


def status_change(status: CreativeStatus | None, event: Event) -> dict[str, Any]:
    """Raises ``IllegalMoveError``."""
    target = _TARGETS[type(event)]
    if target is None or (target == status == PROGRESSING):
        return {}
    return {"status": MACHINE.enter(status, target)}


_TARGETS: dict[type[Event], CreativeStatus | None] = {
    CreativeDiscovered: DISCOVERED,
    CreativeFetched: FETCHED,
    CreativeLinked: LINKED,
    JobSubmitted: SUBMITTED,
    JobProgressed: PROGRESSING,
    TranscodingCompleted: COMPLETE,
    TranscodingFailed: FAILED,
    TranscodingCanceled: CANCELED,
    TranscodingRequested: None,
    CreativeQuarantined: QUARANTINED,
    CreativeReleased: RELEASED,
}


def _facts(event: Event) -> dict[str, Any]:
    known = cast("CreativeEvent", event)
    match known:
        case CreativeDiscovered():
            return {"media_url": known.media_url, "links": known.captions}
        case CreativeFetched():
            return {
                "content": known.content,
                "original": known.original,
                "source": known.source,
                "captions": known.captions,
                "attempts": 0,
                "retry_at": None,
            }
        case CreativeLinked():
            return {"linked_to": known.creative_id, "content": known.content}
        case JobSubmitted():
            return {
                "job_id": known.job_id,
                "wanted": known.ladder,
                "jobs": known.attempt,
                "stage": None,
                "retry_at": None,
            }
        case JobProgressed():
            return {"stage": known.stage}
        case TranscodingCompleted():
            rendition = known.rendition
            return {"rendition": rendition, "wanted": "", "attempts": 0, "retry_at": None}
        case TranscodingFailed():
            return {"attempts": known.attempt, "retry_at": known.retry_at}
        case TranscodingCanceled():
            return {"retry_at": None, "wanted": ""}
        case CreativeQuarantined():
            return {"retry_at": None}
        case TranscodingRequested():
            return {"wanted": known.ladder, "attempts": 0, "retry_at": None}
        case CreativeReleased():
            return {"attempts": 0, "retry_at": None}
        case _:
            assert_never(known)


CREATIVE = Aggregate("creative", Creative, fold, snapshot_every=100)


# --- what is ready, and what comes next -----------------------------------------------------------


def is_ready(state: Creative) -> bool:
    """Whether its own rendition may be shown; that of the linked one is another stream's."""
    return state.rendition is not None and state.status != QUARANTINED


class NextStep(StrEnum):
    FETCH = "FETCH"
    SUBMIT = "SUBMIT"


def next_step(state: Creative, *, now: datetime) -> NextStep | None:
    """What is to be done now; None while it is under way, done, or not to be done."""
    match state.status:
        case None | CreativeStatus.LINKED | CreativeStatus.QUARANTINED:
            return None
        case CreativeStatus.SUBMITTED | CreativeStatus.PROGRESSING:
            return None
        case CreativeStatus.FAILED if not _due(state, now):
            return None
        case CreativeStatus.CANCELED | CreativeStatus.COMPLETE if not state.wanted:
            return None
        case CreativeStatus.RELEASED if state.linked_to or (state.rendition and not state.wanted):
            return None
        case _:
            return NextStep.SUBMIT if state.content else NextStep.FETCH


def awaits_job(state: Creative) -> bool:
    """Whether a transcoder may have been given a job that is not recorded yet. Whose clock says
    that a pause is over does not matter."""
    now = state.retry_at or datetime.max.replace(tzinfo=UTC)
    return next_step(state, now=now) == NextStep.SUBMIT


def _due(state: Creative, now: datetime) -> bool:
    """Of one that has failed: somebody asked for it, or the pause is over."""
    return state.attempts == 0 or (state.retry_at is not None and state.retry_at <= now)


# --- decisions ------------------------------------------------------------------------------------


def discover(
    state: Creative,
    *,
    kind: Literal["registered", "url"],
    identity: str,
    broker: str | None,
    media_url: str,
    media_type: str,
    captions: tuple[CaptionLink, ...],
    ad: AdFacts,
    by: str,
    at: datetime,
) -> list[Event]:
    """Nothing when it is known: whoever comes first has claimed it."""
    if state.status is not None:
        return []
    fields = {"kind": kind, "identity": identity, "broker": broker, "media_url": media_url}
    facts = {"media_type": media_type, "captions": captions, "ad": ad, "by": by}
    return [next_event(CreativeDiscovered, state, at, **fields, **facts)]


def record_fetched(
    state: Creative,
    *,
    content: str,
    size: int,
    original: str,
    source: Source,
    captions: tuple[Caption, ...],
    owner: str,
    at: datetime,
) -> list[Event]:
    """``owner``: the creative that the content belongs to; another one's rendition serves both."""
    if next_step(state, now=at) != NextStep.FETCH:
        return []
    facts = {"original": original, "source": source, "captions": captions}
    fetched = next_event(CreativeFetched, state, at, content=content, size=size, **facts)
    if owner == state.id:
        return [fetched]
    after = fold(state, fetched)
    return [fetched, next_event(CreativeLinked, after, at, creative_id=owner, content=content)]


def record_submitted(state: Creative, *, job_id: str, ladder: str, at: datetime) -> list[Event]:
    """The job was asked for with the token of ``state.jobs + 1``, so asking twice gave one job."""
    if next_step(state, now=at) != NextStep.SUBMIT:
        return []
    return [
        next_event(JobSubmitted, state, at, job_id=job_id, ladder=ladder, attempt=state.jobs + 1)
    ]


def record_progress(state: Creative, *, job_id: str, stage: Stage, at: datetime) -> list[Event]:
    if not state.in_flight or job_id != state.job_id:
        return []
    if state.stage is not None and STAGES.index(stage) <= STAGES.index(state.stage):
        return []
    return [next_event(JobProgressed, state, at, job_id=job_id, stage=stage)]


def record_complete(
    state: Creative, *, job_id: str, rendition: Rendition, at: datetime
) -> list[Event]:
    """Also of a job that was given up, as long as no other has taken its place and no other ladder
    is wanted: the report of an old rendition must not end the wish for a new one."""
    given_up = state.status == FAILED and rendition.ladder == state.wanted
    if job_id != state.job_id or not (state.in_flight or given_up):
        return []
    return [next_event(TranscodingCompleted, state, at, job_id=job_id, rendition=rendition)]


def record_failure(
    state: Creative,
    *,
    during: Literal["fetch", "transcoding"],
    error: str,
    detail: str,
    vast_code: int,
    retryable: bool,
    at: datetime,
) -> list[Event]:
    """Of the step that is due or under way. Nothing for one that has moved on."""
    wanted = NextStep.FETCH if during == "fetch" else NextStep.SUBMIT
    if not (during == "transcoding" and state.in_flight) and next_step(state, now=at) != wanted:
        return []
    attempt = state.attempts + 1
    again = retryable and attempt < MOST_ATTEMPTS
    failed = next_event(
        TranscodingFailed,
        state,
        at,
        during=during,
        attempt=attempt,
        error=error,
        detail=detail[:500],
        vast_code=vast_code,
        retry_at=at + PAUSES[attempt - 1] if again else None,
    )
    if again or state.rendition is not None:
        return [failed]
    aside = next_event(CreativeQuarantined, fold(state, failed), at, reason=error, by="platform")
    return [failed, aside]


def record_canceled(state: Creative, *, job_id: str, by: str, at: datetime) -> list[Event]:
    if not state.in_flight or job_id != state.job_id:
        return []
    return [next_event(TranscodingCanceled, state, at, job_id=job_id, by=by)]


def cancel(state: Creative, *, by: str, at: datetime) -> list[Event]:
    """Raises ``NotInFlight``. Canceling twice changes nothing."""
    if state.status == CANCELED and not state.wanted:
        return []
    if not state.in_flight:
        raise NotInFlight("no job of the creative is under way", status=state.status)
    return record_canceled(state, job_id=state.job_id, by=by, at=at)


def request(state: Creative, *, ladder: str, by: str, at: datetime) -> list[Event]:
    """Try again what failed or was canceled, or render by another ladder what is complete.

    Raises ``NothingToTry``.
    """
    shown = state.status == COMPLETE or (state.status == RELEASED and state.rendition is not None)
    if shown and state.rendition and state.rendition.ladder == ladder:
        raise NothingToTry("it is rendered by this ladder", status=state.status)
    if not shown and state.status not in (FAILED, CANCELED):
        raise NothingToTry("it is ready, under way, linked or quarantined", status=state.status)
    if next_step(state, now=at) is not None and state.wanted in ("", ladder):
        return []
    return [next_event(TranscodingRequested, state, at, ladder=ladder, by=by)]


def quarantine(state: Creative, *, reason: str, by: str, at: datetime) -> list[Event]:
    if state.status in (None, QUARANTINED):
        return []
    return [next_event(CreativeQuarantined, state, at, reason=reason, by=by)]


def release(state: Creative, *, by: str, at: datetime) -> list[Event]:
    """Raises ``NotQuarantined``."""
    if state.status == RELEASED:
        return []
    if state.status != QUARANTINED:
        raise NotQuarantined("the creative is not quarantined", status=state.status)
    return [next_event(CreativeReleased, state, at, by=by)]
