"""The short way for an ad that obeys its schema already, as most do.

libxml2 writes the element as it is, and our parts are put between its bytes. Two things make that
sound: no text of the ad holds a ``<`` (looked for by libxml2 beforehand), so a tag that is found in
the bytes is a tag; and the order of elements is the schema's. Whatever does not fit goes the long
way, by the tree.
"""

from __future__ import annotations

import re

from lxml import etree

from .grammar import EVENTS
from .own import Beacons, StreamingMedia, Version, element, media_files, tracking

_HOLDS_MARKUP = etree.XPath("boolean(.//text()[contains(., '<')])")
_SPACE_BEFORE = re.compile(rb">\s+<!\[CDATA\[")
_SPACE_BEHIND = re.compile(rb"\]\]>\s+</")
_SEQUENCE = re.compile(rb'\ssequence="[^"]*"')
_OURS = (b"<Impression", b"<Error", b"<AdSystem", b"<MediaFile", b"<TrackingEvents", b"<Linear")


def spliced(
    ad: etree._Element, media: StreamingMedia, own: Beacons | None, version: Version
) -> bytes | None:
    """UTF-8; None where this way cannot be gone. ``ad`` has one linear creative."""
    if _HOLDS_MARKUP(ad):
        return None
    data = etree.tostring(ad, encoding="utf-8", with_tail=False)
    if b">http" in data or _hidden(data):
        return None
    if b"\n" in data:
        data = _SPACE_BEHIND.sub(b"]]></", _SPACE_BEFORE.sub(b"><![CDATA[", data))
    first, last = data.find(b"<MediaFile "), data.rfind(b"</MediaFile>")
    if first < 0 or last < first:
        return None
    before, behind = data[:first], data[last + 12 :]
    files = media_files(media, version).encode()
    if own is None:
        return before + files + behind
    begun = _with_tracking(before, own, version)
    begun = begun and _with_beacons(begun, own, version)
    return begun and begun + files + behind


def placed(ad: bytes, sequence: int | None) -> bytes:
    """With this place in the pod, or none."""
    head, _, rest = ad.partition(b">")
    if sequence is None and b" sequence=" not in head:
        return ad
    mark = b"" if sequence is None else b' sequence="%d"' % sequence
    return _SEQUENCE.sub(b"", head) + mark + b">" + rest


def _hidden(data: bytes) -> bool:
    """Whether an extension has elements of the names that are looked for."""
    for name in (b"Extensions>", b"CreativeExtensions>"):
        begin = data.find(b"<" + name)
        if begin >= 0:
            inside = data[begin : data.rfind(b"</" + name)]
            if any(one in inside for one in _OURS):
                return True
    return False


def _with_beacons(data: bytes, own: Beacons, version: Version) -> bytes | None:
    """Impressions before the broker's first one; errors where their version has them."""
    place = data.find(b"<Impression")
    if place < 0:
        return None
    impressions = "".join(element("Impression", one) for one in own.impressions).encode()
    data = data[:place] + impressions + data[place:]
    errors = list(own.errors)
    if version in ("2.0", "3.0"):
        errors = [] if b"<Error" in data else errors[:1]
    else:
        place = data.find(b"</AdSystem>") + 11
        if place < 11:
            return None
    written = "".join(element("Error", one) for one in errors).encode()
    return data[:place] + written + data[place:]


def _with_tracking(data: bytes, own: Beacons, version: Version) -> bytes | None:
    """Behind the last event of the linear creative: before its files, in every version."""
    if not own.tracking:
        return data
    end = data.find(b"</TrackingEvents>", data.rfind(b"<Linear"))
    if end < 0 or not EVENTS[version].issuperset(own.tracking):
        return None
    return data[:end] + tracking(own).encode() + data[end:]
