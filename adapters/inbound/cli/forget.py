"""``homecast forget``: has an account forgotten, and looks afterwards whether it is."""

from __future__ import annotations

import asyncio
import getpass
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

import typer

from adapters.inbound.cli import connection
from adapters.inbound.cli.client import Json
from adapters.inbound.cli.options import AsJson, output_of
from adapters.inbound.cli.render import Output
from adapters.inbound.cli.steps import Steps

T = TypeVar("T")

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
ACCOUNT_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
WORTH_WAITING = timedelta(minutes=10)
"""A longer waiting time is left to the platform."""
LOOK_EVERY = 0.3
LOOKS_FOR_NAMES, BETWEEN_LOOKS = 5, 2.0


def duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,7})([smhd])", text)
    if found is None:
        raise typer.BadParameter("a number and s, m, h or d, such as 14d")
    return timedelta(seconds=int(found[1]) * UNITS[found[2]])


def forget(
    context: typer.Context,
    account: Annotated[str | None, typer.Argument(metavar="ACCOUNT", help="Its id")] = None,
    after: Annotated[
        str, typer.Option(metavar="TIME", help="Waiting time, 0s to 365d, for second thoughts")
    ] = "14d",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Call it off, before it starts")] = False,
    status: Annotated[bool, typer.Option("--status", help="Say how far it is")] = False,
    reapply: Annotated[
        bool, typer.Option("--reapply", help="After a restore of keys: forget all again")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the end")] = 300,
    check: Annotated[
        bool, typer.Option(help="Look for its names in all tables at the end, reading them whole")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Forget an account: tokens, devices and personal data. There is no way back."""
    output = output_of(context)
    if reapply:
        again = with_parts(lambda parts: parts.keyring.reapply())
        output.show(again, lambda: output.line(f"{len(again)} accounts had to be forgotten again."))
        return
    if account is None or not ACCOUNT_ID.fullmatch(account):
        raise typer.BadParameter("ACCOUNT is a ULID: 26 letters and digits")
    waiting = duration(after)
    if status:
        shown(output, with_parts(lambda parts: standing(parts, account)))
    elif cancel:
        shown(output, with_parts(lambda parts: call_off(parts, account)))
    else:
        if not yes:
            question = f"Forget account {account} for good, {told(waiting)}?"
            typer.confirm(question, abort=True, err=True)
        shown(
            output,
            with_parts(lambda parts: carry_out(parts, account, waiting, wait, check, output)),
        )


def with_parts(work: Callable[[Any], Awaitable[T]]) -> T:
    from adapters.bootstrap.operators import forgetting_operator

    settings = connection.operator_settings()

    async def run() -> T:
        async with forgetting_operator(settings) as parts:
            return await work(parts)

    return asyncio.run(run())


def told(after: timedelta) -> str:
    return f"{after} from now" if after else "at once"


def shown(output: Output, state: Json) -> None:
    output.show(state, lambda: output.line("\n".join(lines_of(state))))


def lines_of(state: Json) -> list[str]:
    status, due = state["status"], state["due_at"]
    lines = [f"{state['account_id']}: {str(status or 'never asked for').lower()}"]
    if status == "REQUESTED":
        lines.append(f"It starts at {due}; until then --cancel calls it off.")
    if status == "STARTED":
        lines.append("It goes on by itself; --status tells how far it is.")
    if status in ("STARTED", "FORGOTTEN"):
        lines.append(f"Devices released: {state['devices']}.")
    if "found" in state:
        found = ", ".join(f"{count} in {table}" for table, count in state["found"].items())
        lines.append(f"Looked for {state['names']} names in all tables: {found or 'none is left'}.")
    return lines


# --- on the platform ------------------------------------------------------------------------------


async def standing(parts: Any, account: str) -> Json:
    """How far it is, by the two streams that know."""
    from domain.accounts.forgetting import FORGETTING
    from domain.devices.departure import DEPARTURE

    state = (await parts.accounts.repository.load(FORGETTING, account)).state
    departure = (await parts.repository.load(DEPARTURE, account)).state
    return {
        "account_id": account,
        "status": state.status,
        "since": _time(state.since),
        "due_at": _time(state.due_at),
        "departure": departure.status,
        "devices": len(departure.device_ids),
    }


async def call_off(parts: Any, account: str) -> Json:
    from commands.accounts.forgetting import CancelForgetting, cancel_forgetting

    message = CancelForgetting(account_id=account)
    await parts.accounts.dispatcher.execute(
        whoever(parts), lambda unit: cancel_forgetting(unit, message)
    )
    return await standing(parts, account)


async def carry_out(
    parts: Any, account: str, after: timedelta, wait: float, check: bool, output: Output
) -> Json:
    """Asks for it, waits as long as that makes sense, and looks whether names are left."""
    from commands.accounts.forgetting import RequestForgetting, request_forgetting

    message = RequestForgetting(account_id=account, after=after)
    names, device_ids = await parts.names_of(account) if check else (set(), [])
    state, _ = await parts.accounts.dispatcher.execute(
        whoever(parts), lambda unit: request_forgetting(unit, message)
    )
    if state.due_at - parts.clock.now() <= WORTH_WAITING:
        await follow(parts, account, time.monotonic() + wait, output)
    now = await standing(parts, account)
    if now["status"] != "FORGOTTEN" or not check:
        return now
    return {**now, "names": len(names), "found": await left(parts, names, [account, *device_ids])}


async def left(parts: Any, names: set[str], beside: list[str]) -> Json:
    """Where names are left; read models get some seconds to follow."""
    found: Json = await parts.find(names, beside)
    for _ in range(LOOKS_FOR_NAMES - 1):
        if not found:
            break
        await asyncio.sleep(BETWEEN_LOOKS)
        found = await parts.find(names, beside)
    return found


async def follow(parts: Any, account: str, deadline: float, output: Output) -> None:
    steps = Steps(output.err)

    def step(what: str) -> AbstractContextManager[None]:
        return nullcontext() if output.as_json else steps.step(what)

    stages: dict[str, Callable[[Json], bool]] = {
        "Waiting time": lambda now: now["status"] in ("STARTED", "FORGOTTEN"),
        "Tokens revoked, devices released": lambda now: now["departure"] == "DEPARTED",
        "Data key destroyed": lambda now: now["status"] == "FORGOTTEN",
    }
    for what, done in stages.items():
        with step(what):
            while not done(await standing(parts, account)):
                if time.monotonic() > deadline:
                    raise connection.trouble(
                        "not_yet_forgotten",
                        f"not done yet: {what.lower()}",
                        hint="It goes on by itself; --status tells how far it is.",
                    )
                await asyncio.sleep(LOOK_EVERY)


def whoever(parts: Any) -> Any:
    from domain.kernel.recorded import Context

    correlation = parts.ids.new()
    return Context(correlation, correlation, f"cli:{getpass.getuser()}")


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
