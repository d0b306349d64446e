"""Our streams for the broker's files; everything else as it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from lxml import etree

from adapters.vast import VERSIONS, AdBreak, Beacons, Version, parse, resolve, rewrite
from adapters.vast.schema import schema
from tests.support.vast import EVENTS, document, inline, wrapper
from tests.support.vast_fetch import MEDIA, Brokers, all_ready, ids

MODERN: Sequence[Version] = ("4.0", "4.1", "4.2")
EVERY: Sequence[Version] = ("2.0", "3.0", *MODERN)


async def resolved(*ads: str, version: str = "4.2", errors: tuple[str, ...] = ()) -> AdBreak:
    return await resolve(document(version, "".join(ads), errors), Brokers({}))


def urls(root: etree._Element, name: str) -> list[str | None]:
    return [one.text for one in root.iter(f"{{*}}{name}")]


def placed(answer: bytes) -> list[tuple[str | None, str | None]]:
    return [(one.get("id"), one.get("sequence")) for one in parse(answer).ads]


def test_every_version_is_offered() -> None:
    assert tuple(EVERY) == VERSIONS


@pytest.mark.parametrize("written", EVERY)
@pytest.mark.parametrize("read", ["2.0", "3.0", "4.0", "4.1", "4.2", "4.3"])
async def test_any_version_becomes_any_other(read: str, written: Version) -> None:
    found = await resolved(inline(read, 1, sequence=1), version=read)
    answer = rewrite(found, all_ready(found), version=written)
    document_ = parse(answer)
    assert document_.valid_as == written
    assert document_.version == written
    root = etree.fromstring(answer)
    assert urls(root, "MediaFile") == [MEDIA.hls_url, MEDIA.dash_url]
    tracking = {one.get("event"): one.text for one in root.iter("{*}Tracking")}
    assert tracking == {
        one: f"https://broker.example/1/{one}?a=1&b=%20&m=[CACHEBUSTING]" for one in EVENTS
    }
    assert urls(root, "Error") == ["https://broker.example/error?ad=1&code=[ERRORCODE]"]
    assert urls(root, "ClickThrough") == ["https://shop.example/?from=ad&n=1"]
    assert b"<![CDATA[https://broker.example/1/start?a=1&b=%20&m=[CACHEBUSTING]]]>" in answer


async def test_media_files_say_what_they_are() -> None:
    found = await resolved(inline("4.2", 1))
    hls, dash = parse(rewrite(found, all_ready(found))).root.iter("MediaFile")
    assert dict(hls.attrib) == {
        "delivery": "streaming",
        "type": "application/x-mpegURL",
        "width": "1280",
        "height": "720",
        "minBitrate": "365",
        "maxBitrate": "3000",
        "codec": "avc1.64001f,mp4a.40.2",
    }
    assert dash.get("type") == "application/dash+xml"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t, id="as it came"),
        pytest.param(lambda t: t.replace("<![CDATA[", "\n <![CDATA["), id="space"),
        pytest.param(
            lambda t: t.replace("<AdTitle>Ad 1", "<AdTitle><![CDATA[<MediaFile >]]>"), id="markup"
        ),
        pytest.param(
            lambda t: t.replace(
                "<Impression id",
                "<Extensions><Extension><Impression>x</Impression><MediaFile /></Extension>"
                "</Extensions><Impression id",
            ),
            id="extension",
        ),
        pytest.param(
            lambda t: t.replace(
                "<![CDATA[https://broker.example/clicked?ad=1]]>",
                "https://broker.example/clicked?ad=1",
            ),
            id="no CDATA",
        ),
    ],
)
@pytest.mark.parametrize("version", EVERY)
async def test_our_beacons_stand_beside_the_brokers(change: object, version: Version) -> None:
    assert callable(change)
    found = await resolve(change(document("4.2", inline("4.2", 1)).decode()).encode(), Brokers({}))
    own = Beacons(("https://own/i?a&b",), ("https://own/e",), {"start": "https://own/s?x]]>y"})
    answer = rewrite(found, all_ready(found), version=version, beacons={found.ads[0].key: own})
    ad = parse(answer).ads[0]
    assert parse(answer).valid_as == version
    impressions = [one.text for one in ad.iterfind("InLine/Impression")]
    assert sorted(str(one) for one in impressions) == [
        "https://broker.example/impression?ad=1&t=[TIMESTAMP]",
        "https://own/i?a&b",
    ]
    starts = [one.text for one in ad.iter("Tracking") if one.get("event") == "start"]
    assert starts[1:] == ["https://own/s?x]]>y"]
    assert len(starts) == 2
    errors = [one.text for one in ad.iterfind("InLine/Error")]
    assert ("https://own/e" in errors) == (version in MODERN)
    assert "https://broker.example/error?ad=1&code=[ERRORCODE]" in errors
    assert len(list(ad.iterfind("InLine/Creatives/Creative/Linear/MediaFiles/MediaFile"))) == 2


async def test_a_break_can_be_rewritten_again() -> None:
    found = await resolved(inline("4.2", 1, sequence=1))
    decide = all_ready(found)
    first = [rewrite(found, decide, version=one, new_id=lambda: "x") for one in EVERY]
    again = [rewrite(found, decide, version=one, new_id=lambda: "x") for one in EVERY]
    assert first == again


@dataclass(frozen=True)
class Pod:
    name: str
    ads: str
    out: tuple[str, ...]
    answer: list[tuple[str | None, str | None]]


PODS = [
    Pod(
        "sequence is closed up",
        "".join(inline("4.2", n, sequence=n) for n in (1, 2, 3)),
        ("ad-1",),
        [("ad-2", "1"), ("ad-3", "2")],
    ),
    Pod(
        "a stand-alone ad stands in, another stays",
        inline("4.2", 1, sequence=1)
        + inline("4.2", 2, sequence=2)
        + inline("4.2", 8)
        + inline("4.2", 9),
        ("ad-1",),
        [("ad-8", "1"), ("ad-2", "2"), ("ad-9", None)],
    ),
    Pod(
        "one that is not ready does not stand in",
        inline("4.2", 1, sequence=1) + inline("4.2", 8) + inline("4.2", 9),
        ("ad-1", "ad-8"),
        [("ad-9", "1")],
    ),
    Pod(
        "stand-alone ads stay so", inline("4.2", 1) + inline("4.2", 2), ("ad-1",), [("ad-2", None)]
    ),
]


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod.name)
async def test_pods(pod: Pod) -> None:
    found = await resolved(pod.ads)
    assert placed(rewrite(found, all_ready(found, pod.out))) == pod.answer


async def test_a_missing_ad_is_replaced_unless_its_wrapper_forbids_it() -> None:
    for said, answer in (("", [("ad-5", "1")]), ('fallbackOnNoAd="false"', [("ad-5", None)])):
        gone = wrapper("4.2", "https://gone.example", attributes=said, sequence=1)
        found = await resolved(gone, inline("4.2", 5))
        assert placed(rewrite(found, all_ready(found))) == answer


@pytest.mark.parametrize("version", EVERY)
async def test_an_empty_answer_keeps_the_errors_of_the_root_where_there_is_a_place(
    version: Version,
) -> None:
    found = await resolved(errors=("https://b/none?a=1&b=2",))
    answer = rewrite(found, {}, version=version)
    root = etree.fromstring(answer)
    assert root.get("version") == version
    assert urls(root, "Error") == (["https://b/none?a=1&b=2"] if version in MODERN else [])


async def test_an_answer_without_anything_is_one_element() -> None:
    found = await resolved(inline("3.0", 1), version="3.0")
    assert rewrite(found, {}, version="3.0") == b'<VAST version="3.0"/>'
    assert ids(found) == ["ad-1"]


VERIFICATION = """<AdVerifications><Verification vendor="v-omid">
<JavaScriptResource apiFramework="omid"><![CDATA[https://v/js?a&b]]></JavaScriptResource>
<VerificationParameters><![CDATA[{"k":"<v>"}]]></VerificationParameters>
</Verification></AdVerifications><Advertiser>"""


@pytest.mark.parametrize("version", EVERY)
async def test_verification_is_where_players_of_the_version_look_for_it(version: Version) -> None:
    text = document("4.2", inline("4.2", 1)).decode().replace("<Advertiser>", VERIFICATION)
    found = await resolve(text.encode(), Brokers({}))
    inline_ = parse(rewrite(found, all_ready(found), version=version)).ads[0][0]
    old = "Extensions/Extension[@type='AdVerifications']/AdVerifications/Verification"
    path = "AdVerifications/Verification" if version in ("4.1", "4.2") else old
    (one,) = inline_.findall(path)
    assert one.get("vendor") == "v-omid"
    assert one.findtext("JavaScriptResource") == "https://v/js?a&b"
    assert one.findtext("VerificationParameters") == '{"k":"<v>"}'


async def test_verification_of_an_older_version_is_lifted() -> None:
    old = VERIFICATION.removesuffix("<Advertiser>")
    extension = f'<Extensions><Extension type="adverifications">{old}</Extension></Extensions>'
    text = document("3.0", inline("3.0", 1)).decode().replace("</InLine>", extension + "</InLine>")
    found = await resolve(text.encode(), Brokers({}))
    (one,) = parse(rewrite(found, all_ready(found))).root.iterfind(
        "Ad/InLine/AdVerifications/Verification"
    )
    assert one.findtext("JavaScriptResource") == "https://v/js?a&b"


async def test_events_have_the_name_of_the_version() -> None:
    text = document("3.0", inline("3.0", 1)).decode()
    text = text.replace('event="mute"', 'event="fullscreen"').replace('"pause"', '"closeLinear"')
    found = await resolve(text.encode(), Brokers({}))
    for version, names in (("4.2", {"playerExpand", "closeLinear"}), ("4.0", {"close"})):
        answer = rewrite(found, all_ready(found), version="4.2" if version == "4.2" else "4.0")
        events = {one.get("event") for one in etree.fromstring(answer).iter("{*}Tracking")}
        assert names <= events


KEPT = """<Icons><Icon program="AdChoices" width="20" height="20" xPosition="right" yPosition="top">
<StaticResource creativeType="image/png"><![CDATA[https://i/1]]></StaticResource></Icon></Icons>"""
FILES = """<ClosedCaptionFiles><ClosedCaptionFile type="text/vtt" language="en">https://c/1
</ClosedCaptionFile></ClosedCaptionFiles>"""
MEZZANINE = """<Mezzanine delivery="progressive" type="video/mp4" width="1" height="1">https://z/1
</Mezzanine><InteractiveCreativeFile type="text/html" apiFramework="SIMID">https://s/1
</InteractiveCreativeFile></MediaFiles>"""


@pytest.mark.parametrize("version", EVERY)
async def test_what_the_version_has_a_place_for_is_kept(version: Version) -> None:
    text = document("4.2", inline("4.2", 1)).decode()
    text = text.replace("<TrackingEvents>", KEPT + "<TrackingEvents>")
    text = text.replace("<MediaFiles>", "<MediaFiles>" + FILES).replace("</MediaFiles>", MEZZANINE)
    found = await resolve(text.encode(), Brokers({}))
    root = parse(rewrite(found, all_ready(found), version=version)).root
    kept = {
        name
        for name in ("Icon", "ClosedCaptionFile", "Mezzanine", "InteractiveCreativeFile")
        if next(root.iter(name), None) is not None
    }
    modern = {"Icon", "Mezzanine", "InteractiveCreativeFile"}
    expected = {"2.0": set(), "3.0": {"Icon"}, "4.0": modern}
    assert kept == expected.get(version, modern | {"ClosedCaptionFile"})


def test_the_schemas_of_all_versions_compile() -> None:
    for version in VERSIONS:
        assert schema(version).validate(etree.fromstring("<VAST version='x'/>"))
