"""The asset list of an HLS interstitial (``X-ASSET-LIST``)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .breaks import AdBreak
from .own import Decisions
from .rewrite import chosen


@dataclass(frozen=True, slots=True)
class Asset:
    """``duration`` is in seconds."""

    uri: str
    duration: float


def assets_of(ad_break: AdBreak, decide: Decisions) -> list[Asset]:
    """The HLS streams of the break in the order of playing."""
    pod, alone = chosen(ad_break, decide)
    ready = (decide.get(one.key) for ad in (*pod, *alone) for one in ad.linears)
    return [Asset(one.hls_url, one.duration.total_seconds()) for one in ready if one is not None]


def asset_list(assets: list[Asset], *, filler: Asset | None = None) -> bytes | None:
    """JSON: an object with ``ASSETS``, never a bare array, which hls.js refuses.

    When nothing is ready: the ``filler`` if there is one, else None, and then the right answer is
    status 404. An empty ``ASSETS`` means "load nothing and go on", but players were seen to freeze
    on it (hls.js before the mend of its pull request 6756); a failed list is what every player has
    a path for: it skips the interstitial and returns to the programme. A filler is better than
    both, as the viewer of a live programme sees neither a hole nor a jump.
    """
    every = assets or ([filler] if filler is not None else [])
    if not every:
        return None
    listed = [{"URI": one.uri, "DURATION": one.duration} for one in every]
    return json.dumps({"ASSETS": listed}, separators=(",", ":")).encode()
