"""Errors of this library, each with the code that VAST (or VMAP) has for it.

VastError
├── DocumentRefused
│   ├── NotXml                100   ill-formed, undecodable, nested too deep
│   │   ├── DocumentTooLarge  100   over the limit of bytes or of elements
│   │   └── MarkupForbidden   100   a DTD: the way in for entity attacks
│   ├── NotVast               101   XML without a VAST root
│   ├── VersionUnsupported    102   VAST 1.x, or newer than 4.3
│   ├── NotVmap              1000   XML without a VMAP root
│   └── VmapVersionUnsupported 1001
├── FetchFailed               301   raised by ``fetch``: no document came
│   └── FetchTimedOut         301
└── NoUsableSource            403, 405, 406, 409 or 901: nothing to make a rendition from
"""

from __future__ import annotations

from typing import ClassVar


class VastError(Exception):
    """Root of the errors raised by this library; ``vast_code`` is what an Error URI is told."""

    CODE: ClassVar[int] = 900

    @property
    def vast_code(self) -> int:
        return self.CODE


class DocumentRefused(VastError):
    """The document cannot be read."""

    CODE = 100


class NotXml(DocumentRefused):
    """Not well-formed XML of an encoding that is known."""


class DocumentTooLarge(NotXml):
    """More bytes or more elements than the limit."""


class MarkupForbidden(NotXml):
    """A document type declaration: no ad document needs one, and entity attacks do."""


class NotVast(DocumentRefused):
    """Well-formed, but its root is no VAST."""

    CODE = 101


class VersionUnsupported(DocumentRefused):
    """A VAST of a version that is not 2.x, 3.x or 4.0 to 4.3."""

    CODE = 102


class NotVmap(DocumentRefused):
    """Well-formed, but its root is no VMAP (VMAP 1.0 code 1000)."""

    CODE = 1000


class VmapVersionUnsupported(DocumentRefused):
    """A VMAP that is not 1.x (VMAP 1.0 code 1001)."""

    CODE = 1001


class FetchFailed(VastError):
    """``fetch`` brought no document: refused, unreachable, too large, an error status."""

    CODE = 301


class FetchTimedOut(FetchFailed):
    """``fetch`` took longer than one request or the whole break may take."""


class NoUsableSource(VastError):
    """A creative without a file that could be transcoded; the code says in what way."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code

    @property
    def vast_code(self) -> int:
        return self.code
