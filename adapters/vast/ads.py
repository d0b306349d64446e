"""What a decision needs to know of an ad, read from its element when it is asked for.

Ids: a value of "unknown" (in any case) or nothing is no id. Sizes are in pixels, bitrates in
kbit/s. Nothing here changes the tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from lxml import etree

from .durations import parse_duration
from .names import attribute, child_text, number, text

_LINEAR_CREATIVES = etree.XPath("Creatives/Creative[Linear]")


@dataclass(frozen=True, slots=True)
class UniversalAdId:
    registry: str
    value: str


@dataclass(frozen=True, slots=True)
class Pricing:
    model: str
    """In lower case: cpm, cpc, cpe, cpv."""
    currency: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Category:
    authority: str
    value: str


@dataclass(slots=True)
class MediaFile:
    """A media file or a mezzanine. What the broker did not say is None, never 0.

    ``said`` are its attributes by their names in lower case.
    """

    url: str
    said: Mapping[str, str] = field(repr=False)

    @property
    def type(self) -> str:
        """The MIME type in lower case, or ""."""
        return self.said.get("type", "").strip().lower()

    @property
    def delivery(self) -> str:
        return self.said.get("delivery", "").strip().lower()

    @property
    def width(self) -> int | None:
        return self._number("width")

    @property
    def height(self) -> int | None:
        return self._number("height")

    @property
    def bitrate(self) -> int | None:
        return self._number("bitrate")

    @property
    def min_bitrate(self) -> int | None:
        return self._number("minbitrate")

    @property
    def max_bitrate(self) -> int | None:
        return self._number("maxbitrate")

    @property
    def size(self) -> int | None:
        """Bytes."""
        return self._number("filesize")

    @property
    def codec(self) -> str | None:
        return self.said.get("codec", "").strip() or None

    @property
    def api_framework(self) -> str | None:
        return self.said.get("apiframework", "").strip() or None

    def _number(self, name: str) -> int | None:
        return number(self.said.get(name, "").strip()) or None


@dataclass(frozen=True, slots=True)
class InteractiveFile:
    url: str
    type: str
    api_framework: str


@dataclass(frozen=True, slots=True)
class ClosedCaption:
    url: str
    type: str
    language: str


@dataclass(slots=True)
class LinearCreative:
    """``key`` names it within its break, for the decisions that ``rewrite`` is given."""

    key: str
    element: etree._Element = field(repr=False)

    @property
    def linear(self) -> etree._Element:
        return next(self.element.iterchildren("Linear"))

    @property
    def creative_id(self) -> str | None:
        return real_id(attribute(self.element, "id"))

    @property
    def ad_id(self) -> str | None:
        """The id of the ad server for it: ``adId``, in VAST 2 and 3 ``AdID``."""
        return real_id(attribute(self.element, "adId"))

    @property
    def universal_ad_ids(self) -> list[UniversalAdId]:
        """VAST 4.0 has the value in an attribute, later ones have it as text."""
        return [
            UniversalAdId(attribute(one, "idRegistry") or "", value)
            for one in self.element.iterchildren("UniversalAdId")
            if (value := real_id(attribute(one, "idValue")) or real_id(text(one)))
        ]

    @property
    def duration(self) -> timedelta | None:
        return parse_duration(child_text(self.linear, "Duration"))

    @property
    def skip_offset(self) -> str | None:
        """As it is written: a time or a percentage."""
        return attribute(self.linear, "skipoffset")

    @property
    def media_files(self) -> list[MediaFile]:
        return self.files()[0]

    @property
    def mezzanines(self) -> list[MediaFile]:
        return self.files()[1]

    def files(self) -> tuple[list[MediaFile], list[MediaFile]]:
        """Media files and mezzanines."""
        media: list[MediaFile] = []
        mezzanines: list[MediaFile] = []
        for files in self.linear.iterchildren("MediaFiles"):
            for one in files:
                if one.tag == "MediaFile":
                    media.append(_media_file(one))
                elif one.tag == "Mezzanine":
                    mezzanines.append(_media_file(one))
        return media, mezzanines

    @property
    def interactive_files(self) -> list[InteractiveFile]:
        return [
            InteractiveFile(
                text(one) or "",
                attribute(one, "type") or "",
                attribute(one, "apiFramework") or "",
            )
            for one in self._files("InteractiveCreativeFile")
        ]

    @property
    def closed_captions(self) -> list[ClosedCaption]:
        return [
            ClosedCaption(url, attribute(one, "type") or "", attribute(one, "language") or "")
            for one in self.linear.iter("ClosedCaptionFile")
            if (url := text(one))
        ]

    def _files(self, name: str) -> Iterator[etree._Element]:
        for files in self.linear.iterchildren("MediaFiles"):
            yield from files.iterchildren(name)


@dataclass(slots=True)
class ResolvedAd:
    """An InLine ad into which the tracking of its wrappers was merged.

    ``element`` is the Ad; ``wrappers`` are those it was reached through, the outermost first.
    ``sequence`` is its place in the pod; None for a stand-alone ad. ``may_be_replaced`` is False
    where its wrapper forbids that a stand-alone ad takes its place (``fallbackOnNoAd``).
    ``valid_as`` is the version whose schema it is known to obey.
    """

    key: str
    element: etree._Element = field(repr=False)
    wrappers: tuple[etree._Element, ...] = field(default=(), repr=False)
    sequence: int | None = None
    may_be_replaced: bool = True
    valid_as: str = ""
    linears: tuple[LinearCreative, ...] = field(init=False)

    def __post_init__(self) -> None:
        found = _LINEAR_CREATIVES(self.inline)
        assert isinstance(found, list)
        self.linears = tuple(
            LinearCreative(f"{self.key}.{index}", one)
            for index, one in enumerate(found)
            if isinstance(one, etree._Element)
        )

    @property
    def inline(self) -> etree._Element:
        return next(self.element.iterchildren("InLine"))

    @property
    def ad_id(self) -> str | None:
        return real_id(attribute(self.element, "id"))

    @property
    def ad_type(self) -> str:
        return attribute(self.element, "adType") or "video"

    @property
    def ad_system(self) -> str | None:
        return child_text(self.inline, "AdSystem")

    @property
    def title(self) -> str | None:
        return child_text(self.inline, "AdTitle")

    @property
    def advertiser(self) -> str | None:
        return child_text(self.inline, "Advertiser")

    @property
    def ad_serving_id(self) -> str | None:
        return real_id(child_text(self.inline, "AdServingId"))

    @property
    def expires(self) -> timedelta | None:
        seconds = number(child_text(self.inline, "Expires"))
        return timedelta(seconds=min(seconds, 10**9)) if seconds is not None else None

    @property
    def pricing(self) -> Pricing | None:
        """Of the ad itself, else of the wrapper that is nearest to it."""
        for owner in (self.inline, *reversed(self.wrappers)):
            for one in owner.iterchildren("Pricing"):
                if (found := _pricing(one)) is not None:
                    return found
        return None

    @property
    def categories(self) -> list[Category]:
        return categories_of(self.inline, "Category")

    @property
    def error_urls(self) -> tuple[str, ...]:
        """Of the whole chain: those of the wrappers are merged into the ad."""
        return error_urls_of(self.inline)


def real_id(value: str | None) -> str | None:
    """None for "unknown", which the CTV addendum lets every unregistered ad carry."""
    return None if value is None or value.lower() == "unknown" else value


def error_urls_of(owner: etree._Element) -> tuple[str, ...]:
    found = (text(one) for one in owner.iterchildren("Error"))
    return tuple(dict.fromkeys(one for one in found if one))


def categories_of(owner: etree._Element, name: str) -> list[Category]:
    return [
        Category(attribute(one, "authority") or "", value)
        for one in owner.iterchildren(name)
        if (value := text(one))
    ]


def _pricing(element: etree._Element) -> Pricing | None:
    model, currency = attribute(element, "model"), attribute(element, "currency")
    if not model or not currency:
        return None
    try:
        value = Decimal(text(element) or "")
    except InvalidOperation:
        return None
    return Pricing(model.lower(), currency.upper(), value) if value.is_finite() else None


def _media_file(element: etree._Element) -> MediaFile:
    said = {name.lower(): value for name, value in element.items()}
    return MediaFile(text(element) or "", said)
