"""A complete job → the rendition, for which the multivariant playlist is read: neither events nor
answers tell the measured bandwidths."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from adapters.outbound.transcoding.mediaconvert.layout import Outputs
from adapters.outbound.transcoding.mediaconvert.multivariant import parse
from commands.media.ports import JobReport, JobStatus
from domain.kernel.errors import ContractError
from domain.media.rendition import Rendition

PLAYLIST_LIMIT = 256 * 1024
"""Bytes."""


class MediaObjects(Protocol):
    """The media bucket, as far as it is needed here. Raises ``StoreUnavailable``."""

    async def get(self, key: str, *, limit: int) -> bytes | None:
        """None when there is none. Raises ``ContractError`` for one of over ``limit`` bytes."""


async def completed(
    report: JobReport, outputs: Outputs, duration_ms: int, objects: MediaObjects
) -> JobReport:
    """The report with its rendition. Where the job says that it is complete and what it wrote
    cannot be used, an ERROR: ``rendition_missing`` (worth another attempt) or
    ``rendition_unreadable``."""
    try:
        playlist = await objects.get(outputs.hls, limit=PLAYLIST_LIMIT)
        if playlist is None:
            return failed(report, "rendition_missing", f"no {outputs.hls}", retryable=True)
        found = parse(playlist)
    except ContractError as error:
        return failed(report, "rendition_unreadable", error.detail, retryable=False)
    rendition = Rendition(
        ladder=report.ladder,
        prefix=outputs.prefix,
        hls=outputs.hls,
        dash=outputs.dash,
        preview=outputs.preview,
        poster=outputs.poster,
        duration_ms=duration_ms,
        rungs=found.rungs,
        captions=found.captions,
    )
    return replace(report, rendition=rendition)


def failed(report: JobReport, code: str, detail: str, *, retryable: bool) -> JobReport:
    return replace(report, status=JobStatus.ERROR, error=code, detail=detail, retryable=retryable)
