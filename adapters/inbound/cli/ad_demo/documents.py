"""VAST and VMAP as brokers write them, by the path that they are asked for at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from adapters.inbound.cli.ad_demo.films import SECONDS


@dataclass(frozen=True)
class Advert:
    """``ids``: registry and value of the ``UniversalAdId``. ``captions``: of the film."""

    name: str
    film: str
    size: tuple[int, int] = (640, 360)
    ids: tuple[str, str] = ("unknown", "unknown")
    mezzanine: str = ""
    captions: str = ""
    advertiser: str = "Acme"


WIDE = Advert("wide", "wide.mp4", (1280, 720), ("ad-id.org", "DEMO0001000H"))
SILENT = Advert("silent", "silent.mp4", advertiser="Quiet & Sons")
FOUR_THREE = Advert("four-three", "four-three.mp4", (640, 480))
TURNED = Advert("turned", "turned.mp4", (480, 640))
TINY = Advert("tiny", "tiny.mp4", (160, 90))
LINKED = Advert("linked", "same-as-wide.mp4", (1280, 720), ("ad-id.org", "DEMO0002000H"))
BEST = Advert("mezzanine", "low.mp4", (320, 180), mezzanine="mezzanine.mp4")
CAPTIONED = Advert("captioned", "captioned.mp4", captions="captions.srt")
BROKEN = Advert("broken", "broken.mp4", (160, 90))
EVERY = (WIDE, SILENT, FOUR_THREE, TURNED, LINKED, BEST, CAPTIONED, TINY, BROKEN)


def inline(base: str, advert: Advert, sequence: int | None = None) -> str:
    """VAST 4.2. Its calls come back to the broker."""
    calls, width, height = f"{base}/calls/{advert.name}", *advert.size
    place = "" if sequence is None else f' sequence="{sequence}"'
    best = advert.mezzanine and (
        f'<Mezzanine delivery="progressive" type="video/mp4" width="960" height="540">'
        f"{cdata(f'{base}/films/{advert.mezzanine}')}</Mezzanine>"
    )
    captions = advert.captions and (
        '<ClosedCaptionFiles><ClosedCaptionFile type="text/srt" language="en">'
        f"{cdata(f'{base}/films/{advert.captions}')}</ClosedCaptionFile></ClosedCaptionFiles>"
    )
    return (
        f'<Ad id="{advert.name}"{place}><InLine><AdSystem>Homecast demo</AdSystem>'
        f"<Error>{cdata(f'{calls}/error?code=[ERRORCODE]&at=[TIMESTAMP]')}</Error>"
        f"<Impression>{cdata(f'{calls}/impression?cb=[CACHEBUSTING]')}</Impression>"
        f'<Pricing model="CPM" currency="EUR">{4 + len(advert.name)}.50</Pricing>'
        f"<AdServingId>demo-{advert.name}</AdServingId><AdTitle>Demo: {advert.name}</AdTitle>"
        f"<Advertiser>{escape(advert.advertiser)}</Advertiser><Creatives>"
        f'<Creative id="{advert.name}" adId="campaign-{len(advert.name) % 3}">'
        f'<UniversalAdId idRegistry="{advert.ids[0]}">{advert.ids[1]}</UniversalAdId><Linear>'
        f"<TrackingEvents>{tracking(calls)}</TrackingEvents><Duration>00:00:0{SECONDS}</Duration>"
        f'<MediaFiles>{best}<MediaFile delivery="progressive" type="video/mp4" width="{width}" '
        f'height="{height}" bitrate="900">{cdata(f"{base}/films/{advert.film}")}</MediaFile>'
        f"{captions}</MediaFiles><VideoClicks>"
        f"<ClickThrough>{cdata(f'{calls}/page')}</ClickThrough></VideoClicks></Linear></Creative>"
        "</Creatives></InLine></Ad>"
    )


EVENTS = ("start", "firstQuartile", "midpoint", "thirdQuartile", "complete")


def tracking(calls: str) -> str:
    return "".join(
        f'<Tracking event="{event}">{cdata(f"{calls}/{event}")}</Tracking>' for event in EVENTS
    )


def wrapper(base: str, name: str, target: str) -> str:
    calls = f"{base}/calls/{name}"
    return (
        f'<Ad id="{name}"><Wrapper><AdSystem>Homecast demo</AdSystem>'
        f"<Error>{cdata(f'{calls}/error?code=[ERRORCODE]')}</Error>"
        f"<Impression>{cdata(f'{calls}/impression')}</Impression>"
        f"<VASTAdTagURI>{cdata(f'{base}{target}')}</VASTAdTagURI><Creatives><Creative><Linear>"
        f"<TrackingEvents>{tracking(calls)}</TrackingEvents></Linear></Creative></Creatives>"
        "</Wrapper></Ad>"
    )


def cdata(text: str) -> str:
    return f"<![CDATA[{text}]]>"


def vast(*ads: str) -> str:
    return f'<VAST xmlns="http://www.iab.com/VAST" version="4.2">{"".join(ads)}</VAST>'


def pod(base: str, *adverts: Advert) -> str:
    return vast(*(inline(base, one, place) for place, one in enumerate(adverts, 1)))


def vmap(base: str) -> str:
    def ad_break(offset: str, name: str, source: str) -> str:
        return (
            f'<vmap:AdBreak timeOffset="{offset}" breakType="linear" breakId="{name}">'
            f'<vmap:AdSource id="{name}" allowMultipleAds="true" followRedirects="true">{source}'
            "</vmap:AdSource></vmap:AdBreak>"
        )

    uri = f'<vmap:AdTagURI templateType="vast4">{cdata(f"{base}/vast/wrapper")}</vmap:AdTagURI>'
    pre = f"<vmap:VASTAdData>{vast(inline(base, WIDE))}</vmap:VASTAdData>"
    post = f"<vmap:VASTAdData>{vast(inline(base, SILENT))}</vmap:VASTAdData>"
    return (
        '<vmap:VMAP xmlns:vmap="http://www.iab.net/videosuite/vmap" version="1.0">'
        f"{ad_break('start', 'pre', pre)}{ad_break('00:10:00.000', 'mid', uri)}"
        f"{ad_break('end', 'post', post)}</vmap:VMAP>"
    )


PATHS: Mapping[str, Callable[[str], str]] = {
    "/vast/any": lambda base: pod(base, *EVERY),
    "/vast/simple": lambda base: vast(inline(base, WIDE)),
    "/vast/pod": lambda base: pod(base, WIDE, SILENT, FOUR_THREE),
    "/vast/unknown": lambda base: pod(base, SILENT, TINY, FOUR_THREE),
    "/vast/linked": lambda base: pod(base, WIDE, LINKED),
    "/vast/captions": lambda base: vast(inline(base, CAPTIONED)),
    "/vast/corrupt": lambda base: vast(inline(base, BROKEN)),
    "/vast/wrapper": lambda base: vast(wrapper(base, "outer", "/vast/inner")),
    "/vast/inner": lambda base: vast(wrapper(base, "inner", "/vast/simple")),
    "/vast/empty": lambda _: vast(),
    "/vmap": vmap,
}
