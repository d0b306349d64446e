"""A resolved break as VAST of one version, with our streams for the broker's files. Strict out.

What comes out obeys the schema of its version; every tracking and click address in it is the
broker's, letter for letter. Where a version has no place for something it is left out: VAST 2 and 3
carry one Error of a chain (the ad's own first) and none for "no ad", 4.0 and 4.1 one icon and one
universal id, before 4.0 no viewability, and no version an event that it does not name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import timedelta
from uuid import uuid4
from xml.sax.saxutils import escape

from lxml import etree

from .ads import ResolvedAd
from .breaks import AdBreak
from .durations import format_duration, parse_duration
from .mend import Mender, NewId
from .names import URLS, child_text
from .own import (
    Beacons,
    Decisions,
    StreamingMedia,
    Version,
    element,
    media_files,
    tracking,
)
from .schema import schema
from .splice import placed, spliced

_KEEP_CDATA = etree.XMLParser(strip_cdata=False)
NAMESPACE = "http://www.iab.com/VAST"


def chosen(ad_break: AdBreak, decide: Decisions) -> tuple[list[ResolvedAd], list[ResolvedAd]]:
    """The pod as it will be played, and the stand-alone ads behind it.

    A stand-alone ad stands in for an ad of the pod that is missing or not ready (VAST 4.2, 2.3.4),
    unless its wrapper forbids it; what is still missing is closed up. An ad without a linear
    creative needs no rendition and stays.
    """
    alone = [one for one in ad_break.stand_alone if _ready(one, decide)]
    pod: list[ResolvedAd] = []
    for place in ad_break.pod:
        if isinstance(place, ResolvedAd) and _ready(place, decide):
            pod.append(place)
        elif place.may_be_replaced and alone:
            pod.append(alone.pop(0))
    return pod, alone


def rewrite(
    ad_break: AdBreak,
    decide: Decisions,
    *,
    version: Version = "4.2",
    beacons: Mapping[str, Beacons] | None = None,
    new_id: NewId = lambda: str(uuid4()),
) -> bytes:
    """UTF-8 without an XML declaration, so that it can stand in a VMAP too.

    ``beacons`` is by ``ResolvedAd.key``. The break stays as it was: rewrite it as often as needed.
    """
    pod, alone = chosen(ad_break, decide)
    writer = _Writer(version, decide, beacons or {}, new_id)
    in_pod = [one for one in map(writer.write, pod) if one is not None]
    numbered = version != "2.0"
    parts = [placed(one, place if numbered else None) for place, one in enumerate(in_pod, 1)]
    parts += [placed(one, None) for one in map(writer.write, alone) if one is not None]
    body = b"".join(parts)
    if not body and version not in ("2.0", "3.0"):
        body = "".join(f"<Error>{escape(one)}</Error>" for one in ad_break.error_urls).encode()
    namespace = f' xmlns="{NAMESPACE}"' if version[0] == "4" else ""
    head = f'<VAST{namespace} version="{version}"'.encode()
    return head + b">" + body + b"</VAST>" if body else head + b"/>"


def _ready(ad: ResolvedAd, decide: Decisions) -> bool:
    return all(decide.get(one.key) is not None for one in ad.linears)


class _Writer:
    def __init__(
        self, version: Version, decide: Decisions, beacons: Mapping[str, Beacons], new_id: NewId
    ) -> None:
        self._version = version
        self._decide = decide
        self._beacons = beacons
        self._mender = Mender(version, new_id)
        self._schema = schema(version)

    def write(self, ad: ResolvedAd) -> bytes | None:
        """The ad in the version; None where even mending makes no ad of it."""
        own = self._beacons.get(ad.key)
        if len(ad.linears) == 1 and (ad.valid_as == self._version or self._obeys(ad)):
            media = self._decide[ad.linears[0].key]
            assert media is not None
            if (done := spliced(ad.element, media, own, self._version)) is not None:
                return done
        made = self._built(ad, own)
        return etree.tostring(made, encoding="utf-8") if made is not None else None

    def _obeys(self, ad: ResolvedAd) -> bool:
        return self._schema.validate(ad.element)

    def _built(self, ad: ResolvedAd, own: Beacons | None) -> etree._Element | None:
        copy = deepcopy(ad.element)
        if self._version == "2.0":
            copy.attrib.pop("sequence", None)
        inline = next(copy.iterchildren("InLine"))
        linears = list(inline.iterfind("Creatives/Creative/Linear[1]"))
        for creative, linear in zip(ad.linears, linears, strict=True):
            media = self._decide[creative.key]
            assert media is not None
            self._put_media(linear, media)
        if own is not None:
            _add_beacons(inline, linears, own)
        if self._schema.validate(copy):
            _in_cdata(copy)
            return copy
        mended = self._mender.mend(copy)
        return mended if mended is not None and self._schema.validate(mended) else None

    def _put_media(self, linear: etree._Element, media: StreamingMedia) -> None:
        files = next(linear.iterchildren("MediaFiles"), None)
        if files is None:
            files = etree.SubElement(linear, "MediaFiles")
        old = list(files.iterchildren("MediaFile"))
        place = files.index(old[0]) if old else 0
        for one in old:
            files.remove(one)
        for offset, one in enumerate(_elements(media_files(media, self._version))):
            files.insert(place + offset, one)
        if parse_duration(child_text(linear, "Duration")) is None:
            self._put_duration(linear, media.duration)

    def _put_duration(self, linear: etree._Element, duration: timedelta) -> None:
        element = next(linear.iterchildren("Duration"), None)
        if element is None:
            element = etree.SubElement(linear, "Duration")
        element.text = format_duration(duration)


def _in_cdata(ad: etree._Element) -> None:
    for one in ad.iter(*URLS):
        if one.text:
            one.text = etree.CDATA(one.text.strip())


def _add_beacons(inline: etree._Element, linears: Sequence[etree._Element], own: Beacons) -> None:
    for name, urls in (("Impression", own.impressions), ("Error", own.errors)):
        for one in _elements("".join(element(name, url) for url in urls)):
            last = next(inline.iterchildren(name, reversed=True), None)
            if last is None:
                inline.append(one)
            else:
                last.addnext(one)
    for linear in linears if own.tracking else ():
        events = next(linear.iterchildren("TrackingEvents"), None)
        if events is None:
            events = etree.SubElement(linear, "TrackingEvents")
        events.extend(_elements(tracking(own)))


def _elements(written: str) -> list[etree._Element]:
    return list(etree.fromstring(f"<own>{written}</own>", _KEEP_CDATA))
