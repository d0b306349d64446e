"""What a decision reads of an ad, and which file it is told to transcode."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from adapters.vast import Category, NoUsableSource, Pricing, ResolvedAd, parse, source_of
from tests.support.vast import document, inline


def ad_of(version: str = "4.2", media: str | None = None) -> ResolvedAd:
    ad = inline(version, 1, category="IAB7", media=media)
    return ResolvedAd("0", parse(document(version, ad)).ads[0])


def file(url: str = "https://m.example/a.mp4", name: str = "MediaFile", **attributes: str) -> str:
    said = {"delivery": "progressive", "type": "video/mp4", "width": "1", "height": "1"}
    written = " ".join(f'{k}="{v}"' for k, v in (said | attributes).items() if v)
    return f"<{name} {written}><![CDATA[{url}]]></{name}>"


def test_an_ad_says_what_it_is() -> None:
    ad = ad_of()
    assert ad.pricing == Pricing("cpm", "EUR", Decimal("12.50"))
    assert ad.ad_serving_id == "serving-1"
    assert ad.advertiser == "Advertiser"
    assert ad.categories == [Category("iabtechlab.com", "IAB7")]
    assert ad.expires is None


def test_a_creative_says_what_it_is() -> None:
    (creative,) = ad_of().linears
    assert (creative.creative_id, creative.ad_id) == ("c-1", "a-1")
    assert creative.duration == timedelta(seconds=15)
    assert creative.skip_offset == "00:00:05"


def test_the_older_spelling_of_its_id_is_read() -> None:
    assert ad_of("3.0").linears[0].ad_id == "a-1"


@pytest.mark.parametrize("value", ["unknown", "UNKNOWN", " Unknown ", ""])
def test_an_unknown_id_is_no_id(value: str) -> None:
    text = document("4.2", inline("4.2", 1)).decode().replace("CNPA0484001H", value)
    text = text.replace('adId="a-1"', f'adId="{value}"')
    creative = ResolvedAd("0", parse(text.encode()).ads[0]).linears[0]
    assert creative.universal_ad_ids == []
    assert creative.ad_id is None


def test_several_registered_ids_are_all_told() -> None:
    more = '<UniversalAdId idRegistry="clearcast.co.uk" idValue="X/1"/></Creative>'
    text = document("4.2", inline("4.2", 1)).decode().replace("</Creative>", more)
    ids = ResolvedAd("0", parse(text.encode()).ads[0]).linears[0].universal_ad_ids
    assert [(one.registry, one.value) for one in ids] == [
        ("ad-id.org", "CNPA0484001H"),
        ("clearcast.co.uk", "X/1"),
    ]


SMALL = file("https://m/s.mp4", width="640", height="360", bitrate="700")
LARGE = file("https://m/l.mp4", width="1920", height="1080", bitrate="5000")
SILENT = file("https://m/q.mp4", width="1920", height="1080")
MEZZANINE = file("https://m/z.mov", "Mezzanine", type="video/quicktime")
VPAID = file("https://m/v.js", type="application/javascript", apiFramework="VPAID")
VPAID_VIDEO = file("https://m/v.mp4", bitrate="9999", apiFramework="VPAID")
STREAM = file("https://m/h.m3u8", delivery="streaming", type="application/x-mpegURL")
SIMID = file("https://m/i.html", "InteractiveCreativeFile", type="text/html", apiFramework="SIMID")


@pytest.mark.parametrize(
    ("media", "url"),
    [
        (SMALL + LARGE, "https://m/l.mp4"),
        (SMALL + SILENT, "https://m/q.mp4"),
        (SMALL + LARGE + MEZZANINE, "https://m/z.mov"),
        (VPAID_VIDEO + SMALL + SIMID, "https://m/s.mp4"),
        (STREAM + SMALL, "https://m/s.mp4"),
        (file("https://m/a.mp4", apiFramework="VAST"), "https://m/a.mp4"),
        (file("https://m/a.mp4", type=""), "https://m/a.mp4"),
        (file("ftp://m/a.mp4", bitrate="9000") + SMALL, "https://m/s.mp4"),
    ],
)
def test_the_best_file_is_the_source(media: str, url: str) -> None:
    assert source_of(ad_of(media=media).linears[0]).url == url


@pytest.mark.parametrize(
    ("media", "code"),
    [
        ("", 403),
        (STREAM, 403),
        (file("https://m/a.swf", type="application/x-shockwave-flash"), 403),
        (file(""), 405),
        (file("ftp://m/a.mp4"), 405),
        (VPAID, 901),
        (VPAID + VPAID_VIDEO, 901),
        (SIMID, 409),
        (file("https://m/i.html", type="text/html", apiFramework="SIMID"), 409),
    ],
)
def test_without_a_usable_file_the_code_says_why(media: str, code: int) -> None:
    with pytest.raises(NoUsableSource) as raised:
        source_of(ad_of(media=media).linears[0])
    assert raised.value.vast_code == code


def test_a_mezzanine_can_be_required() -> None:
    with pytest.raises(NoUsableSource) as raised:
        source_of(ad_of(media=LARGE).linears[0], mezzanine_required=True)
    assert raised.value.vast_code == 406
