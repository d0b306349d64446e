"""URLs from strangers, read strictly, so that what is checked is what is connected to.

The connection is made from the parts found here, never from the text: no second parser can read
another host out of it. WHATWG's rule for hosts that end in a number is followed: such a host is a
plain dotted quad or it is refused (``127.1``, ``0x7f.1``, ``2130706433``, ``0177.0.0.1``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, urljoin

from yarl import URL

from adapters.outbound.web.errors import UrlRefused

MAX_URL = 25_000
"""Characters; ad servers' own limit (MediaTailor)."""
MAX_AUTHORITY = 300
"""Characters; a name has 253 at most."""
DEFAULT_PORTS = {"http": 80, "https": 443}
# Controls, line separators, byte order marks, marks of direction, and halves of characters.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff\ud800-\udfff]"
)
_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^][:@%\\\s]+)(?::([0-9]{0,5}))?", re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SAFE = re.compile(r"[!#-;=?-\[\]-~]*")
_KEPT = "!#$%&'()*+,-./:;=?@[]^_`{|}~"


@dataclass(frozen=True, slots=True)
class Target:
    """``host``: a lower-case name in ASCII or an address as ``ipaddress`` writes it, no brackets.

    ``path`` begins with a slash, ``query`` has no question mark; both are ready to be sent.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def place(self) -> str:
        """``host:port``."""
        return f"{self._bracketed}:{self.port}"

    @property
    def url(self) -> URL:
        return URL.build(
            scheme=self.scheme,
            host=self._bracketed,
            port=self.port,
            path=self.path,
            query_string=self.query,
            encoded=True,
        )

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return str(self.url)


def parse(text: str) -> Target:
    """Raises ``UrlRefused``. White space around is dropped, for VAST wraps its URLs in it."""
    if len(text) > MAX_URL:
        raise UrlRefused(f"a URL has at most {MAX_URL} characters")
    text = text.strip(" \t\r\n")
    if _UNSEEN.search(text):
        raise UrlRefused("the URL holds control characters")
    match = _URL.fullmatch(text)
    if match is None:
        raise UrlRefused("only http:// and https:// URLs are followed")
    scheme = match[1].lower()
    host, port = _place(match[2], scheme)
    path, _, query = match[3].partition("?")
    return Target(scheme, host, port, _sendable(path) or "/", _sendable(query))


def join(base: Target, location: str) -> Target:
    """Where a redirect leads. Raises ``UrlRefused``."""
    if len(location) > MAX_URL or _UNSEEN.search(location):
        raise UrlRefused("the redirect is too long or holds control characters")
    try:
        return parse(urljoin(str(base), location.strip(" ")))
    except ValueError as error:
        raise UrlRefused("the redirect is no URL") from error


def place_of(text: str) -> tuple[str, int]:
    """``host:port`` as an operator writes it. Raises ``UrlRefused``."""
    match = _AUTHORITY.fullmatch(text)
    if match is None or not match[2]:
        raise UrlRefused(f"not host:port: {text!r}")
    return _place(text, "http")


@lru_cache(maxsize=1_024)
def _place(authority: str, scheme: str) -> tuple[str, int]:
    match = _AUTHORITY.fullmatch(authority) if len(authority) <= MAX_AUTHORITY else None
    if match is None:
        raise UrlRefused("the URL's host is misspelled or comes with credentials")
    port = int(match[2]) if match[2] else DEFAULT_PORTS[scheme]
    if not 0 < port < 65_536:
        raise UrlRefused("there is no such port")
    return _host(match[1]), port


def _host(text: str) -> str:
    try:
        if text.startswith("["):
            return str(IPv6Address(text[1:-1]))
        name = text if text.isascii() else text.encode("idna").decode("ascii")
        name = name.lower().removesuffix(".")
        labels = name.split(".")
        if _NUMBER.fullmatch(labels[-1]):
            return str(IPv4Address(name))
    except ValueError as error:
        raise UrlRefused("the URL's host is misspelled") from error
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlRefused("the URL's host is no name")
    return name


def _sendable(part: str) -> str:
    """As it is, but for characters that would break the request line or the URL."""
    return part if _SAFE.fullmatch(part) else quote(part, safe=_KEPT)
