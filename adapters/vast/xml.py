"""Bytes of a stranger to a tree: bounded, without entities, and forgiving where nothing is lost."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from .errors import DocumentTooLarge, MarkupForbidden, NotXml

VMAP_NAMESPACE = "http://www.iab.net/videosuite/vmap"


def _new_parser() -> etree.XMLParser[etree._Element]:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        strip_cdata=False,
        remove_comments=True,
        remove_pis=True,
        remove_blank_text=True,
    )


_PARSER = _new_parser()

_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*)*", re.DOTALL)
_ROOT_NAME = re.compile(rb"<[A-Za-z_][\w:.\-]*")
_DECLARATION = re.compile(r"^\ufeff?\s*<\?xml.*?\?>", re.DOTALL)
_UNDECLARED = re.compile(r"^Namespace prefix ([\w.\-]+) ")
_PREFIXES = 20
"""Undeclared prefixes that are forgiven in one document."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one document. Nesting is bounded by libxml2 at 256 elements."""

    size: int = 1_000_000
    """Bytes."""
    elements: int = 20_000


DEFAULT_LIMITS = Limits()


def read(data: bytes, limits: Limits = DEFAULT_LIMITS) -> etree._Element:
    """The root. Comments, processing instructions and blank text are gone, CDATA is kept.

    Raises ``NotXml`` or one of its leaves. Prefixes that are never declared get a namespace of
    their own instead of being refused: ``vmap:`` is often written so.
    """
    if len(data) > limits.size:
        raise DocumentTooLarge(f"{len(data)} bytes exceed {limits.size}")
    data = _as_ascii_compatible(data).lstrip()
    if data.count(b"<") > 2 * limits.elements:
        raise DocumentTooLarge(f"more than {limits.elements} elements")
    if b"<!DOCTYPE" in data and data.startswith(b"<!DOCTYPE", _prolog_end(data)):
        raise MarkupForbidden("a document type declaration")
    root = _parse(data)
    if root.getroottree().docinfo.internalDTD is not None:
        raise MarkupForbidden("a document type declaration")
    return root


def _parse(data: bytes) -> etree._Element:
    try:
        return etree.fromstring(data, _PARSER)
    except etree.XMLSyntaxError as error:
        if "is not defined" not in str(error):
            raise NotXml(_told(error)) from error
    # A parser of its own: only its log is about this document alone.
    parser = _new_parser()
    try:
        return etree.fromstring(_declared(data, parser), parser)
    except etree.XMLSyntaxError as error:
        raise NotXml(_told(error)) from error


def _declared(data: bytes, parser: etree.XMLParser[etree._Element]) -> bytes:
    """The document with a declaration at its root for each prefix that has none."""
    try:
        etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        found = [_UNDECLARED.match(entry.message) for entry in parser.error_log]
    else:
        return data
    prefixes = list(dict.fromkeys(one[1] for one in found if one))[:_PREFIXES]
    root = _ROOT_NAME.match(data, _prolog_end(data))
    if root is None:
        return data
    declarations = "".join(
        f' xmlns:{one}="{VMAP_NAMESPACE if one == "vmap" else "urn:undeclared:" + one}"'
        for one in prefixes
    )
    return data[: root.end()] + declarations.encode() + data[root.end() :]


def _prolog_end(data: bytes) -> int:
    prolog = _PROLOG.match(data)
    return prolog.end() if prolog else 0


def _as_ascii_compatible(data: bytes) -> bytes:
    """UTF-16 as UTF-8, so that what is looked for in bytes is found in them."""
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff") and b"\0" not in data[:4]:
        return data
    little = data[:2] == b"\xff\xfe" or data[1:2] == b"\0"
    try:
        text = data.decode("utf-16-le" if little else "utf-16-be")
    except UnicodeDecodeError as error:
        raise NotXml("not the UTF-16 that it seems") from error
    return _DECLARATION.sub("", text).lstrip("\ufeff").encode()


def _told(error: etree.XMLSyntaxError) -> str:
    return (error.msg or "not XML")[:200]
