"""A VAST document as it came: its version, its ads, its own Error URIs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from .errors import NotVast, VersionUnsupported
from .names import attribute, canonical, local, text
from .schema import schema
from .xml import DEFAULT_LIMITS, Limits, read

_SUPPORTED = re.compile(r"(?:2|3)(?:\.\d+)*|4(?:\.[0-3](?:\.\d+)*)?")
_SCHEMA_OF = {
    "2.0": "2.0",
    "2.0.1": "2.0",
    "3.0": "3.0",
    "4.0": "4.0",
    "4.1": "4.1",
    "4.2": "4.2",
    "4.3": "4.2",
}
_ROOT_NAMESPACE = re.compile(
    rb"(<VAST\b[^<>]{0,2000}?\s)xmlns=(?:\"[^\"<>]{0,200}\"|'[^'<>]{0,200}')"
)
"""Bounded, so that no input makes the search long."""


@dataclass(frozen=True, slots=True)
class VastDocument:
    """``root`` has canonical names and no namespace. ``version`` is "" where none is written."""

    root: etree._Element
    version: str
    valid_as: str = ""
    """The version whose schema all of its ads obey as they are; "" where one does not."""

    @property
    def ads(self) -> list[etree._Element]:
        return list(self.root.iterchildren("Ad"))

    @property
    def error_urls(self) -> tuple[str, ...]:
        """Of the document itself: they are for "no ad"."""
        found = (text(one) for one in self.root.iterchildren("Error"))
        return tuple(one for one in found if one)

    @property
    def major(self) -> int:
        return int(self.version[:1] or 0)


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> VastDocument:
    """Read VAST 2.0 to 4.3, however it is cased, ordered, wrapped or encoded.

    Raises ``NotXml`` (or a leaf of it), ``NotVast``, ``VersionUnsupported``.
    """
    # The default namespace says nothing here, and names without one are faster to look up.
    return from_element(read(_ROOT_NAMESPACE.sub(rb"\1", data, count=1), limits))


def from_element(root: etree._Element) -> VastDocument:
    """A VAST that is part of another document (VMAP). Its names are put right in place."""
    name = local(str(root.tag)).lower()
    if name == "videoadservingtemplate":
        raise VersionUnsupported("VAST 1.x")
    if name != "vast":
        raise NotVast(f"the root is {name[:50]}")
    version = attribute(root, "version") or ""
    if version and not _SUPPORTED.fullmatch(version):
        raise VersionUnsupported(f"VAST {version[:20]}")
    strict = _SCHEMA_OF.get(version, "")
    if strict and root.tag == "VAST" and schema(strict).validate(root):
        return VastDocument(root, version, strict)
    canonical(root)
    return VastDocument(root, version)
