"""Wrappers followed to their ads, and every failure told to the whole chain."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from adapters.vast import FetchFailed, FetchTimedOut, Gap, NotXml, ResolveLimits, resolve
from tests.support.vast import document, inline, wrapper
from tests.support.vast_fetch import NEVER, Brokers, ids

ROOT = "https://root.example/"
LIMITS = ResolveLimits(each=0.05, total=5)


def url(name: str) -> str:
    return f"https://{name}.example/vast"


def told(*names: str) -> tuple[str, ...]:
    """The Error URIs of these wrappers, the nearest to the failure first."""
    return tuple(f"https://{one}.example/error?c=[ERRORCODE]" for one in names)


def leads(name: str, to: str, attributes: str = "", version: str = "4.2", **more: int) -> str:
    return wrapper(version, url(to), name=name, attributes=attributes, **more)


def one(name: str, to: str, attributes: str = "") -> bytes:
    return document("4.2", leads(name, to, attributes))


@dataclass(frozen=True)
class Case:
    """``brokers`` beside the root; ``reports`` as code and Error URIs."""

    name: str
    root: bytes
    brokers: dict[str, bytes] = field(default_factory=dict)
    ads: tuple[str | None, ...] = ()
    reports: tuple[tuple[int, tuple[str, ...]], ...] = ()
    asked: int | None = None


INLINE = document("4.2", inline("4.2", 1))
POD = document("4.2", "".join(inline("4.2", n, sequence=n) for n in (2, 1, 3)))
BUFFET = document("4.2", inline("4.2", 1, sequence=1) + inline("4.2", 2) + inline("4.2", 3))
EMPTY = document("4.2", errors=("https://end.example/none",))
CHAIN = {url(f"w{n}"): one(f"w{n}", f"w{n + 1}") for n in range(2, 9)}

CASES = [
    Case("an ad without wrappers", INLINE, ads=("ad-1",)),
    Case("a pod comes in its sequence", POD, ads=("ad-1", "ad-2", "ad-3")),
    Case("one wrapper", one("w1", "ad"), {url("ad"): INLINE}, ("ad-1",)),
    Case(
        "five wrappers are followed",
        one("w1", "w2"),
        CHAIN | {url("w6"): INLINE},
        ("ad-1",),
        asked=5,
    ),
    Case(
        "a sixth wrapper is too deep",
        one("w1", "w2"),
        CHAIN,
        reports=((302, told("w6", "w5", "w4", "w3", "w2", "w1")),),
        asked=5,
    ),
    Case(
        "a loop ends",
        one("w1", "w2"),
        {url("w2"): one("w2", "w3"), url("w3"): one("w3", "w2")},
        reports=((302, told("w3", "w2", "w1")),),
        asked=2,
    ),
    Case("unreachable", one("w1", "ad"), reports=((301, told("w1")),)),
    Case("no answer in time", one("w1", "ad"), {url("ad"): NEVER}, reports=((301, told("w1")),)),
    Case(
        "what comes is no XML",
        one("w1", "w2"),
        {url("w2"): one("w2", "ad"), url("ad"): b"<html>"},
        reports=((100, told("w2", "w1")),),
    ),
    Case("no VAST", one("w1", "ad"), {url("ad"): b"<a/>"}, reports=((101, told("w1")),)),
    Case(
        "an old VAST",
        one("w1", "ad"),
        {url("ad"): b"<VAST version='1.1'/>"},
        reports=((102, told("w1")),),
    ),
    Case(
        "no ad after wrappers",
        one("w1", "w2"),
        {url("w2"): one("w2", "end"), url("end"): EMPTY},
        reports=((303, ("https://end.example/none", *told("w2", "w1"))),),
    ),
    Case("no ad at all", EMPTY, reports=((303, ("https://end.example/none",)),)),
    Case(
        "a wrapper without an address",
        document("4.2", wrapper("4.2", "", name="w1")),
        reports=((300, told("w1")),),
    ),
    Case(
        "an ad that is neither",
        document("4.2", "<Ad/>"),
        reports=((101, ()),),
    ),
    Case(
        "no further wrapper is allowed",
        one("w1", "w2", 'followAdditionalWrappers="false"'),
        {url("w2"): one("w2", "ad"), url("ad"): INLINE},
        reports=((302, told("w2", "w1")),),
        asked=1,
    ),
    Case(
        "an ad is no further wrapper",
        one("w1", "ad", 'followAdditionalWrappers="0"'),
        {url("ad"): INLINE},
        ("ad-1",),
    ),
    Case(
        "one ad only: the first that stands alone",
        one("w1", "ad", 'allowMultipleAds="false"'),
        {url("ad"): BUFFET},
        ("ad-2",),
    ),
    Case(
        "one ad only, and there is but a pod",
        one("w1", "ad", 'allowMultipleAds="false"'),
        {url("ad"): POD},
        reports=((303, told("w1")),),
    ),
    Case("nothing is said, and there is but a pod", one("w1", "ad"), {url("ad"): POD}, ("ad-1",)),
    Case(
        "several ads",
        one("w1", "ad", 'allowMultipleAds="true"'),
        {url("ad"): BUFFET},
        ("ad-1", "ad-2", "ad-3"),
    ),
    Case(
        "VAST 2 knows no such limit",
        document("2.0", leads("w1", "ad", version="2.0")),
        {url("ad"): document("2.0", inline("2.0", 1) + inline("2.0", 2))},
        ("ad-1", "ad-2"),
    ),
    Case(
        "a wrapper keeps its place in the pod",
        document(
            "4.2",
            inline("4.2", 3, sequence=3)
            + leads("w2", "ad", sequence=2)
            + inline("4.2", 5, sequence=1),
        ),
        {url("ad"): INLINE},
        ("ad-5", "ad-1", "ad-3"),
    ),
    Case(
        "a pod takes the place of its wrapper in a pod",
        document(
            "4.2",
            leads("w1", "ad", 'allowMultipleAds="1"', sequence=1) + inline("4.2", 9, sequence=2),
        ),
        {url("ad"): POD},
        ("ad-1", "ad-2", "ad-3", "ad-9"),
    ),
    Case(
        "a blocked category",
        document(
            "4.2",
            leads("w1", "ad").replace(
                "</Wrapper>",
                '<BlockedAdCategories authority="iabtechlab.com">IAB1,IAB7'
                "</BlockedAdCategories></Wrapper>",
            ),
        ),
        {url("ad"): document("4.2", inline("4.2", 1, category="IAB7-39"))},
        reports=((205, ("https://broker.example/error?ad=1&code=[ERRORCODE]", *told("w1"))),),
    ),
    Case(
        "a category that another authority blocks",
        document(
            "4.2",
            leads("w1", "ad").replace(
                "</Wrapper>",
                '<BlockedAdCategories authority="else.com">IAB7</BlockedAdCategories></Wrapper>',
            ),
        ),
        {url("ad"): document("4.2", inline("4.2", 1, category="IAB7"))},
        ("ad-1",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_wrappers(case: Case) -> None:
    brokers = Brokers(case.brokers)
    found = await resolve(case.root, brokers, LIMITS)
    assert tuple(ids(found)) == case.ads
    assert tuple((one.code, one.urls) for one in found.reports) == case.reports
    if case.asked is not None:
        assert len(brokers.asked) == case.asked


async def test_the_first_document_is_fetched_too() -> None:
    assert ids(await resolve(ROOT, Brokers({ROOT: INLINE}))) == ["ad-1"]


@pytest.mark.parametrize(
    ("documents", "error"),
    [({}, FetchFailed), ({ROOT: NEVER}, FetchTimedOut), ({ROOT: b"<"}, NotXml)],
)
async def test_a_first_document_that_fails_is_the_callers_matter(
    documents: dict[str, bytes], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await resolve(ROOT, Brokers(documents), LIMITS)


async def test_what_came_in_time_is_kept_when_the_time_is_over() -> None:
    root = document("4.2", leads("w1", "slow", sequence=1) + leads("w2", "ad", sequence=2))
    brokers = Brokers({url("slow"): NEVER, url("ad"): INLINE})
    found = await resolve(root, brokers, ResolveLimits(each=60, total=0.05))
    assert ids(found) == ["ad-1"]
    assert [one.code for one in found.reports] == [301]


async def test_a_tree_of_wrappers_has_a_limit_of_requests() -> None:
    many = "".join(leads(f"w{n}", f"b{n}", 'allowMultipleAds="1"') for n in range(10))
    brokers = Brokers(
        {url(f"b{n}"): document("4.2", many.replace("/vast", f"/vast{n}")) for n in range(10)}
    )
    found = await resolve(document("4.2", many), brokers, ResolveLimits(requests=15))
    assert len(brokers.asked) == 15
    assert {one.code for one in found.reports} == {301, 302}


async def test_wrappers_that_would_multiply_without_measure_are_not_merged() -> None:
    many = "".join(f"<Companion width='{n}' height='1'/>" for n in range(3000))
    creatives = f"<Creatives><Creative><CompanionAds>{many}</CompanionAds></Creative></Creatives>"
    heavy = leads("w1", "ad").replace("</Wrapper>", f"{creatives}</Wrapper>")
    ad = inline("4.2", 1).replace("<Creatives>", creatives.removesuffix("</Creatives>"))
    brokers = Brokers({url("ad"): document("4.2", ad)})
    found = await resolve(document("4.2", heavy), brokers)
    assert ids(found) == []
    assert [(one.code, one.urls) for one in found.reports] == [(300, told("w1"))]


@pytest.mark.parametrize(("said", "replaced"), [("", True), ('fallbackOnNoAd="0"', False)])
async def test_a_wrapper_says_whether_another_ad_may_take_its_place(
    said: str, replaced: bool
) -> None:
    root = document("4.2", leads("w1", "gone", said, sequence=1) + inline("4.2", 5))
    found = await resolve(root, Brokers({}))
    assert found.pod == (Gap(replaced),)


async def test_an_ad_carries_the_tracking_of_its_whole_chain() -> None:
    brokers = Brokers({url("w2"): one("w2", "ad"), url("ad"): INLINE})
    (ad,) = (await resolve(one("w1", "w2"), brokers)).ads
    assert ad.error_urls == (
        "https://broker.example/error?ad=1&code=[ERRORCODE]",
        *told("w2", "w1"),
    )
    linear = ad.linears[0].linear
    starts = [e.text for e in linear.iter("Tracking") if e.get("event") == "start"]
    hosts = [
        f"https://{one}/start?a=1&b=%20&m=[CACHEBUSTING]"
        for one in ("broker.example/1", "w2.example/t", "w1.example/t")
    ]
    assert starts == hosts
    assert [e.text for e in linear.iter("ClickTracking")][1:] == [
        "https://w2.example/click",
        "https://w1.example/click",
    ]
    assert len(list(ad.inline.iterchildren("Impression"))) == 3


EXTRAS = """
<ViewableImpression><Viewable>https://w1.example/viewable</Viewable></ViewableImpression>
<AdVerifications><Verification vendor="w1"/></AdVerifications>
<Extensions><Extension type="w1"/></Extensions>
<Creatives>
<Creative><Linear><Icons><Icon program="AdChoices" width="1" height="1"/></Icons></Linear>
</Creative>
<Creative><NonLinearAds><TrackingEvents><Tracking event="close">https://w1.example/nl</Tracking>
</TrackingEvents><NonLinear><NonLinearClickTracking>https://w1.example/nlc</NonLinearClickTracking>
</NonLinear></NonLinearAds></Creative>
<Creative><CompanionAds>
<Companion width="300" height="250"><TrackingEvents>
<Tracking event="creativeView">https://w1.example/view</Tracking></TrackingEvents></Companion>
<Companion width="728" height="90"><StaticResource creativeType="image/png">https://w1.example/i
</StaticResource></Companion></CompanionAds></Creative>
</Creatives></Wrapper>"""
MORE = """
<Creative><NonLinearAds><NonLinear width="1" height="1"/></NonLinearAds></Creative>
<Creative><CompanionAds><Companion width="300" height="250"/></CompanionAds></Creative>
</Creatives>"""


async def test_everything_else_of_a_wrapper_is_merged_too() -> None:
    root = one("w1", "ad").decode().replace("</Wrapper>", EXTRAS).encode()
    ad_document = INLINE.decode().replace("</Creatives>", MORE).encode()
    (ad,) = (await resolve(root, Brokers({url("ad"): ad_document}))).ads
    found = {
        path: [(e.text or "").strip() for e in ad.inline.iterfind(path)]
        for path in (
            "ViewableImpression/Viewable",
            "Creatives/Creative/NonLinearAds/TrackingEvents/Tracking",
            "Creatives/Creative/NonLinearAds/NonLinear/NonLinearClickTracking",
            "Creatives/Creative/CompanionAds/Companion/TrackingEvents/Tracking",
            "Creatives/Creative/CompanionAds/Companion/StaticResource",
        )
    }
    assert [one[0].rpartition("/")[2] for one in found.values()] == [
        "viewable",
        "nl",
        "nlc",
        "view",
        "i",
    ]
    assert [e.get("vendor") for e in ad.inline.iterfind("AdVerifications/Verification")] == ["w1"]
    assert [e.get("type") for e in ad.inline.iterfind("Extensions/Extension")] == ["w1"]
    assert [e.get("program") for e in ad.inline.iter("Icon")] == ["AdChoices"]
