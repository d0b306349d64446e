"""Errors that only the HTTP of ads knows."""

from __future__ import annotations

from domain.kernel.errors import NotFound, Refused


class NoAdReady(NotFound):
    """Nothing of the ad break can be shown yet, and there is no filler."""

    code = "no_ad_ready"


class MediaNotFound(NotFound):
    """No film has this file."""

    code = "media_not_found"


class RangeNotSatisfiable(Refused):
    """The range lies beyond the file's end (RFC 9110 section 15.5.17)."""

    code = "range_not_satisfiable"
