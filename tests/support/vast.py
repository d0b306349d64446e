"""Small VAST documents of our own making, one for each version."""

from __future__ import annotations

EVENTS = ("start", "firstQuartile", "midpoint", "thirdQuartile", "complete", "mute", "pause")
NAMESPACE = "http://www.iab.com/VAST"


def document(version: str, ads: str = "", errors: tuple[str, ...] = ()) -> bytes:
    namespace = f' xmlns="{NAMESPACE}"' if version.startswith("4") else ""
    told = "".join(f"<Error><![CDATA[{one}]]></Error>" for one in errors)
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<VAST{namespace} version="{version}">'
    return f"{head}{ads}{told}</VAST>".encode()


def inline(
    version: str,
    number: int = 0,
    *,
    sequence: int | None = None,
    category: str | None = None,
    media: str | None = None,
) -> str:
    """An ad with one linear creative, as the schema of its version wants it."""
    place = f' sequence="{sequence}"' if sequence is not None else ""
    parts = _modern if version.startswith("4") else _older
    body = parts(number, category, files(number) if media is None else media)
    return f'<Ad id="ad-{number}"{place}>\n  <InLine>\n{body}  </InLine>\n</Ad>\n'


def wrapper(
    version: str, url: str, *, name: str = "w", attributes: str = "", sequence: int | None = None
) -> str:
    """Its addresses begin with its name."""
    place = f' sequence="{sequence}"' if sequence is not None else ""
    return (
        f'<Ad id="{name}"{place}><Wrapper {attributes}><AdSystem>{name}</AdSystem>'
        f"<VASTAdTagURI><![CDATA[{url}]]></VASTAdTagURI>"
        f"<Error><![CDATA[https://{name}.example/error?c=[ERRORCODE]]]></Error>"
        f"<Impression><![CDATA[https://{name}.example/impression]]></Impression>"
        f"<Creatives><Creative><Linear>{tracking(f'https://{name}.example/t')}"
        f"<VideoClicks><ClickTracking>https://{name}.example/click</ClickTracking></VideoClicks>"
        "</Linear></Creative></Creatives></Wrapper></Ad>"
    )


def tracking(base: str) -> str:
    events = "".join(
        f'        <Tracking event="{one}">'
        f"<![CDATA[{base}/{one}?a=1&b=%20&m=[CACHEBUSTING]]]></Tracking>\n"
        for one in EVENTS
    )
    return f"<TrackingEvents>\n{events}      </TrackingEvents>"


def files(number: int = 0) -> str:
    return "".join(
        f'        <MediaFile delivery="progressive" type="video/mp4" width="{width}"'
        f' height="{height}" bitrate="{bitrate}"><![CDATA[https://media.example/{number}/{height}.mp4]]></MediaFile>\n'
        for width, height, bitrate in ((640, 360, 700), (1280, 720, 2500), (1920, 1080, 5000))
    )


def _modern(number: int, category: str | None, media: str) -> str:
    written = f'    <Category authority="iabtechlab.com">{category}</Category>\n'
    of_kind = written if category else ""
    return f"""    <AdSystem version="1.0">broker</AdSystem>
    <Error><![CDATA[https://broker.example/error?ad={number}&code=[ERRORCODE]]]></Error>
    <Impression id="i"><![CDATA[https://broker.example/impression?ad={number}&t=[TIMESTAMP]]]></Impression>
    <Pricing model="cpm" currency="EUR"><![CDATA[ 12.50 ]]></Pricing>
    <AdServingId>serving-{number}</AdServingId>
    <AdTitle>Ad {number}</AdTitle>
    <Advertiser>Advertiser</Advertiser>
{of_kind}    <Creatives>
    <Creative id="c-{number}" adId="a-{number}" sequence="1">
      <Linear skipoffset="00:00:05">
      {tracking(f"https://broker.example/{number}")}
      <Duration>00:00:15</Duration>
      <MediaFiles>
{media}      </MediaFiles>
      <VideoClicks>
        <ClickTracking><![CDATA[https://broker.example/clicked?ad={number}]]></ClickTracking>
        <ClickThrough><![CDATA[https://shop.example/?from=ad&n={number}]]></ClickThrough>
      </VideoClicks>
      </Linear>
      <UniversalAdId idRegistry="ad-id.org">CNPA048400{number}H</UniversalAdId>
    </Creative>
    </Creatives>
"""


def _older(number: int, category: str | None, media: str) -> str:
    return f"""    <AdSystem version="1.0">broker</AdSystem>
    <AdTitle>Ad {number}</AdTitle>
    <Error><![CDATA[https://broker.example/error?ad={number}&code=[ERRORCODE]]]></Error>
    <Impression id="i"><![CDATA[https://broker.example/impression?ad={number}&t=[TIMESTAMP]]]></Impression>
    <Creatives>
    <Creative id="c-{number}" AdID="a-{number}" sequence="1">
      <Linear>
      <Duration>00:00:15</Duration>
      {tracking(f"https://broker.example/{number}")}
      <VideoClicks>
        <ClickThrough><![CDATA[https://shop.example/?from=ad&n={number}]]></ClickThrough>
        <ClickTracking><![CDATA[https://broker.example/clicked?ad={number}]]></ClickTracking>
      </VideoClicks>
      <MediaFiles>
{media}      </MediaFiles>
      </Linear>
    </Creative>
    </Creatives>
"""
