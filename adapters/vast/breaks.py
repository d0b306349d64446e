"""An ad break after all wrappers were followed, and what went wrong on the way."""

from __future__ import annotations

from dataclasses import dataclass

from .ads import ResolvedAd


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """``urls`` are to be requested, with ``code`` for their macro [ERRORCODE]."""

    code: int
    urls: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """An ad of a pod that could not be had; a stand-alone ad may take its place, or not."""

    may_be_replaced: bool = True


@dataclass(frozen=True, slots=True)
class AdBreak:
    """``pod`` is to be played in this order; ``stand_alone`` ads are for choice, and to stand in.

    ``error_urls`` are the root's own: for an answer without an ad.
    """

    version: str
    pod: tuple[ResolvedAd | Gap, ...]
    stand_alone: tuple[ResolvedAd, ...]
    reports: tuple[ErrorReport, ...] = ()
    error_urls: tuple[str, ...] = ()

    @property
    def ads(self) -> list[ResolvedAd]:
        return [one for one in (*self.pod, *self.stand_alone) if isinstance(one, ResolvedAd)]


def chain_report(ad: ResolvedAd, code: int, reason: str) -> ErrorReport:
    """Of an ad that cannot be shown (407: being transcoded): to it and all of its wrappers."""
    return ErrorReport(code, ad.error_urls, reason)
