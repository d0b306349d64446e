"""Which creatives are the same film, before anybody has looked at its bytes.

A registered id counts within its registry and broker (VAST 4.3 section 3.7.1, ``UniversalAdId``);
an id of "unknown", which the IAB's CTV addendum lets unregistered ads carry, is no id: taken for
one, all of them would become a single film. Without an id it is the canonical address.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NewType

CreativeId = NewType("CreativeId", str)
"""26 characters of lower-case base32: 130 bits of the SHA-256 of the identity."""

NO_ID = frozenset(("", "unknown", "undefined", "none", "null", "nil", "n/a", "na", "0", "-1", "-"))
UNFILLED = re.compile(r"\[.*\]|\{.*\}|\$\{.*\}|%%.*%%|<.*>", re.DOTALL)
"""A macro that nobody has filled in is the same in every ad, and so no id either."""
VOLATILE = frozenset(
    (
        "cb", "cachebuster", "cachebusting", "correlator", "ord", "rnd", "rand", "random",
        "expires", "signature", "key-pair-id", "awsaccesskeyid",
        "hdnts", "hdnea", "hdntl", "x-amz-algorithm", "x-amz-credential", "x-amz-date",
        "x-amz-expires", "x-amz-signature", "x-amz-signedheaders", "x-amz-security-token",
        "x-goog-algorithm", "x-goog-credential", "x-goog-date", "x-goog-expires",
        "x-goog-signature", "x-goog-signedheaders",
    )
)  # fmt: skip
"""Query parameters that say who may fetch and not what: another one each time."""
DOUBTFUL = frozenset(("token", "policy", "timestamp"))
"""Volatile where the path names the file of a film. Elsewhere they may be all that tells one film
from another, and a wrong film shown is worse than one that is transcoded twice."""
FILMS = (
    ".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".flv", ".wmv", ".mpg", ".mpeg", ".ts",
    ".m2ts", ".mxf", ".3gp", ".ogv", ".m3u8", ".mpd",
)  # fmt: skip
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
ADDRESS = re.compile(
    r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.IGNORECASE | re.DOTALL
)
LONGEST = 4_096
"""Characters of an identity."""


@dataclass(frozen=True)
class Identity:
    """``text``: readable; the id is made of it."""

    kind: Literal["registered", "url"]
    text: str

    @cached_property
    def creative_id(self) -> CreativeId:
        digest = hashlib.sha256(f"{self.kind}\n{self.text}".encode()).digest()
        return CreativeId(base64.b32encode(digest).decode().lower()[:26])


def identity_of(ids: Iterable[tuple[str, str]], *, broker: str | None, media_url: str) -> Identity:
    """``ids``: registry and value of each ``UniversalAdId``, in order: the first counts that is
    one."""
    for registry, value in ids:
        if not (_blank(registry) or _blank(value)):
            name = "-".join(registry.lower().split())  # no spaces: they part it from the value
            text = f"{broker or '*'} {name} {value.strip()}"
            if len(text) <= LONGEST:
                return Identity("registered", text)
    return Identity("url", canonical(media_url))


def _blank(text: str) -> bool:
    bare = text.strip()
    return bare.lower() in NO_ID or UNFILLED.fullmatch(bare) is not None


def canonical(url: str) -> str:
    """Scheme and host in lower case, no user, default port, fragment or volatile parameter. What
    is canonical stays as it is, and so does what is no address of the web."""
    found = ADDRESS.fullmatch(url.strip())
    if found is None:
        return url.strip()
    scheme, path, query = found[1].lower(), found[3] or "/", found[4] or ""
    host = _host(found[2].rpartition("@")[2].lower(), DEFAULT_PORTS[scheme])
    names_film = path.lower().endswith(FILMS)
    kept = [one for one in query.split("&") if one and _lasting(one, names_film)]
    address = f"{scheme}://{host}{path}"
    return (f"{address}?{'&'.join(kept)}" if kept else address).rstrip()


def _host(host: str, port: str) -> str:
    while (shorter := host.strip().rstrip(":").removesuffix(port)) != host:
        host = shorter
    return host


def _lasting(parameter: str, names_film: bool) -> bool:
    name = parameter.partition("=")[0].strip().lower()
    return name not in VOLATILE and not (names_film and name in DOUBTFUL)
