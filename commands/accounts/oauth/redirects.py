"""Redirect URIs: which may be registered, and which fit the registered ones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote_plus, urlsplit

from domain.accounts.client import ClientConfig
from domain.kernel.errors import InvalidInput

LOOPBACK = re.compile(
    r"http://(?P<host>127\.0\.0\.1|\[::1\])(:(?P<port>[0-9]{1,5}))?(?P<rest>/[^#]*)?"
)
PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+:/[!-~]*")
"""A domain name turned round, as ``com.example.app:/signed-in`` (RFC 8252 section 7.1)."""
PLAIN = re.compile(r"https?://[A-Za-z0-9._~:\[\]-]+(/[^#\\<>\"`{}|^ ]*)?")


def require_redirect_uri(uri: str, *, public: bool) -> None:
    """HTTPS for all; for programs on a person's device also loopback addresses and schemes of
    their own (RFC 8252 section 7). Raises ``InvalidInput``."""
    if public and (LOOPBACK.fullmatch(uri) or PRIVATE_SCHEME.fullmatch(uri)) and "#" not in uri:
        return
    if not PLAIN.fullmatch(uri) or any(part in (".", "..") for part in uri.split("/")):
        raise InvalidInput(f"not fit to be redirected to: {uri}", field="redirect_uris")
    where = urlsplit(uri)
    if "@" in where.netloc or not where.hostname:
        raise InvalidInput("a redirect URI names its host and nobody", field="redirect_uris")
    if where.scheme != "https" and where.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise InvalidInput("a redirect URI needs https", field="redirect_uris")


def fits(config: ClientConfig, uri: str) -> bool:
    """Character by character (RFC 9700 section 2.1); of a loopback address of a public client any
    port does (RFC 8252 section 7.3)."""
    if uri in config.redirect_uris:
        return True
    asked = LOOPBACK.fullmatch(uri)
    if not config.public or asked is None or not _port_is_sound(asked["port"]):
        return False
    return any(_but_for_port(asked) == _but_for_port(one) for one in _loopbacks(config))


def _loopbacks(config: ClientConfig) -> Iterable[re.Match[str]]:
    found = (LOOPBACK.fullmatch(one) for one in config.redirect_uris)
    return (one for one in found if one is not None)


def _but_for_port(uri: re.Match[str]) -> tuple[str, str]:
    return uri["host"], uri["rest"] or ""


def _port_is_sound(port: str | None) -> bool:
    return port is None or 0 < int(port) <= 65535


def with_parameters(uri: str, parameters: Iterable[tuple[str, str | None]]) -> str:
    """``uri`` keeps the query that it has; parameters that are None are left out."""
    query = "&".join(
        f"{name}={quote_plus(value)}" for name, value in parameters if value is not None
    )
    return f"{uri}{'&' if '?' in uri else '?'}{query}"


def origin_of(uri: str) -> str:
    """For the ``form-action`` of a page whose form ends in a redirect there; a private scheme as
    such."""
    where = urlsplit(uri)
    if where.scheme in ("http", "https"):
        return f"{where.scheme}://{where.netloc}"
    return f"{where.scheme}:"
