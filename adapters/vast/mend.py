"""An ad as one version of VAST wants it: built anew from its parts, in order, with what is missing.

What a version has no place for moves where players of that version look for it (verification in
``Extensions``, as OMID says) or gets the older or newer name of the same event; else it is left
out.
URLs are never changed.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from lxml import etree

from .durations import format_duration, parse_duration
from .grammar import EVENTS, Attribute, ElementType, grammar, pattern
from .names import attribute, local, text

_SAME_EVENT: dict[str, tuple[str, ...]] = {
    "fullscreen": ("playerExpand",),
    "playerExpand": ("fullscreen",),
    "exitFullscreen": ("playerCollapse",),
    "playerCollapse": ("exitFullscreen",),
    "expand": ("adExpand",),
    "adExpand": ("expand",),
    "collapse": ("adCollapse",),
    "adCollapse": ("collapse",),
    "acceptInvitationLinear": ("acceptInvitation",),
    "closeLinear": ("close",),
}
_EVENT_BY_LOWER = {name.lower(): name for names in EVENTS.values() for name in names}
_DEFAULTS = {
    "width": "0",
    "height": "0",
    "xPosition": "right",
    "yPosition": "top",
    "delivery": "progressive",
    "idRegistry": "unknown",
}
_STRUCTURED = ("Linear", "CompanionAds", "NonLinearAds")
_VERIFICATIONS = "AdVerifications"
_SINCE_41 = ("ExecutableResource", "TrackingEvents", "VerificationParameters")

NewId = Callable[[], str]


class Mender:
    """For one version. ``new_id`` makes the AdServingId of an ad that has none."""

    def __init__(self, version: str, new_id: NewId) -> None:
        self._version = version
        self._types = grammar(version)
        self._new_id = new_id

    def mend(self, ad: etree._Element) -> etree._Element | None:
        """A new element Ad; None where nothing can be made of it. ``ad`` itself may be changed."""
        inline = next(ad.iterchildren("InLine"), None)
        if inline is None:
            return None
        self._place_verifications(inline)
        if self._version in ("2.0", "3.0"):
            _split_creatives(inline)
        return self._element(ad, "Ad", "Ad")

    # --- one element ------------------------------------------------------------------------------

    def _element(self, source: etree._Element, name: str, kind: str) -> etree._Element | None:
        wanted = self._types[kind]
        made = etree.Element(name)
        if not self._attributes(source, made, wanted):
            return None
        if wanted.content == "any":
            made.extend(deepcopy(one) for one in source)
        elif wanted.content == "children":
            return made if self._children(source, made, wanted) else None
        elif not self._text(source, made, wanted.content):
            return None
        return made

    def _attributes(
        self, source: etree._Element, made: etree._Element, wanted: ElementType
    ) -> bool:
        if wanted.any_attribute:
            for key, foreign in source.items():
                made.set(key, foreign)
        said = {name.lower(): value.strip() for name, value in source.items()}
        for one in wanted.attributes:
            value = self._value(source, one, said.get(one.name.lower()) or None)
            if value is not None:
                made.set(one.name, value)
            elif one.required:
                return False
        return True

    def _value(self, source: etree._Element, one: Attribute, value: str | None) -> str | None:
        if one.name == "idValue":
            value = value or text(source) or "unknown"
        if value is not None:
            value = self._fitting(value, one.kind)
        if value is None and one.required and one.kind != "event":
            default = _DEFAULTS.get(one.name, "")
            return default if self._fitting(default, one.kind) is not None else None
        return value

    def _fitting(self, value: str, kind: str) -> str | None:
        if kind in ("string", "url"):
            return value
        if kind == "event":
            return self._event(value)
        if kind == "time":
            moment = parse_duration(value)
            return format_duration(moment) if moment is not None else None
        fits = pattern(kind, self._version).fullmatch
        return next((one for one in (value, value.lower()) if fits(one)), None)

    def _event(self, value: str) -> str | None:
        name = _EVENT_BY_LOWER.get(value.lower(), value)
        allowed = EVENTS[self._version]
        return next((one for one in (name, *_SAME_EVENT.get(name, ())) if one in allowed), None)

    def _text(self, source: etree._Element, made: etree._Element, kind: str) -> bool:
        value = text(source)
        if kind in ("string", "url"):
            if made.tag == "UniversalAdId":
                value = value or attribute(source, "idValue") or "unknown"
            made.text = etree.CDATA(value) if value else None
            return bool(value) or kind == "string"
        value = self._fitting(value, kind) if value else None
        made.text = value
        return value is not None

    # --- its children -----------------------------------------------------------------------------

    def _children(self, source: etree._Element, made: etree._Element, wanted: ElementType) -> bool:
        by_name: dict[str, list[etree._Element]] = {}
        for one in source:
            by_name.setdefault(local(str(one.tag)), []).append(one)
        for child in wanted.children:
            found = 0
            for name, kind in child.names:
                for one in by_name.get(name, ()):
                    mended = self._element(one, name, kind) if child.many or not found else None
                    if mended is not None:
                        made.append(mended)
                        found += 1
            if child.required and not found:
                default = self._default(child.names[0][0], source)
                if default is None:
                    return False
                made.append(default)
        return True

    def _default(self, name: str, parent: etree._Element) -> etree._Element | None:
        """What stands for a required element that the broker left out."""
        made = etree.Element(name)
        if name == "Impression":
            made.text = etree.CDATA("about:blank")
        elif name == "AdServingId":
            made.text = self._new_id()
        elif name == "Duration":
            made.text = "00:00:00"
        elif name == "UniversalAdId":
            return self._element(made, name, name)
        elif name not in ("AdSystem", "AdTitle"):
            return None
        return made

    # --- verification -----------------------------------------------------------------------------

    def _place_verifications(self, inline: etree._Element) -> None:
        """From 4.1 on an element of its own; before that an Extension (OMID, "VAST 2 and 3")."""
        if self._version in ("4.1", "4.2"):
            for extension in list(inline.iterfind("Extensions/Extension")):
                if (attribute(extension, "type") or "").lower() == _VERIFICATIONS.lower():
                    self._lift(inline, extension)
            return
        for own in list(inline.iterchildren(_VERIFICATIONS)):
            moving = [one for one in own if self._version != "4.0" or _since_41(one)]
            if moving:
                self._sink(inline, moving)
            if not len(own):
                inline.remove(own)

    def _lift(self, inline: etree._Element, extension: etree._Element) -> None:
        found = list(extension.iter("Verification"))
        if found:
            _child_of(inline, _VERIFICATIONS).extend(found)
            parent = extension.getparent()
            if parent is not None:
                parent.remove(extension)

    def _sink(self, inline: etree._Element, verifications: list[etree._Element]) -> None:
        extensions = _child_of(inline, "Extensions")
        extension = etree.SubElement(extensions, "Extension", {"type": _VERIFICATIONS})
        etree.SubElement(extension, _VERIFICATIONS).extend(verifications)


def _since_41(verification: etree._Element) -> bool:
    return any(one.tag in _SINCE_41 for one in verification)


def _split_creatives(inline: etree._Element) -> None:
    """VAST 2 and 3 have one of Linear, CompanionAds, NonLinearAds in a Creative; 4 has any."""
    for creatives in inline.iterchildren("Creatives"):
        for creative in list(creatives):
            parts = [one for one in creative if one.tag in _STRUCTURED]
            if not parts:
                creatives.remove(creative)
            _keep_extensions(creative, parts)
            for part in reversed(parts[1:]):
                other = etree.Element("Creative", dict(creative.attrib))
                other.append(part)
                creative.addnext(other)


def _keep_extensions(creative: etree._Element, parts: list[etree._Element]) -> None:
    """VAST 3 has the CreativeExtensions of a video inside its Linear."""
    linear = next((one for one in parts if one.tag == "Linear"), None)
    if linear is not None:
        linear.extend(list(creative.iterchildren("CreativeExtensions")))


def _child_of(parent: etree._Element, name: str) -> etree._Element:
    found = next(parent.iterchildren(name), None)
    return etree.SubElement(parent, name) if found is None else found
