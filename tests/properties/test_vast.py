"""Whatever comes from a broker: an error of the library's own, or an answer by the schema."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.vast import (
    VERSIONS,
    AdBreak,
    Beacons,
    NoUsableSource,
    VastError,
    Version,
    parse,
    parse_vmap,
    resolve,
    rewrite,
    source_of,
)
from adapters.vast.names import ELEMENTS, URLS
from tests.support.vast import document, inline, wrapper
from tests.support.vast_fetch import Brokers, all_ready

WRAPPED = {
    "https://w.example/vast": document("4.2", inline("4.2", 1) + inline("4.2", 2, sequence=1))
}
SEEDS = [
    document(version, inline(version, 1, sequence=1) + inline(version, 2)) for version in VERSIONS
]
SEEDS.append(document("4.2", wrapper("4.2", "https://w.example/vast", sequence=1)))
PIECES = [
    b"<", b">", b"/", b"&", b"&amp;", b"]]>", b"<![CDATA[", b"<!--", b"<?x?>", b"\0", b"\xff",
    b"<!DOCTYPE a>", b'"', b"'", b" sequence='x'", b"<Extensions>", b"</Extensions>", b"<Error/>",
    b"xmlns=''", b"<MediaFile ", b"99999999999999999999", b"%", b"\xc3\xa9", b"<Ad><InLine/></Ad>",
]  # fmt: skip
VERSION = st.sampled_from(VERSIONS)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(data) - 1))
        length = draw(st.sampled_from((0, 0, 1, 3, 40)))
        data[place : place + length] = draw(st.sampled_from(PIECES) | st.binary(max_size=3))
    return bytes(data)


@st.composite
def rearranged(draw: st.DrawFn) -> bytes:
    """Well-formed, with elements that are moved, renamed, doubled, emptied or stripped."""
    root = etree.fromstring(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        every = [one for one in root.iter() if one is not root]
        one = draw(st.sampled_from(every))
        parent = one.getparent()
        assert parent is not None
        match draw(st.integers(0, 5)):
            case 0:
                parent.remove(one)
            case 1:
                parent.insert(0, one)
            case 2:
                one.tag = draw(st.sampled_from([*sorted(ELEMENTS), "mediafile", "{urn:x}Ad"]))
            case 3:
                one.text = draw(st.sampled_from(("", " ", "x", "-1", "00:99:99", "<MediaFile >")))
            case 4:
                name = draw(st.sampled_from([*one.keys(), "id", "EVENT", "width"]))
                one.set(name, draw(st.sampled_from(("", "x", "1", "true", "12:00:00"))))
            case _:
                one.addnext(etree.fromstring(etree.tostring(one, with_tail=False)))
        if len(list(root)) == 0:
            break
    return etree.tostring(root)


def resolved(data: bytes) -> AdBreak | None:
    try:
        return asyncio.run(resolve(data, Brokers(WRAPPED)))
    except VastError:
        return None


def answered(data: bytes, version: Version) -> bytes | None:
    found = resolved(data)
    if found is None:
        return None
    for ad in found.ads:
        assert isinstance(ad.error_urls, tuple)
        _ = (ad.pricing, ad.categories, ad.expires, ad.ad_serving_id, ad.ad_id)
        for creative in ad.linears:
            _ = (creative.duration, creative.universal_ad_ids, creative.closed_captions)
            with contextlib.suppress(NoUsableSource):
                source_of(creative)
    own = Beacons(("https://own/i",), ("https://own/e",), {"start": "https://own/s"})
    beacons = {ad.key: own for ad in found.ads}
    return rewrite(found, all_ready(found), version=version, beacons=beacons)


@given(mutated(), st.sampled_from(("2.0", "3.0", "4.0", "4.1", "4.2")))
@settings(deadline=None, max_examples=300)
def test_broken_bytes_raise_nothing_but_our_errors(data: bytes, version: Version) -> None:
    answer = answered(data, version)
    if answer is not None:
        assert parse(answer).valid_as == version
    try:
        parse_vmap(data)
    except VastError:
        return
    pytest.fail("a VAST was read as a VMAP")


@given(rearranged(), st.sampled_from(("2.0", "3.0", "4.0", "4.1", "4.2")))
@settings(deadline=None, max_examples=300)
def test_the_answer_obeys_its_schema_whatever_the_order_was(data: bytes, version: Version) -> None:
    answer = answered(data, version)
    if answer is not None:
        assert parse(answer).valid_as == version


URL_TEXT = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=("Cc", "Cs", "Z"),
        exclude_characters="\ufffe\uffff",
    ),
    min_size=1,
    max_size=40,
).map(lambda tail: f"https://t.example/{tail}")


@given(
    st.lists(URL_TEXT, min_size=7, max_size=7), st.booleans(), VERSION, st.sampled_from(VERSIONS)
)
@settings(deadline=None, max_examples=200)
def test_addresses_survive_letter_for_letter(
    addresses: list[str], cdata: bool, read: str, written: Version
) -> None:
    root = etree.fromstring(document(read, inline(read, 1)))
    kept = list(root.iter("{*}Tracking"))
    for one, address in zip(kept, addresses, strict=True):
        one.text = etree.CDATA(address) if cdata else address
    answer = answered(etree.tostring(root, encoding="utf-8"), written)
    assert answer is not None
    found = [one.text for one in etree.fromstring(answer).iter("{*}Tracking")]
    assert found[:7] == addresses


def test_every_element_that_holds_a_url_is_known() -> None:
    assert set(URLS) <= ELEMENTS
