"""VMAP: the breaks of a whole programme, each with ads inline or at an address.

Read in both namespaces, or in none; written as VMAP 1.0 with the namespace of the standard. Error
codes of breaks are VMAP's own (1000 to 1008).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from .breaks import AdBreak, ErrorReport
from .document import VastDocument, from_element
from .errors import DocumentRefused, FetchFailed, NotVmap, VmapVersionUnsupported
from .names import attribute, flag, local, text
from .own import Beacons, Decisions, Version
from .resolve import Fetch, ResolveLimits, resolve
from .rewrite import rewrite
from .xml import DEFAULT_LIMITS, VMAP_NAMESPACE, Limits, read

TEMPLATE_UNSUPPORTED, AD_DOCUMENT_BROKEN = 1005, 1006
AD_DOCUMENT_TIMEOUT, AD_DOCUMENT_UNAVAILABLE, AD_DOCUMENT_ERROR = 1007, 1008, 1004


@dataclass(frozen=True, slots=True)
class Tracking:
    """Of a break: ``breakStart``, ``breakEnd`` or ``error``."""

    event: str
    url: str


@dataclass(frozen=True, slots=True)
class VmapBreak:
    """``source`` is a document, an address, or what else stood there (an error code)."""

    time_offset: str
    break_type: str
    break_id: str | None
    repeat_after: str | None
    source: VastDocument | str | int
    source_id: str | None
    allow_multiple_ads: bool
    follow_redirects: bool
    tracking: tuple[Tracking, ...] = ()


@dataclass(frozen=True, slots=True)
class VmapDocument:
    breaks: tuple[VmapBreak, ...]


@dataclass(frozen=True, slots=True)
class ResolvedVmapBreak:
    described: VmapBreak
    ads: AdBreak
    reports: tuple[ErrorReport, ...] = field(default=())
    """Of the break itself, in VMAP's codes; those of its ads are in ``ads.reports``."""


def parse_vmap(data: bytes, limits: Limits = DEFAULT_LIMITS) -> VmapDocument:
    """Raises ``NotXml`` (or a leaf of it), ``NotVmap``, ``VmapVersionUnsupported``."""
    root = read(data, limits)
    if local(str(root.tag)).lower() != "vmap":
        raise NotVmap(f"the root is {local(str(root.tag))[:50]}")
    version = attribute(root, "version") or "1.0"
    if version.partition(".")[0] != "1":
        raise VmapVersionUnsupported(f"VMAP {version[:20]}")
    return VmapDocument(tuple(_break(one) for one in _children(root, "AdBreak")))


def _break(element: etree._Element) -> VmapBreak:
    source = next(iter(_children(element, "AdSource")), None)
    tracking = (
        Tracking(attribute(one, "event") or "", url)
        for events in _children(element, "TrackingEvents")
        for one in _children(events, "Tracking")
        if (url := text(one))
    )
    multiple = flag(source, "allowMultipleAds") if source is not None else None
    follow = flag(source, "followRedirects") if source is not None else None
    return VmapBreak(
        time_offset=attribute(element, "timeOffset") or "start",
        break_type=attribute(element, "breakType") or "linear",
        break_id=attribute(element, "breakId"),
        repeat_after=attribute(element, "repeatAfter"),
        source=_source(source) if source is not None else VastDocument(etree.Element("VAST"), ""),
        source_id=attribute(source, "id") if source is not None else None,
        allow_multiple_ads=multiple is not False,
        follow_redirects=follow is not False,
        tracking=tuple(tracking),
    )


def _source(source: etree._Element) -> VastDocument | str | int:
    for one in source:
        match local(str(one.tag)).lower():
            case "vastaddata" | "vastdata":
                inner = next(iter(one), None)
                try:
                    return from_element(inner) if inner is not None else AD_DOCUMENT_BROKEN
                except DocumentRefused:
                    return AD_DOCUMENT_BROKEN
            case "adtaguri":
                return text(one) or AD_DOCUMENT_BROKEN
            case _:
                return TEMPLATE_UNSUPPORTED
    return AD_DOCUMENT_BROKEN


def _children(element: etree._Element, name: str) -> list[etree._Element]:
    lower = name.lower()
    return [one for one in element if local(str(one.tag)).lower() == lower]


# --- resolving ------------------------------------------------------------------------------------


async def resolve_vmap(
    document: VmapDocument, fetch: Fetch, limits: ResolveLimits | None = None
) -> list[ResolvedVmapBreak]:
    """All breaks concurrently, in order. One that fails is empty and tells why."""
    every = (_resolve_break(one, fetch, limits) for one in document.breaks)
    return list(await asyncio.gather(*every))


async def _resolve_break(
    described: VmapBreak, fetch: Fetch, limits: ResolveLimits | None
) -> ResolvedVmapBreak:
    nothing = AdBreak("", (), ())
    if isinstance(described.source, int):
        return _told(described, nothing, described.source, "no VAST in this break")
    try:
        ads = await resolve(
            described.source,
            fetch,
            limits,
            allow_multiple_ads=described.allow_multiple_ads,
            follow_wrappers=described.follow_redirects,
        )
    except FetchFailed as error:
        timed_out = type(error) is not FetchFailed
        code = AD_DOCUMENT_TIMEOUT if timed_out else AD_DOCUMENT_UNAVAILABLE
        return _told(described, nothing, code, str(error))
    except DocumentRefused as error:
        return _told(described, nothing, AD_DOCUMENT_BROKEN, str(error))
    return ResolvedVmapBreak(described, ads)


def _told(described: VmapBreak, ads: AdBreak, code: int, reason: str) -> ResolvedVmapBreak:
    urls = tuple(one.url for one in described.tracking if one.event == "error")
    return ResolvedVmapBreak(described, ads, (ErrorReport(code, urls, reason),))


# --- rendering ------------------------------------------------------------------------------------


def render_vmap(
    breaks: list[ResolvedVmapBreak],
    decide: list[Decisions],
    *,
    version: Version = "4.2",
    beacons: list[Mapping[str, Beacons]] | None = None,
) -> bytes:
    """VMAP 1.0 with the ads inline; ``decide`` and ``beacons`` have an entry for each break."""
    own = beacons or [{} for _ in breaks]
    parts = [f'<vmap:VMAP xmlns:vmap="{VMAP_NAMESPACE}" version="1.0">'.encode()]
    for one, decisions, of_break in zip(breaks, decide, own, strict=True):
        vast = rewrite(one.ads, decisions, version=version, beacons=of_break)
        parts.append(_rendered(one.described, vast))
    return b"".join((*parts, b"</vmap:VMAP>"))


def _rendered(one: VmapBreak, vast: bytes) -> bytes:
    written = {
        "timeOffset": one.time_offset,
        "breakType": one.break_type,
        "breakId": one.break_id,
        "repeatAfter": one.repeat_after,
    }
    source = {
        "id": one.source_id,
        "allowMultipleAds": str(one.allow_multiple_ads).lower(),
        "followRedirects": str(one.follow_redirects).lower(),
    }
    head = f"<vmap:AdBreak{_attributes(written)}><vmap:AdSource{_attributes(source)}>"
    return b"".join(
        (
            f"{head}<vmap:VASTAdData>".encode(),
            vast,
            b"</vmap:VASTAdData></vmap:AdSource>",
            _tracking(one.tracking).encode(),
            b"</vmap:AdBreak>",
        )
    )


def _tracking(events: tuple[Tracking, ...]) -> str:
    if not events:
        return ""
    every = "".join(
        f"<vmap:Tracking event={quoteattr(one.event)}>{escape(one.url)}</vmap:Tracking>"
        for one in events
    )
    return f"<vmap:TrackingEvents>{every}</vmap:TrackingEvents>"


def _attributes(written: Mapping[str, str | None]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in written.items() if value)
