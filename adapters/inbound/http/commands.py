"""Routes of remote commands: submit, read, list, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import Field, JsonValue, field_validator

from adapters.inbound.http.access import Access
from adapters.inbound.http.auth import Caller, Needs, context_of
from adapters.inbound.http.consistency import GIVEN, token_of
from adapters.inbound.http.devices import Asked, Body, DeviceId, Reader, Shared
from adapters.inbound.http.parts import Parts
from adapters.inbound.http.problems import DOCUMENTED
from adapters.inbound.http.reading import NUMBER_MAX
from adapters.inbound.http.views import READ_MODEL, CommandPage, CommandView, answer, command_json
from adapters.inbound.http.waiting import LONGEST, outcome
from commands.accounts.tokens import COMMANDS_WRITE
from commands.devices import remote_commands
from domain.devices import lane
from domain.devices.lane import LANE, CommandNotFound
from domain.devices.remote_command import FINAL
from domain.devices.roles import Action
from domain.kernel.recorded import Context, Recorded
from projections.devices.remote_commands import RemoteCommandRow

router = APIRouter(
    prefix="/v1/devices/{device_id}/commands", tags=["remote commands"], responses=DOCUMENTED
)
Commander = Annotated[Caller, Depends(Needs(COMMANDS_WRITE))]
Number = Annotated[int, Path(ge=1, le=NUMBER_MAX)]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)
]
DEPTH = 16
PAGE = 50
INTEGER_MAX = 2**63 - 1


class SubmitBody(Body):
    """``ttl``: seconds until sent, and no longer than a guest's stay (``expires_at`` in the answer
    says until when); ``execution_timeout``: seconds from sent until a result."""

    command: str = Field(min_length=1, max_length=128)
    args: dict[str, JsonValue] = {}
    ttl: int = Field(lane.TTL_DEFAULT, ge=lane.TTL_MIN, le=lane.TTL_MAX)
    execution_timeout: int = Field(
        lane.EXECUTION_TIMEOUT_DEFAULT,
        ge=lane.EXECUTION_TIMEOUT_MIN,
        le=lane.EXECUTION_TIMEOUT_MAX,
    )
    collapse_key: str | None = Field(None, min_length=1, max_length=64)

    @field_validator("args")
    @classmethod
    def storable(cls, args: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Refuse what JSON can write and an event cannot carry."""
        require_storable(args)
        return args


def require_storable(value: JsonValue, depth: int = 1) -> None:
    if depth > DEPTH:
        raise ValueError(f"nested deeper than {DEPTH}")
    if isinstance(value, dict):
        for name, one in value.items():
            require_storable(name)
            require_storable(one, depth + 1)
    elif isinstance(value, list):
        for one in value:
            require_storable(one, depth + 1)
    elif isinstance(value, str) and not value.isascii():
        value.encode()  # a lone surrogate is a ValueError
    elif isinstance(value, int) and abs(value) > INTEGER_MAX:
        raise ValueError("an integer beyond 64 bit")
    elif isinstance(value, float) and not abs(value) < float("inf"):
        raise ValueError("not a number")


@router.post("", status_code=202, response_model=CommandView, responses={200: GIVEN, 202: GIVEN})
async def submit(
    request: Request,
    device_id: DeviceId,
    body: SubmitBody,
    caller: Commander,
    parts: Shared,
    key: IdempotencyKey = None,
    wait: Annotated[int, Query(ge=0, le=LONGEST, description="Seconds")] = 0,
) -> Response:
    """202 once the command is stored; with ``wait``, 200 if its outcome came in time.

    Repeating a submit with its ``Idempotency-Key`` gives the same command.
    """
    context = context_of(request, parts.container.tracer)

    async def act(access: Access) -> tuple[RemoteCommandRow, Sequence[Recorded]]:
        message = remote_commands.SubmitRemoteCommand(
            account_id=access.home_id,
            client_id=access.client_id,
            device_id=device_id,
            command=body.command,
            args=body.args,
            ttl=body.ttl,
            execution_timeout=body.execution_timeout,
            collapse_key=body.collapse_key,
            idempotency_key=key,
            not_after=access.ends_at,
            replaces=access.replaces,
        )
        return await _submitted(parts, caller, context, message, wait)

    row, recorded = await parts.homes.acting(caller, device_id, Action.SEND_COMMAND, act)
    done = wait > 0 and row.status in FINAL
    location = f"/v1/devices/{device_id}/commands/{row.number}"
    token = token_of(recorded, row)
    return answer(
        command_json(row), 200 if done else 202, Location=location, Consistency_Token=token
    )


async def _submitted(
    parts: Parts,
    caller: Caller,
    context: Context,
    message: remote_commands.SubmitRemoteCommand,
    wait: int,
) -> tuple[RemoteCommandRow, Sequence[Recorded]]:
    device_id, account_id = message.device_id, message.account_id
    async with AsyncExitStack() as stack:
        if wait:  # listen before anything can happen
            listener = await stack.enter_async_context(parts.feeds.listen(account_id))
        number, recorded = await parts.container.dispatcher.execute(
            context, lambda unit: remote_commands.submit(unit, message)
        )
        row = parts.commands.new(device_id, number, recorded)
        if row is None:  # stored by an earlier submit with this key
            row = await parts.commands.row(device_id, number, account_id)
        else:
            parts.feeds.touch(account_id)
            parts.rehints.submitted(device_id, number)
        if wait:
            async with caller.while_valid():
                row = await outcome(row, listener=listener, commands=parts.commands, seconds=wait)
        return row, recorded


@router.get("", response_model=CommandPage, responses={200: READ_MODEL})
async def list_commands(
    device_id: DeviceId,
    caller: Reader,
    parts: Shared,
    asked: Asked,
    status: Literal["open", "all"] = "all",
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    cursor: Annotated[str | None, Query(pattern=r"^[1-9]\d{0,14}$")] = None,
) -> Response:
    """Newest first. May lag behind by moments; a single command does not."""

    async def owned(access: Access) -> str:
        await parts.devices.require_owner(device_id, access.home_id)
        return access.home_id

    home_id = await parts.homes.acting(caller, device_id, Action.SEE_HISTORY, owned)
    await parts.fresh.commands(device_id, home_id, asked)
    before = int(cursor) if cursor else None
    page = _open_page if status == "open" else _page
    span = Span(limit, before, consistent=asked.marks is not None)
    rows, last = await page(parts, device_id, home_id, span)
    next_cursor = str(last) if last else None
    items = [command_json(row) for row in rows]
    content = {"items": items, "next_cursor": next_cursor}
    return answer(content, 200, **parts.read_model("remote_commands"))


@dataclass(frozen=True)
class Span:
    """The newest ``limit`` below ``before``; ``consistent``: not a moment old."""

    limit: int
    before: int | None
    consistent: bool


async def _page(
    parts: Parts, device_id: str, account_id: str, span: Span
) -> tuple[list[RemoteCommandRow], int | None]:
    """The account's own rows, and the number to continue below (None: that was all)."""
    query, limit = parts.container.commands, span.limit
    rows = await query.list(
        device_id, limit=limit + 1, before=span.before, consistent=span.consistent
    )
    mine = [row for row in rows[:limit] if row.account_id == account_id]
    return mine, rows[limit - 1].number if len(rows) > limit else None


async def _open_page(
    parts: Parts, device_id: str, account_id: str, span: Span
) -> tuple[list[RemoteCommandRow], int | None]:
    """The same of what is open: the lane knows, so that no history has to be searched."""
    loaded = await parts.container.dispatcher.repository.load(LANE, device_id)
    below = [one for one in loaded.state.open if span.before is None or one < span.before]
    numbers = sorted(below, reverse=True)[: span.limit + 1]
    rows = await parts.commands.open_ones(device_id, numbers[: span.limit], account_id)
    return rows, numbers[span.limit - 1] if len(numbers) > span.limit else None


@router.get("/{number}", response_model=CommandView)
async def read_command(
    device_id: DeviceId, number: Number, caller: Reader, parts: Shared, asked: Asked
) -> Response:

    async def read(access: Access) -> RemoteCommandRow:
        if asked.marks and not access.may(Action.SEE_HISTORY):  # waiting tells of it, too
            await _known(parts, access, device_id, number, Action.SEE_HISTORY)
        await parts.fresh.commands(device_id, access.home_id, asked, number=number)
        return await _known(parts, access, device_id, number, Action.SEE_HISTORY)

    row = await parts.homes.acting(caller, device_id, Action.READ_OWN_COMMAND, read)
    return answer(command_json(row))


async def _known(
    parts: Parts, access: Access, device_id: str, number: int, others: Action
) -> RemoteCommandRow:
    """The command, if it is the caller's or the role allows ``others`` too; who may not know of
    others' is not told either which there are."""
    try:
        row = await parts.commands.row(device_id, number, access.home_id)
    except CommandNotFound:
        access.require(others)
        raise
    if not access.gave(row):
        access.require(others)
    return row


@router.post("/{number}/cancel", response_model=CommandView, responses={200: GIVEN})
async def cancel(
    request: Request, device_id: DeviceId, number: Number, caller: Commander, parts: Shared
) -> Response:
    """Only before it is sent; 409 after that."""
    context = context_of(request, parts.container.tracer)

    async def act(access: Access) -> tuple[RemoteCommandRow, Sequence[Recorded]]:
        message = remote_commands.CancelRemoteCommand(
            account_id=access.home_id, device_id=device_id, number=number
        )
        before = await _known(parts, access, device_id, number, Action.CANCEL_ANY_COMMAND)
        _, recorded = await parts.container.dispatcher.execute(
            context, lambda unit: remote_commands.cancel(unit, message)
        )
        return before, recorded

    before, recorded = await parts.homes.acting(caller, device_id, Action.CANCEL_OWN_COMMAND, act)
    if recorded:
        row = parts.commands.after(before, recorded)
    else:  # canceled before, though the read model may not say so yet
        row = await parts.commands.caught_up(before)
    return answer(command_json(row), Consistency_Token=token_of(recorded, row))
