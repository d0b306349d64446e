"""An ad break through the VAST library beside lxml alone with the same bytes.

Processor time of this process, ours and theirs in turns. **Ours** is what a request costs once the
broker has answered: parse, resolve, choose a source for each creative, rewrite with our beacons.
**Plain** is ``etree.tostring(etree.fromstring(...))``. Run it alone:
``python -m tests.bench.ad_break``.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from lxml import etree

from adapters.vast import Beacons, FetchFailed, StreamingMedia, Version, resolve, rewrite, source_of
from tests.support.vast import document, inline

ROUNDS, EACH = 15, 100
MEDIA = StreamingMedia(
    hls_url="https://cdn.example/r/7/master.m3u8",
    dash_url="https://cdn.example/r/7/manifest.mpd",
    width=1280,
    height=720,
    min_bitrate=365,
    max_bitrate=3000,
    codecs="avc1.64001f,mp4a.40.2",
    duration=timedelta(seconds=15),
)
OWN = Beacons(
    impressions=("https://beacons.example/i?ad=1",),
    errors=("https://beacons.example/e?code=[ERRORCODE]",),
    tracking={"start": "https://beacons.example/s", "complete": "https://beacons.example/c"},
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Microseconds of processor time for one break."""

    what: str
    ours: float
    plain: float

    @property
    def ratio(self) -> float:
        return self.ours / self.plain


async def _nowhere(url: str) -> bytes:
    raise FetchFailed(url)


def _ours(data: bytes, version: Version) -> Callable[[], bytes]:
    """The coroutine is stepped by hand: without wrappers it waits for nothing."""
    loop = asyncio.new_event_loop()

    async def many() -> bytes:
        answer = b""
        for _ in range(EACH):
            found = await resolve(data, _nowhere)
            decide: dict[str, StreamingMedia | None] = {}
            for ad in found.ads:
                for creative in ad.linears:
                    decide[creative.key] = MEDIA if source_of(creative) else None
            own = {ad.key: OWN for ad in found.ads}
            answer = rewrite(found, decide, version=version, beacons=own)
        return answer

    return lambda: loop.run_until_complete(many())


def _plain(data: bytes) -> Callable[[], bytes]:
    def many() -> bytes:
        answer = b""
        for _ in range(EACH):
            answer = etree.tostring(etree.fromstring(data))
        return answer

    return many


def measure() -> list[Measured]:
    cases: list[tuple[str, bytes, Version]] = []
    for ads in (1, 10):
        for read, written in (("4.2", "4.2"), ("3.0", "3.0"), ("3.0", "4.2")):
            pod = "".join(inline(read, number, sequence=number + 1) for number in range(ads))
            version: Version = "4.2" if written == "4.2" else "3.0"
            cases.append((f"{ads} ads, {read} to {written}", document(read, pod), version))
    return [_compare(*one) for one in cases]


def _compare(what: str, data: bytes, version: Version) -> Measured:
    competitors = (_ours(data, version), _plain(data))
    spent = [0.0, 0.0]
    for round_ in range(-1, ROUNDS):
        for index, run in enumerate(competitors):
            gc.collect()
            began = time.process_time()
            run()
            spent[index] += time.process_time() - began if round_ >= 0 else 0.0
    each = [1_000_000 * one / (ROUNDS * EACH) for one in spent]
    return Measured(what, each[0], each[1])


def table(measured: list[Measured]) -> str:
    head = ("| break | ours, µs | lxml alone, µs | ratio |", "|---|---|---|---|")
    rows = (f"| {m.what} | {m.ours:.0f} | {m.plain:.0f} | {m.ratio:.2f} |" for m in measured)
    return "\n".join((*head, *rows))


if __name__ == "__main__":
    print(table(measure()))
