"""What a wrapper adds to the ad that it leads to.

Into the InLine go: Impression, Error, ViewableImpression, AdVerifications, Extensions, and per kind
of creative TrackingEvents, clicks, icons (those of a program that the ad has none for) and
companions (tracking where the ad has the same one, the companion itself where it has not).
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

from lxml import etree

from .names import attribute

_CLICKS = ("ClickTracking", "CustomClick")
_RESOURCES = ("StaticResource", "IFrameResource", "HTMLResource")


def merge(wrapper: etree._Element, inline: etree._Element) -> None:
    """Change ``inline`` in place; ``wrapper`` stays as it is."""
    for name in ("Impression", "Error"):
        _beside(inline, wrapper.iterchildren(name))
    for name in ("ViewableImpression", "AdVerifications", "Extensions"):
        for own in wrapper.iterchildren(name):
            _into(inline, name, own)
    for creative in wrapper.iterfind("Creatives/Creative"):
        for part in creative:
            _MERGED.get(str(part.tag), _nothing)(part, inline)


def _nothing(part: etree._Element, inline: etree._Element) -> None:
    """Of a part that adds nothing."""


def _linear(part: etree._Element, inline: etree._Element) -> None:
    for linear in inline.iterfind("Creatives/Creative/Linear"):
        for events in part.iterchildren("TrackingEvents"):
            _into(linear, "TrackingEvents", events)
        for clicks in part.iterchildren("VideoClicks"):
            wanted = [one for one in clicks if one.tag in _CLICKS]
            if wanted:
                _beside(_child(linear, "VideoClicks"), wanted)
        for icons in part.iterchildren("Icons"):
            _icons(linear, icons)


def _icons(linear: etree._Element, icons: etree._Element) -> None:
    """Of two icons for one program the one nearer to the ad is shown (VAST 4.2, 3.15)."""
    there = {attribute(one, "program") for one in linear.iterfind("Icons/Icon")}
    more = [one for one in icons if attribute(one, "program") not in there]
    if more:
        _child(linear, "Icons").extend(deepcopy(one) for one in more)


def _non_linear(part: etree._Element, inline: etree._Element) -> None:
    clicks = part.findall("NonLinear/NonLinearClickTracking")
    for ads in inline.iterfind("Creatives/Creative/NonLinearAds"):
        for events in part.iterchildren("TrackingEvents"):
            _into(ads, "TrackingEvents", events)
        for one in ads.iterchildren("NonLinear"):
            _beside(one, clicks)


def _companions(part: etree._Element, inline: etree._Element) -> None:
    creatives = next(inline.iterchildren("Creatives"), None)
    theirs = inline.findall("Creatives/Creative/CompanionAds/Companion")
    left: list[etree._Element] = []
    for companion in part.iterchildren("Companion"):
        same = [one for one in theirs if _identity(one) == _identity(companion)]
        for one in same:
            for events in companion.iterchildren("TrackingEvents"):
                _into(one, "TrackingEvents", events)
            _beside(one, companion.iterchildren("CompanionClickTracking"))
        if not same and any(one.tag in _RESOURCES for one in companion):
            left.append(companion)
    if left and creatives is not None:
        parent = etree.SubElement(etree.SubElement(creatives, "Creative"), "CompanionAds")
        parent.extend(deepcopy(one) for one in left)


def _identity(companion: etree._Element) -> tuple[str | None, ...]:
    return tuple(attribute(companion, name) for name in ("width", "height", "adSlotId"))


_MERGED = {"Linear": _linear, "NonLinearAds": _non_linear, "CompanionAds": _companions}


def _into(parent: etree._Element, name: str, theirs: etree._Element) -> None:
    """The children of ``theirs`` into the element of that name, which is made if need be."""
    children = list(theirs)
    if children:
        _beside(_child(parent, name), children)


def _beside(parent: etree._Element, elements: Iterable[etree._Element]) -> None:
    """Copies, each behind the last one of its name, so that an order that is right stays so."""
    for element in elements:
        last = next(parent.iterchildren(str(element.tag), reversed=True), None)
        if last is None:
            parent.append(deepcopy(element))
        else:
            last.addnext(deepcopy(element))


def _child(parent: etree._Element, name: str) -> etree._Element:
    found = next(parent.iterchildren(name), None)
    return etree.SubElement(parent, name) if found is None else found
