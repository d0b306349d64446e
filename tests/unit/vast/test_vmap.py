"""VMAP in either namespace or none, its breaks resolved, and written anew."""

from __future__ import annotations

import pytest
from lxml import etree

from adapters.vast import (
    NotVmap,
    NotXml,
    ResolveLimits,
    VmapVersionUnsupported,
    parse_vmap,
    render_vmap,
    resolve_vmap,
)
from tests.support.vast import document, inline
from tests.support.vast_fetch import NEVER, Brokers, all_ready

NS = "http://www.iab.net/videosuite/vmap"
AD = document("4.2", inline("4.2", 1)).decode().partition("?>")[2]


def vmap(declared: str = f' xmlns:vmap="{NS}"', ads: str = AD) -> bytes:
    return f"""<?xml version="1.0"?><vmap:VMAP{declared} version="1.0">
<vmap:AdBreak timeOffset="start" breakType="linear" breakId="pre">
<vmap:AdSource id="1" allowMultipleAds="false" followRedirects="true">
<vmap:VASTAdData>{ads}</vmap:VASTAdData></vmap:AdSource>
<vmap:TrackingEvents>
<vmap:Tracking event="breakStart"><![CDATA[https://b/start?a=1&b=[X]]]></vmap:Tracking>
<vmap:Tracking event="error">https://b/error?c=[ERRORCODE]</vmap:Tracking>
</vmap:TrackingEvents></vmap:AdBreak>
<vmap:AdBreak timeOffset="00:10:00.000" breakType="linear" breakId="mid" repeatAfter="00:10:00">
<vmap:AdSource><vmap:AdTagURI templateType="vast3"><![CDATA[https://b/vast]]></vmap:AdTagURI>
</vmap:AdSource></vmap:AdBreak>
<vmap:AdBreak timeOffset="end" breakType="linear"><vmap:AdSource>
<vmap:CustomAdData templateType="own">x</vmap:CustomAdData></vmap:AdSource>
<vmap:TrackingEvents><vmap:Tracking event="error">https://b/error3</vmap:Tracking>
</vmap:TrackingEvents></vmap:AdBreak></vmap:VMAP>""".encode()


@pytest.mark.parametrize(
    "declared",
    [f' xmlns:vmap="{NS}"', ' xmlns:vmap="http://www.iab.net/vmap-1.0"', ""],
)
async def test_all_spellings_are_read_and_one_is_written(declared: str) -> None:
    breaks = await resolve_vmap(
        parse_vmap(vmap(declared)), Brokers({"https://b/vast": AD.encode()})
    )
    answer = etree.fromstring(render_vmap(breaks, [all_ready(one.ads) for one in breaks]))
    assert answer.tag == f"{{{NS}}}VMAP"
    written = answer.findall(f"{{{NS}}}AdBreak")
    assert [dict(one.attrib) for one in written] == [
        {"timeOffset": "start", "breakType": "linear", "breakId": "pre"},
        {
            "timeOffset": "00:10:00.000",
            "breakType": "linear",
            "breakId": "mid",
            "repeatAfter": "00:10:00",
        },
        {"timeOffset": "end", "breakType": "linear"},
    ]
    ads = [one.findall(".//{http://www.iab.com/VAST}Ad") for one in written]
    assert [len(one) for one in ads] == [1, 1, 0]
    tracking = written[0].findall(f"{{{NS}}}TrackingEvents/{{{NS}}}Tracking")
    assert [(one.get("event"), one.text) for one in tracking] == [
        ("breakStart", "https://b/start?a=1&b=[X]"),
        ("error", "https://b/error?c=[ERRORCODE]"),
    ]


async def test_what_a_break_cannot_show_is_told_to_its_error_events() -> None:
    cases = [
        (vmap(), {}, [(), (1008,), (1005,)]),
        (vmap(), {"https://b/vast": NEVER}, [(), (1007,), (1005,)]),
        (vmap(), {"https://b/vast": b"<"}, [(), (1006,), (1005,)]),
        (vmap(ads="<html/>"), {"https://b/vast": AD.encode()}, [(1006,), (), (1005,)]),
    ]
    for data, documents, codes in cases:
        limits = ResolveLimits(each=0.05)
        breaks = await resolve_vmap(parse_vmap(data), Brokers(documents), limits)
        assert [tuple(each.code for each in one.reports) for one in breaks] == codes
        assert breaks[2].reports[0].urls == ("https://b/error3",)


async def test_a_break_that_takes_one_ad_gets_one() -> None:
    two = AD.replace("</VAST>", inline("4.2", 2) + "</VAST>")
    breaks = await resolve_vmap(
        parse_vmap(vmap(ads=two)), Brokers({"https://b/vast": two.encode()})
    )
    assert [len(one.ads.ads) for one in breaks] == [1, 2, 0]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"<VAST/>", NotVmap),
        (b"<VMAP version='2.0'/>", VmapVersionUnsupported),
        (b"<!DOCTYPE x><VMAP/>", NotXml),
        (b"<vmap:VMAP><vmap:AdBreak></vmap:VMAP>", NotXml),
    ],
)
def test_what_is_no_vmap_is_refused(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_vmap(data)
