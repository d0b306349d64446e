"""Ad documents of the IAB: VAST and VMAP in, VAST, VMAP and HLS asset lists out.

    found = await resolve("https://broker.example/vast", fetch)       # wrappers followed
    decide = {one.key: ready.get(one) for ad in found.ads for one in ad.linears}
    answer = rewrite(found, decide, version="4.2")                    # strict, addresses unchanged

Imports lxml and the standard library only. It opens no connection: ``fetch`` is the caller's.
"""

from .ads import (
    Category,
    ClosedCaption,
    InteractiveFile,
    LinearCreative,
    MediaFile,
    Pricing,
    ResolvedAd,
    UniversalAdId,
)
from .asset_list import Asset, asset_list, assets_of
from .breaks import AdBreak, ErrorReport, Gap, chain_report
from .document import VastDocument, parse
from .errors import (
    DocumentRefused,
    DocumentTooLarge,
    FetchFailed,
    FetchTimedOut,
    MarkupForbidden,
    NotVast,
    NotVmap,
    NotXml,
    NoUsableSource,
    VastError,
    VersionUnsupported,
    VmapVersionUnsupported,
)
from .grammar import VERSIONS
from .macros import fill
from .own import Beacons, Decisions, StreamingMedia, Version
from .resolve import Fetch, ResolveLimits, resolve
from .rewrite import rewrite
from .sources import source_of
from .vmap import (
    ResolvedVmapBreak,
    VmapBreak,
    VmapDocument,
    parse_vmap,
    render_vmap,
    resolve_vmap,
)
from .xml import Limits

__all__ = [
    "VERSIONS",
    "AdBreak",
    "Asset",
    "Beacons",
    "Category",
    "ClosedCaption",
    "Decisions",
    "DocumentRefused",
    "DocumentTooLarge",
    "ErrorReport",
    "Fetch",
    "FetchFailed",
    "FetchTimedOut",
    "Gap",
    "InteractiveFile",
    "Limits",
    "LinearCreative",
    "MarkupForbidden",
    "MediaFile",
    "NoUsableSource",
    "NotVast",
    "NotVmap",
    "NotXml",
    "Pricing",
    "ResolveLimits",
    "ResolvedAd",
    "ResolvedVmapBreak",
    "StreamingMedia",
    "UniversalAdId",
    "VastDocument",
    "VastError",
    "Version",
    "VersionUnsupported",
    "VmapBreak",
    "VmapDocument",
    "VmapVersionUnsupported",
    "asset_list",
    "assets_of",
    "chain_report",
    "fill",
    "parse",
    "parse_vmap",
    "render_vmap",
    "resolve",
    "resolve_vmap",
    "rewrite",
    "source_of",
]
