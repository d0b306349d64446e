"""The names of VAST in their right case, and a tree in which they are right.

After ``canonical`` no element outside of extensions has a namespace or a name in a wrong case, so
everything else looks names up as they are. Extensions belong to their owners.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

_ELEMENTS = """
    VAST Ad InLine Wrapper AdSystem AdTitle AdServingId Description Advertiser Pricing Survey Error
    Impression ViewableImpression Viewable NotViewable ViewUndetermined Category Expires
    BlockedAdCategories AdVerifications Verification JavaScriptResource ExecutableResource
    FlashResource VerificationParameters Extensions Extension Creatives Creative UniversalAdId
    CreativeExtensions CreativeExtension Linear Duration AdParameters TrackingEvents Tracking
    VideoClicks ClickThrough ClickTracking CustomClick MediaFiles MediaFile Mezzanine
    InteractiveCreativeFile ClosedCaptionFiles ClosedCaptionFile Icons Icon IconClicks
    IconClickThrough IconClickTracking IconClickFallbackImages IconClickFallbackImage
    IconViewTracking CompanionAds Companion CompanionClickThrough CompanionClickTracking AltText
    StaticResource IFrameResource HTMLResource NonLinearAds NonLinear NonLinearClickThrough
    NonLinearClickTracking VASTAdTagURI
"""
ELEMENTS = frozenset(_ELEMENTS.split())
_BY_LOWER = {name.lower(): name for name in ELEMENTS}
_FOREIGN = frozenset({"Extension", "CreativeExtension"})

URLS = (
    "Tracking",
    "Impression",
    "Error",
    "ClickThrough",
    "ClickTracking",
    "CustomClick",
    "MediaFile",
    "Mezzanine",
    "InteractiveCreativeFile",
    "ClosedCaptionFile",
    "Viewable",
    "NotViewable",
    "ViewUndetermined",
    "IconClickThrough",
    "IconClickTracking",
    "IconViewTracking",
    "CompanionClickThrough",
    "CompanionClickTracking",
    "NonLinearClickThrough",
    "NonLinearClickTracking",
    "StaticResource",
    "IFrameResource",
    "JavaScriptResource",
    "ExecutableResource",
    "Survey",
)
"""Elements that hold a URL."""


def local(tag: str) -> str:
    """Of ``{namespace}name`` or ``prefix:name`` the name."""
    return tag.rpartition("}")[2].rpartition(":")[2]


def canonical(root: etree._Element) -> None:
    """Put names right, in place. Costs nothing but a look where they are right."""
    tags = {one.tag for one in root.iter()}
    odd = [tag for tag in tags - ELEMENTS if isinstance(tag, str)]
    if odd and any(local(tag).lower() in _BY_LOWER for tag in odd):
        for element in list(_ours(root)):
            name = _BY_LOWER.get(local(str(element.tag)).lower())
            if name is not None and element.tag != name:
                element.tag = name


def _ours(root: etree._Element) -> Iterator[etree._Element]:
    pending = [root]
    while pending:
        element = pending.pop()
        if isinstance(element.tag, str):
            yield element
            if element.tag not in _FOREIGN:
                pending.extend(element)


def attribute(element: etree._Element, name: str) -> str | None:
    """Its value, stripped; found in a wrong case too. None when absent or empty."""
    value = element.get(name)
    if value is None:
        lower = name.lower()
        for key, other in element.items():
            if key.lower() == lower:
                value = other
    return (value.strip() or None) if value is not None else None


def text(element: etree._Element | None) -> str | None:
    """Its text, stripped. None when absent or empty."""
    if element is None or element.text is None:
        return None
    return element.text.strip() or None


def child_text(element: etree._Element, name: str) -> str | None:
    return text(next(element.iterchildren(name), None))


def flag(element: etree._Element, name: str) -> bool | None:
    """``true`` or ``1``, ``false`` or ``0``; None for anything else."""
    value = (attribute(element, name) or "").lower()
    return {"true": True, "1": True, "false": False, "0": False}.get(value)


def number(value: str | None) -> int | None:
    """A whole number that is not negative; a fraction is cut off. None for anything else."""
    if value is None:
        return None
    if not value.isdigit():
        value = value.partition(".")[0]
    return int(value) if value.isdigit() and value.isascii() and len(value) < 16 else None
