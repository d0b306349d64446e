"""Routes of operators: parked rows and dead letters. Who acts is written down."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import JsonValue

from adapters.inbound.http.auth import Caller, Needs
from adapters.inbound.http.devices import Shared
from adapters.inbound.http.problems import DOCUMENTED
from adapters.inbound.http.views import View, answer
from adapters.inbound.operations.ports import parked_json
from commands.accounts.tokens import OPERATE
from projections.kernel.parking import Status

router = APIRouter(prefix="/v1/operations", tags=["operations"], responses=DOCUMENTED)
Operator = Annotated[Caller, Depends(Needs(OPERATE))]
Model = Annotated[str, Path(max_length=64)]
Row = Annotated[str, Path(max_length=512)]
Queue = Annotated[str, Path(max_length=64)]
PAGE = 50
REDRIVEN_MAX = 100
"""More would outlast a request: the command line has no such limit."""
PER_SECOND = 50


class ActionView(View):
    """``outcome`` empty: under way, or ended with its process."""

    who: str
    what: str
    at: datetime
    outcome: str


class ParkedView(View):
    """``event``: the CloudEvent as it was published; ``message`` quotes nothing of it."""

    model: str
    row: str
    status: Status
    stream: str
    version: int
    number: int
    event_id: str
    error: str
    message: str
    attempts: int
    trace: str | None
    correlation_id: str | None
    event: dict[str, JsonValue] | None
    first_at: datetime
    last_at: datetime
    actions: list[ActionView]


class ParkedPage(View):
    items: list[ParkedView]
    next_cursor: str | None


class WaitingView(View):
    queue: str
    waiting: int
    in_flight: int


class WaitingPage(View):
    items: list[WaitingView]


class LetterView(View):
    """``error`` null: it was received too often, or could not be delivered."""

    id: str
    body: str
    error: str | None
    group: str | None
    received: int
    sent_at: datetime


class LetterPage(View):
    items: list[LetterView]


class RedrivenView(View):
    """``task``: the service goes on by itself, and ``moved`` is how many there were."""

    moved: int
    task: str | None


@router.get("/parked", response_model=ParkedPage)
async def list_parked(
    _: Operator,
    parts: Shared,
    model: Annotated[str, Query(max_length=64)] = "",
    everything: Annotated[bool, Query(alias="all", description="Also those seen to")] = False,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    cursor: Annotated[str, Query(max_length=600)] = "",
) -> Response:
    """By read model and row. May lag behind by moments."""
    entries, after = await parts.container.operations.parked.list(
        model=model, limit=limit, after=cursor, everything=everything
    )
    return answer({"items": [parked_json(one) for one in entries], "next_cursor": after})


@router.get("/parked/{model}/{row}", response_model=ParkedView)
async def show_parked(model: Model, row: Row, _: Operator, parts: Shared) -> Response:
    return answer(parked_json(await parts.container.operations.parked.show(model, row)))


@router.post("/parked/{model}/{row}/retry", response_model=ParkedView)
async def retry_parked(model: Model, row: Row, caller: Operator, parts: Shared) -> Response:
    """Apply the event again and go on; ``status`` stays PARKED if the row fails again."""
    parked = parts.container.operations.parked
    return answer(parked_json(await parked.retry(model, row, who=caller.principal)))


@router.post("/parked/{model}/{row}/skip", response_model=ParkedView)
async def skip_parked(model: Model, row: Row, caller: Operator, parts: Shared) -> Response:
    """Go on without the event; ``status`` stays PARKED if the row fails again."""
    parked = parts.container.operations.parked
    return answer(parked_json(await parked.skip(model, row, who=caller.principal)))


@router.post("/parked/{model}/{row}/drop", response_model=ParkedView)
async def drop_parked(model: Model, row: Row, caller: Operator, parts: Shared) -> Response:
    """Let the row stand as it is, until a rebuild or a retry."""
    parked = parts.container.operations.parked
    return answer(parked_json(await parked.drop(model, row, who=caller.principal)))


@router.get("/dead-letters", response_model=WaitingPage)
async def count_dead_letters(_: Operator, parts: Shared) -> Response:
    """How many there are, by the queue that they come from."""
    found = await parts.container.operations.dead_letters.waiting()
    return answer({"items": [asdict(one) for one in found]})


@router.get("/dead-letters/{queue}", response_model=LetterPage)
async def peek_dead_letters(
    queue: Queue,
    _: Operator,
    parts: Shared,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 10,
) -> Response:
    """The first ones; nobody else sees them for a moment."""
    letters = await parts.container.operations.dead_letters.peek(queue, limit=limit)
    return answer({"items": [asdict(one) for one in letters]})


@router.post("/dead-letters/{queue}/redrive", response_model=RedrivenView)
async def redrive_dead_letters(
    queue: Queue,
    caller: Operator,
    parts: Shared,
    limit: Annotated[int, Query(ge=1, le=REDRIVEN_MAX)] = REDRIVEN_MAX,
) -> Response:
    """Send them back to the queue that they come from."""
    done = await parts.container.operations.dead_letters.redrive(
        queue, who=caller.principal, limit=limit, per_second=PER_SECOND
    )
    return answer(asdict(done))


@router.delete("/dead-letters/{queue}/{letter}", status_code=204)
async def drop_dead_letter(
    queue: Queue,
    letter: Annotated[str, Path(max_length=100)],
    caller: Operator,
    parts: Shared,
) -> Response:
    """Delete one for good."""
    await parts.container.operations.dead_letters.drop(queue, letter, who=caller.principal)
    return Response(status_code=204)
