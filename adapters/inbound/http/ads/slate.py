"""The film that fills a break in which nothing else is ready: an ad of ours that nobody counts."""

from __future__ import annotations

from adapters.vast import AdBreak, Decisions, FetchFailed, StreamingMedia, resolve
from adapters.vast.durations import format_duration

SLATE = """<VAST version="3.0"><Ad id="slate"><InLine><AdSystem>Homecast</AdSystem>\
<AdTitle>Slate</AdTitle><Impression></Impression><Creatives><Creative><Linear>\
<Duration>{duration}</Duration><MediaFiles><MediaFile delivery="progressive" type="video/mp4" \
width="16" height="9">https://slate.invalid/</MediaFile></MediaFiles></Linear></Creative>\
</Creatives></InLine></Ad></VAST>"""


async def slate_break(slate: StreamingMedia) -> tuple[AdBreak, Decisions]:
    """``Impression`` is blank, as VAST wants it where there is none to tell."""
    document = SLATE.format(duration=format_duration(slate.duration)).encode()
    ad_break = await resolve(document, nowhere)
    return ad_break, {one.key: slate for one in ad_break.ads[0].linears}


async def nowhere(url: str) -> bytes:
    raise FetchFailed(url)
