"""Times as VAST writes them: ``HH:MM:SS`` with an optional ``.mmm``, or a percentage."""

from __future__ import annotations

import re
from datetime import timedelta

_TIME = re.compile(r"(\d{1,3}):(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9}))?")


def parse_duration(value: str | None) -> timedelta | None:
    """Lenient in digits (``0:0:15``); None for what is no time, or for minutes beyond 59."""
    match = _TIME.fullmatch(value.strip()) if value else None
    if match is None or int(match[2]) > 59 or int(match[3]) > 59:
        return None
    fraction = int((match[4] or "0").ljust(6, "0")[:6])
    return timedelta(
        hours=int(match[1]), minutes=int(match[2]), seconds=int(match[3]), microseconds=fraction
    )


def format_duration(value: timedelta) -> str:
    """``HH:MM:SS``, with milliseconds where there are any. A day is the limit of ``xs:time``."""
    milliseconds = min(round(value.total_seconds() * 1000), 24 * 3_600_000 - 1)
    seconds, rest = divmod(max(milliseconds, 0), 1000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{clock}.{rest:03}" if rest else clock
