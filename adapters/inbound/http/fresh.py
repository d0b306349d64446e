"""Waits until read models show what a ``Consistency-Token`` names, for a bounded time.

A mark counts only where it is about something of the caller's: its row is the caller's, or the
store says that it will be. Any other one is passed over at once, so that a made-up token tells
nothing about other accounts.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar, cast

from adapters.inbound.http.access import Access
from adapters.inbound.http.consistency import Consistency, Marks
from adapters.inbound.http.container import Container
from adapters.inbound.http.errors import ReadModelBehind
from adapters.inbound.http.reading import Commands, Devices
from domain.devices.device import DeviceNotFound
from domain.devices.lane import CommandNotFound
from domain.devices.roles import Action
from projections.devices.devices import DeviceRow
from projections.kernel.marks import missing

K = TypeVar("K")
Behind = Mapping[K, int]
"""Events that are missing, by row."""
Rows = Mapping[str, DeviceRow]
FIRST_PAUSE = 0.04
LONGEST_PAUSE = 0.8
AT_ONCE = 8


class Fresh:
    """Each method waits for the marks that concern one kind of query.

    All raise ``ReadModelBehind`` when the time is up.
    """

    def __init__(self, container: Container, devices: Devices, commands: Commands) -> None:
        self._devices_query = container.devices
        self._commands_query = container.commands
        self._devices = devices
        self._commands = commands
        self._generation = container.settings.store_generation

    def _marks(self, asked: Consistency) -> Marks | None:
        """None also for a generation that the store has left: what they name may be undone."""
        marks = asked.marks
        return marks if marks and marks.g >= self._generation else None

    async def shown(self, access: Access, asked: Consistency) -> Rows:
        """All that the caller may know of in the home: waiting for a command tells of it, too."""
        if access.may(Action.SEE_HISTORY):
            return await self.everything(access.home_id, asked)
        return await self.devices(access.home_id, asked)

    async def everything(self, account_id: str, asked: Consistency) -> Rows:
        """All that the token names; the rows of devices, as of now."""
        marks = self._marks(asked)
        if marks is None:
            return {}
        devices = self.devices(account_id, asked)
        commands = [self.commands(device_id, account_id, asked) for device_id in marks.c]
        rows, *outcomes = await asyncio.gather(devices, *commands, return_exceptions=True)
        for one in (rows, *outcomes):
            if isinstance(one, BaseException):
                raise one
        return cast("Rows", rows)

    async def devices(self, account_id: str, asked: Consistency) -> Rows:
        """The rows of the devices that the token names, as of now, whosever they are."""
        marks, rows = self._marks(asked), dict[str, DeviceRow]()
        if marks is None:
            return rows

        async def look(device_ids: Sequence[str]) -> Behind[str]:
            found = await asyncio.gather(*map(self._devices_query.get, device_ids))
            behind = {}
            for device_id, row in zip(device_ids, found, strict=True):
                if row:
                    rows[device_id] = row
                mine = row is not None and row.account_id == account_id
                if mine or await self._is_owned(device_id, account_id):
                    behind[device_id] = missing(row, marks.d[device_id], marks.g)
            return behind

        await _until_there("devices", look, list(marks.d), asked.seconds)
        return rows

    async def _is_owned(self, device_id: str, account_id: str) -> bool:
        """By the store: the row does not say so yet."""
        try:
            await self._devices.row(device_id, account_id)
        except DeviceNotFound:
            return False
        return True

    async def commands(
        self, device_id: str, account_id: str, asked: Consistency, *, number: int | None = None
    ) -> None:
        """All commands of the device that the token names, or the one of this number."""
        marks = self._marks(asked)
        if marks is None:
            return
        steps = marks.c.get(device_id, {})
        wanted = [one for one in steps if number in (None, one)]

        async def look(numbers: Sequence[int]) -> Behind[int]:
            found = await self._commands_query.get_many(device_id, numbers)
            rows = {row.number: row for row in found if row.account_id == account_id}
            lost = [one for one in numbers if one not in rows]
            mine = {*rows, *await self._given(device_id, account_id, lost)}
            return {one: missing(rows.get(one), steps[one], marks.g) for one in mine}

        await _until_there("remote_commands", look, wanted, asked.seconds)

    async def _given(self, device_id: str, account_id: str, numbers: Sequence[int]) -> list[int]:
        """Those of the commands that the store knows as the caller's."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def is_given(number: int) -> bool:
            async with slots:
                try:
                    await self._commands.row(device_id, number, account_id)
                except CommandNotFound:
                    return False
            return True

        given = await asyncio.gather(*map(is_given, numbers))
        return [number for number, is_mine in zip(numbers, given, strict=True) if is_mine]


async def _until_there(
    model: str,
    look: Callable[[Sequence[K]], Awaitable[Behind[K]]],
    wanted: Sequence[K],
    seconds: float,
) -> None:
    """Looks at what is still missing, after growing pauses with jitter; at the end once more."""
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + seconds, FIRST_PAUSE
    while wanted:
        behind = await look(wanted)
        wanted = [key for key in wanted if behind.get(key)]
        left = deadline - loop.time()
        if wanted and left <= 0:
            count = sum(behind[key] for key in wanted)
            raise ReadModelBehind(
                f"{model} is {count} events behind this token; try again, or without it",
                retry_after=1,
                behind={model: count},
            )
        if wanted:
            await asyncio.sleep(min(left, pause * random.uniform(0.7, 1.3)))  # noqa: S311 jitter
            pause = min(pause * 1.6, LONGEST_PAUSE)


def mended(
    page: tuple[Sequence[DeviceRow], str | None],
    known: Rows,
    account_id: str,
    *,
    limit: int,
    after: str | None,
) -> tuple[list[DeviceRow], str | None]:
    """A page of the account's devices, with what is known of some of them for certain.

    The index that pages come from may be older than the rows themselves, at any read.
    """
    rows, cursor = {row.device_id: row for row in page[0]}, page[1]
    for device_id, row in known.items():
        if device_id <= (after or "") or (cursor is not None and device_id > cursor):
            continue
        listed = rows.get(device_id)
        if listed is None or missing(listed, row.applied, row.generation):
            rows.pop(device_id, None)
            if row.account_id == account_id:
                rows[device_id] = row
    kept = [rows[device_id] for device_id in sorted(rows)]
    if len(kept) > limit:
        return kept[:limit], kept[limit - 1].device_id
    return kept, cursor
