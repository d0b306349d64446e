"""Asking a broker: its address filled in, the device's headers along, its health written down."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from adapters.inbound.http.ads.ports import AdsContainer
from adapters.vast import FetchFailed, FetchTimedOut, fill
from adapters.vast.macros import cachebusting, timestamp
from domain.kernel.errors import HomecastError
from domain.media.broker import LONGEST_URL, BrokerConfig

OURS = frozenset({"key", "version"})
"""Parameters of an ad request that are meant for us and not passed on."""
MOST_PARAMETERS = 200
NO_AD = b"<VAST version='4.2'/>"


@dataclass(frozen=True)
class AdRequest:
    """``query``: parameters in their order; ``headers``: of the device, for the broker.
    ``request_id``: of the statistics; ``version``: of the VAST that is wanted."""

    broker: str
    config: BrokerConfig
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    request_id: str
    correlation_id: str
    version: str

    def parameter(self, *names: str) -> str:
        """The first of these that was given, by any case of its name."""
        given = {name.lower(): value for name, value in reversed(self.query)}
        return next((given[one] for one in names if one in given), "")


def address(request: AdRequest, container: AdsContainer) -> str:
    """The broker's URL: macros filled, the request's own parameters behind.

    What the template names and the request does not know becomes -1 (VAST 4.x section 6.3).
    """
    headers = request.headers
    values: dict[str, str | int] = {
        "CACHEBUSTING": cachebusting(random.randrange(90_000_000)),  # noqa: S311
        "TIMESTAMP": timestamp(container.clock.now()),
        "TRANSACTIONID": request.request_id,
        "VASTVERSIONS": "2,3,7,11,12",
        "SERVERSIDE": 1,
    }
    known = {
        "DEVICEIP": headers.get("X-Device-IP"),
        "DEVICEUA": headers.get("X-Device-User-Agent"),
        "CLIENTUA": headers.get("X-Device-User-Agent"),
        "PAGEURL": headers.get("X-Device-Referer"),
    }
    values |= {name: value for name, value in known.items() if value}
    passed = [(name, text) for name, text in request.query if name not in OURS][:MOST_PARAMETERS]
    values |= {name.upper(): text for name, text in passed if name.upper() not in values}
    url = fill(request.config.url, values)
    if passed:
        url += ("&" if "?" in url else "?") + urlencode(passed, quote_via=quote)
    return url[:LONGEST_URL]


class Asking:
    """``adapters.vast.Fetch`` for one ad request. The first document is the broker's: it opens and
    closes the breaker, and counts as its health."""

    def __init__(self, request: AdRequest, container: AdsContainer) -> None:
        self._request = request
        self._container = container
        self._limit = request.config.time_limit_ms / 1000
        self.error = ""
        self.milliseconds = 0.0

    async def __call__(self, url: str) -> bytes:
        """Raises ``FetchFailed``, ``FetchTimedOut``."""
        try:
            found = await self._container.documents.fetch(
                url, self._request.headers, timeout=self._limit
            )
        except HomecastError as error:
            if error.code == "remote_timeout":
                raise FetchTimedOut(error.code) from error
            raise FetchFailed(error.code) from error
        return NO_AD if found.no_ad else found.body

    async def broker(self, url: str) -> bytes:
        """The broker's own document. Raises as a call does, at once while its breaker is open."""
        name, breaker = self._request.broker, self._container.breaker
        if not breaker.admits(name):
            self.error = "breaker_open"
            raise FetchFailed(self.error)
        started = time.perf_counter()
        try:
            body = await self(url)
        except FetchFailed as error:
            breaker.failed(name)
            self.error = str(error)
            raise
        else:
            breaker.succeeded(name)
            return body
        finally:
            self.milliseconds = (time.perf_counter() - started) * 1000
