"""How the read models are: a route for operators, and a header on the lists that they serve."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from adapters.inbound.http.auth import Caller, Needs
from adapters.inbound.http.devices import Shared
from adapters.inbound.http.problems import DOCUMENTED
from adapters.inbound.http.views import View, answer
from commands.accounts.tokens import OPERATE
from projections.kernel.slots import Phase, Slot

router = APIRouter(prefix="/v1/operations", tags=["operations"], responses=DOCUMENTED)
Operator = Annotated[Caller, Depends(Needs(OPERATE))]


class ReadModelView(View):
    """``version``: of the code that built the live slot, ``code_version``: of the code that runs.

    ``lag_seconds``: at most so far behind; null while that is not known. ``progress``: of a
    rebuild under way, from 0 to 1.
    """

    model: str
    version: int
    code_version: int
    live: Slot
    phase: Phase
    lag_seconds: float | None
    waiting: int
    dead_letters: int
    parked: int
    progress: float | None


class ReadModelList(View):
    items: list[ReadModelView]


@router.get("/read-models", response_model=ReadModelList)
async def list_read_models(_: Operator, parts: Shared) -> Response:
    found = await parts.container.statuses.all()
    return answer({"items": [one.model_dump(mode="json") for one in found]})


class CountersView(View):
    """Devices that somebody owns; kinds without any are left out."""

    claimed: int
    by_kind: dict[str, int]


@router.get("/counters", response_model=CountersView)
async def read_counters(_: Operator, parts: Shared) -> Response:
    by_kind = await parts.container.devices.count_by_kind()
    return answer({"claimed": sum(by_kind.values()), "by_kind": by_kind})
