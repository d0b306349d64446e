"""Waiting for a command's outcome: hints make it quick, the store makes it certain."""

from __future__ import annotations

import asyncio

from adapters.inbound.http.feeds import Listener, Message
from adapters.inbound.http.reading import Commands
from domain.devices.remote_command import FINAL
from domain.kernel.recorded import Recorded
from projections.devices.ports import FeedReset
from projections.devices.remote_commands import REMOTE_COMMANDS, RemoteCommandRow

LONGEST = 25
FIRST_LOOK = 0.5
"""Seconds until the store is asked for the first time; then 1, 2, 4 … and at the deadline."""


async def outcome(
    row: RemoteCommandRow, *, listener: Listener, commands: Commands, seconds: float
) -> RemoteCommandRow:
    """The command in a final status, or as it is when the time is over.

    ``listener`` has to have been opened before the command was accepted.
    """
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + seconds, FIRST_LOOK
    while row.status not in FINAL:
        look_at = min(loop.time() + pause, deadline)
        row = await _heard(row, listener, commands, look_at)
        if row.status in FINAL:
            break
        row = await commands.caught_up(row)
        if loop.time() >= deadline:
            break
        pause *= 2
    return row


async def _heard(
    row: RemoteCommandRow, listener: Listener, commands: Commands, until: float
) -> RemoteCommandRow:
    """What the hints say until then; a final status or a sign of a gap ends it early."""
    try:
        async with asyncio.timeout_at(until):
            while row.status not in FINAL:
                message = await listener.next()
                if isinstance(message, FeedReset):
                    return row
                if isinstance(message, Recorded):
                    row = commands.after(row, [message])
                if _is_ahead(message, row):
                    return row
    except TimeoutError:
        pass
    return row


def _is_ahead(message: Message, row: RemoteCommandRow) -> bool:
    """Whether it tells of a step of this command that the row cannot take yet."""
    if isinstance(message, Recorded):
        key = REMOTE_COMMANDS.key_of(message.event)
        mine = key == (row.device_id, row.number)
        return mine and REMOTE_COMMANDS.number_of(message.event) > row.step
    if isinstance(message, FeedReset) or message.get("type") != "command":
        return False
    told = message["command"]
    mine = (told["device_id"], told["number"]) == (row.device_id, row.number)
    return mine and bool(told["applied"] > row.step)
