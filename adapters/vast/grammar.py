"""What each version of VAST allows in an InLine ad: the facts of the IAB's schemas, as tables.

A line is ``Type | attributes | content``. A type has the name of its element, unless one name means
different things in different places: ``Tracking/Verification.Tracking`` is an element Tracking of
the type Verification.Tracking. Attributes: ``name:kind``, with ``!`` where required. Content: one
kind of text (``#url``), ``#any`` (what belongs to its owner), or children in their order with
``?``, ``*``, ``+``; of ``(A B)`` at most one may be there. Kinds are in ``KINDS``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

VERSIONS = ("2.0", "3.0", "4.0", "4.1", "4.2")

KINDS: Mapping[str, str] = {
    "int": r"[\-+]?[0-9]+",
    "bool": "true|false|0|1",
    "decimal": r"[\-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)",
    "time": r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?",
    "offset": r"[0-9]{2}:[0-5][0-9]:[0-5][0-9](\.[0-9]{3})?|1?[0-9]?[0-9](\.?[0-9])*%",
    "x": "[0-9]*|left|right",
    "y": "[0-9]*|top|bottom",
    "currency": "[a-zA-Z]{3}",
    "delivery": "streaming|progressive",
    "required": "all|any|none",
    "adtype": "video|audio|hybrid",
    "rendering": "default|end-card|concurrent",
    "model3": "cpc|cpm|cpe|cpv",
    "model4": "CPC|CPM|CPE|CPV|cpc|cpm|cpe|cpv",
}
"""Patterns of values; ``string`` and ``url`` take any text."""

_EVENTS_2 = """creativeView start midpoint firstQuartile thirdQuartile complete mute unmute pause
    rewind resume fullscreen expand collapse acceptInvitation close"""
_EVENTS_3 = _EVENTS_2 + " exitFullscreen skip progress acceptInvitationLinear closeLinear"
_EVENTS_4 = """mute unmute pause resume rewind skip playerExpand playerCollapse start firstQuartile
    midpoint thirdQuartile complete progress creativeView acceptInvitation adExpand adCollapse
    minimize close overlayViewDuration otherAdInteraction"""
_EVENTS = {
    "2.0": _EVENTS_2,
    "3.0": _EVENTS_3,
    "4.0": _EVENTS_4 + " acceptInvitationLinear timeSpentViewing",
    "4.1": _EVENTS_4 + " loaded closeLinear",
    "4.2": _EVENTS_4 + " loaded closeLinear interactiveStart",
}
EVENTS: Mapping[str, frozenset[str]] = {
    version: frozenset(names.split()) for version, names in _EVENTS.items()
}

_SHARED = """
AdSystem | version:string | #string
AdTitle | | #string
Description | | #string
Advertiser | | #string
Survey | type:string | #url
Error | | #url
Impression | id:string | #url
Extensions | | Extension*
Creatives | | Creative+
CreativeExtensions | | CreativeExtension*
Duration | | #time
AdParameters | xmlEncoded:bool | #string
TrackingEvents | | Tracking*
Tracking | event!:event offset:offset | #url
ClickThrough | id:string | #url
ClickTracking | id:string | #url
CustomClick | id:string | #url
CompanionAds | required:required | Companion*
StaticResource | creativeType!:string | #url
IFrameResource | | #url
HTMLResource | xmlEncoded:bool | #string
CompanionClickThrough | | #url
AltText | | #string
NonLinearClickThrough | | #url
"""

_V3 = """
Ad | id:string sequence:int | InLine
InLine | | AdSystem AdTitle Description? Advertiser? Pricing? Survey? Error? Impression+ Creatives \
Extensions?
Pricing | model!:model3 currency!:currency | #decimal
Survey | | #url
Extension | * | #any
CreativeExtension | * | #any
Creative | id:string sequence:int AdID:string | (Linear CompanionAds NonLinearAds)
Linear | skipoffset:offset | Icons? CreativeExtensions? Duration TrackingEvents? AdParameters? \
VideoClicks? MediaFiles?
Icons | | Icon*
Icon | program!:string width!:int height!:int xPosition!:x yPosition!:y offset:time duration:time \
apiFramework:string | (StaticResource IFrameResource HTMLResource) IconClicks? IconViewTracking*
IconClicks | | IconClickTracking* IconClickThrough?
IconClickTracking | | #url
IconClickThrough | | #url
IconViewTracking | | #url
VideoClicks | | ClickThrough? ClickTracking* CustomClick*
MediaFiles | | MediaFile+
MediaFile | id:string delivery!:delivery type!:string bitrate:int minBitrate:int maxBitrate:int \
width!:int height!:int scalable:bool maintainAspectRatio:bool apiFramework:string codec:string | \
#url
Companion | id:string width!:int height!:int assetWidth:int assetHeight:int expandedWidth:int \
expandedHeight:int apiFramework:string adSlotId:string | (StaticResource IFrameResource \
HTMLResource) CreativeExtensions? TrackingEvents? CompanionClickThrough? AltText? AdParameters?
NonLinearAds | | TrackingEvents? NonLinear+
NonLinear | id:string width!:int height!:int expandedWidth:int expandedHeight:int scalable:bool \
maintainAspectRatio:bool minSuggestedDuration:time apiFramework:string | (StaticResource \
IFrameResource HTMLResource) CreativeExtensions? NonLinearClickTracking* NonLinearClickThrough? \
AdParameters?
NonLinearClickTracking | | #url
"""

_V2 = """
Ad | id!:string | InLine
InLine | | AdSystem AdTitle Description? Survey? Error? Impression+ Creatives Extensions?
Linear | | Duration TrackingEvents? AdParameters? VideoClicks? MediaFiles?
AdParameters | | #string
HTMLResource | | #string
Tracking | event!:event | #url
MediaFile | id:string delivery!:delivery type!:string bitrate:int width!:int height!:int \
scalable:bool maintainAspectRatio:bool apiFramework:string | #url
CompanionAds | | Companion*
Companion | id:string width!:int height!:int expandedWidth:int expandedHeight:int \
apiFramework:string | (StaticResource IFrameResource HTMLResource) TrackingEvents? \
CompanionClickThrough? AltText? AdParameters?
NonLinear | id:string width!:int height!:int expandedWidth:int expandedHeight:int scalable:bool \
maintainAspectRatio:bool minSuggestedDuration:time apiFramework:string | (StaticResource \
IFrameResource HTMLResource) NonLinearClickThrough? AdParameters?
"""

_V42 = """
Ad | id:string sequence:int conditionalAd:bool adType:adtype | InLine
InLine | | AdSystem Error* Extensions? Impression+ Pricing? ViewableImpression? AdServingId \
AdTitle AdVerifications? Advertiser? Category* Creatives Description? Expires? Survey?
Pricing | model!:model4 currency!:currency | #decimal
ViewableImpression | id:string | Viewable* NotViewable* ViewUndetermined*
Viewable | | #url
NotViewable | | #url
ViewUndetermined | | #url
AdServingId | | #string
AdVerifications | | Verification*
Verification | vendor:string | ExecutableResource* JavaScriptResource* \
TrackingEvents/Verification.TrackingEvents? VerificationParameters?
ExecutableResource | apiFramework:string type:string | #url
JavaScriptResource | apiFramework:string browserOptional:bool | #url
Verification.TrackingEvents | | Tracking/Verification.Tracking*
Verification.Tracking | event!:string | #url
VerificationParameters | | #string
Category | authority!:string | #string
Expires | | #int
Extension | type:string | #any
CreativeExtension | * | #any
Creative | sequence:int apiFramework:string id:string adId:string | CompanionAds? \
CreativeExtensions? Linear? NonLinearAds? UniversalAdId+
UniversalAdId | idRegistry!:string | #string
HTMLResource | | #string
Companion | id:string width!:int height!:int assetWidth:int assetHeight:int expandedWidth:int \
expandedHeight:int apiFramework:string adSlotId:string pxratio:decimal renderingMode:rendering | \
HTMLResource* IFrameResource* StaticResource* AdParameters? AltText? CompanionClickThrough? \
CompanionClickTracking* CreativeExtensions? TrackingEvents?
CompanionClickTracking | id!:string | #url
Linear | skipoffset:offset | Icons? TrackingEvents? AdParameters? Duration MediaFiles VideoClicks?
Icons | | Icon+
Icon | program:string width:int height:int xPosition:x yPosition:y duration:time offset:time \
apiFramework:string pxratio:decimal | HTMLResource* IFrameResource* StaticResource* IconClicks? \
IconViewTracking*
IconClicks | | IconClickFallbackImages? IconClickThrough? IconClickTracking*
IconClickFallbackImages | | IconClickFallbackImage+
IconClickFallbackImage | height:int width:int | AltText? StaticResource/Fallback.StaticResource?
Fallback.StaticResource | | #url
IconClickThrough | | #url
IconClickTracking | id:string | #url
IconViewTracking | | #url
MediaFiles | | ClosedCaptionFiles? MediaFile+ Mezzanine* InteractiveCreativeFile*
ClosedCaptionFiles | | ClosedCaptionFile*
ClosedCaptionFile | type:string language:string | #url
MediaFile | id:string delivery!:delivery type!:string width!:int height!:int codec:string \
bitrate:int minBitrate:int maxBitrate:int scalable:bool maintainAspectRatio:bool fileSize:int \
mediaType:string apiFramework:string | #url
Mezzanine | id:string delivery!:delivery type!:string width!:int height!:int codec:string \
fileSize:int mediaType:string | #url
InteractiveCreativeFile | type:string apiFramework:string variableDuration:bool | #url
VideoClicks | | ClickTracking* ClickThrough? CustomClick*
NonLinearAds | | TrackingEvents? NonLinear*
NonLinear | id:string width!:int height!:int expandedWidth:int expandedHeight:int scalable:bool \
maintainAspectRatio:bool minSuggestedDuration:time apiFramework:string | HTMLResource* \
IFrameResource* StaticResource* AdParameters? NonLinearClickThrough? NonLinearClickTracking*
NonLinearClickTracking | id:string | #url
"""

_V41 = """
Creative | sequence:int apiFramework:string id:string adId:string | CompanionAds? \
CreativeExtensions? Linear? NonLinearAds? UniversalAdId
Icons | | Icon
IconClicks | | IconClickThrough? IconClickTracking*
VideoClicks | | ClickTracking* CustomClick* ClickThrough?
"""

_V40 = """
Ad | id:string sequence:int conditionalAd:bool | InLine
InLine | | AdSystem Error* Extensions? Impression+ Pricing? ViewableImpression? AdTitle \
AdVerifications? Advertiser? Category* Creatives Description? Survey?
Verification | vendor:string | FlashResource* JavaScriptResource* \
ViewableImpression/Verification.ViewableImpression?
FlashResource | apiFramework:string | #url
JavaScriptResource | apiFramework:string | #url
Verification.ViewableImpression | id:string | #url
UniversalAdId | idRegistry!:string idValue!:string | #string
Companion | id:string width!:int height!:int assetWidth:int assetHeight:int expandedWidth:int \
expandedHeight:int apiFramework:string adSlotID:string pxratio:decimal | HTMLResource* \
IFrameResource* StaticResource* AdParameters? AltText? CompanionClickThrough? \
CompanionClickTracking* CreativeExtensions? TrackingEvents?
MediaFiles | | MediaFile+ Mezzanine? InteractiveCreativeFile*
MediaFile | id:string delivery!:delivery type!:string width!:int height!:int codec:string \
bitrate:int minBitrate:int maxBitrate:int scalable:bool maintainAspectRatio:bool \
apiFramework:string | #url
Mezzanine | | #url
InteractiveCreativeFile | type:string apiFramework:string | #url
NonLinear | | HTMLResource* IFrameResource* StaticResource* AdParameters? NonLinearClickThrough? \
NonLinearClickTracking*
"""

_LAYERS = {
    "2.0": (_SHARED, _V3, _V2),
    "3.0": (_SHARED, _V3),
    "4.0": (_SHARED, _V42, _V41, _V40),
    "4.1": (_SHARED, _V42, _V41),
    "4.2": (_SHARED, _V42),
}
"""A later table says what differs from the ones before it."""

_PART = re.compile(r"\(([^)]*)\)|([\w./]+)([?*+]?)")


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str
    kind: str
    required: bool


@dataclass(frozen=True, slots=True)
class Child:
    """One place in the order; several ``names`` where one of them may stand there."""

    names: tuple[tuple[str, str], ...]
    """Of each its element and its type."""
    required: bool
    many: bool


@dataclass(frozen=True, slots=True)
class ElementType:
    attributes: tuple[Attribute, ...]
    any_attribute: bool
    content: str
    """``any``, ``children`` or the kind of text."""
    children: tuple[Child, ...]


@cache
def grammar(version: str) -> dict[str, ElementType]:
    types: dict[str, ElementType] = {}
    for layer in _LAYERS[version]:
        for line in layer.strip().splitlines():
            name, attributes, content = (part.strip() for part in line.split("|"))
            types[name] = _element_type(attributes.split(), content)
    return types


@cache
def pattern(kind: str, version: str) -> re.Pattern[str]:
    """Of the values of a kind that is not ``string`` or ``url``."""
    return re.compile("|".join(sorted(EVENTS[version])) if kind == "event" else KINDS[kind])


def _element_type(attributes: list[str], content: str) -> ElementType:
    named = tuple(_attribute(one) for one in attributes if one != "*")
    text = content[1:] if content.startswith("#") else "children"
    children = () if text != "children" else tuple(_child(*one) for one in _PART.findall(content))
    return ElementType(named, "*" in attributes, text, children)


def _attribute(written: str) -> Attribute:
    name, _, kind = written.partition(":")
    return Attribute(name.rstrip("!"), kind, name.endswith("!"))


def _child(either: str, name: str, occurs: str) -> Child:
    names = tuple(_named(one) for one in (either or name).split())
    return Child(names, not either and occurs in ("", "+"), occurs in ("*", "+"))


def _named(written: str) -> tuple[str, str]:
    name, _, kind = written.partition("/")
    return name, kind or name
