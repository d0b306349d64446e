"""Why a render failed, told from how ffmpeg ended and from its last words."""

from __future__ import annotations

import re
import signal

from adapters.outbound.transcoding.program import Ended

RATE_EXCEEDED = 69
"""ffmpeg's own code: more frames than ``-max_error_rate`` could not be decoded."""
BROKEN = re.compile(
    r"Invalid data found|Error while decoding|Error submitting packet|moov atom not found|"
    r"could not find codec parameters|Decoder .* not found|matches no streams",
    re.IGNORECASE,
)
TEMPORARY = re.compile(r"No space left on device|Cannot allocate memory|Resource temporarily")
ADDRESS = re.compile(r" @ 0x[0-9a-f]+")
PATH = re.compile(r"(?:/[^\s/:']+)+/")
WORDS = 500


class RenderFailed(Exception):
    """``code``: stable, for programs. ``retryable``: whether another attempt may help."""

    def __init__(self, code: str, detail: str = "", *, retryable: bool = False) -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail
        self.retryable = retryable


def failure(ended: Ended) -> RenderFailed | None:
    """None when it ended well."""
    if ended.code == 0:
        return None
    detail = last_words(ended.errors)
    if ended.code is None:
        return RenderFailed("render_timed_out", "took too long and was ended", retryable=True)
    if ended.code == -signal.SIGXFSZ:
        return RenderFailed("output_too_large", "a file grew over the limit")
    if "No space left on device" in ended.errors:
        return RenderFailed("disk_full", detail, retryable=True)
    if ended.code < 0 or TEMPORARY.search(ended.errors):
        return RenderFailed("render_killed", f"ended with {ended.code}. {detail}", retryable=True)
    if ended.code == RATE_EXCEEDED or BROKEN.search(ended.errors):
        return RenderFailed("undecodable", detail)
    return RenderFailed("render_failed", detail)


def last_words(errors: str) -> str:
    """The last lines without addresses in memory and without folders."""
    lines = [line.strip() for line in errors.strip().splitlines()[-4:]]
    return PATH.sub("", ADDRESS.sub("", " | ".join(lines)))[-WORDS:]
