"""Percentages of jobs under way: hints for the board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from adapters.outbound.redis.link import Link
from domain.kernel.errors import HintsUnavailable
from projections.media.ports import Progress

KEPT_SECONDS = 60


class RedisProgress:
    """Port ``ProgressHints``."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def tell(self, creative_id: str, progress: Progress) -> None:
        key, value = key_of(creative_id), f"{progress.stage}:{progress.percent}"
        with suppress(HintsUnavailable):
            await self._link.call(lambda: self._link.client.set(key, value, ex=KEPT_SECONDS))

    async def of(self, creative_ids: Sequence[str]) -> Mapping[str, Progress]:
        if not creative_ids:
            return {}
        keys = [key_of(one) for one in creative_ids]
        try:
            values = await self._link.call(lambda: self._link.client.mget(keys))
        except HintsUnavailable:
            return {}
        pairs = zip(creative_ids, map(read, values), strict=True)
        return {one: progress for one, progress in pairs if progress is not None}


def key_of(creative_id: str) -> str:
    return f"homecast:transcoding:{creative_id}"


def read(value: bytes | str | None) -> Progress | None:
    """None also for what another version may have left there."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else value or ""
    stage, _, percent = text.partition(":")
    return Progress(stage, int(percent)) if percent.isdecimal() else None
