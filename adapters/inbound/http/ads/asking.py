"""Asking a broker: its address filled in, the device's headers along, its health written down."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from adapters.inbound.http.ads.ports import AdsContainer
from adapters.vast import FetchFailed, FetchTimedOut, fill
from adapters.vast.macros import KNOWN, cachebusting, timestamp
from domain.kernel.errors import HomecastError, InvalidInput
from domain.media.broker import LONGEST_URL, BrokerConfig

OURS = frozenset({"key", "version", "deviceip", "deviceua"})
"""Parameters of an ad request that are meant for us and not passed on: whose device it is counts
from trusted servers only, and brokers are told by headers and macros."""
MOST_PARAMETERS = 200
VAST_VERSIONS = (2, 3, 5, 6, 7, 8, 11, 12, 13, 14)
"""AdCOM's list of creative subtypes: VAST 2.0, 3.0, 4.0, 4.1 and 4.2, each with wrappers."""
SILENT = frozenset({"remote_timeout", "remote_unavailable"})
"""No answer came: what opens the breaker. Any other error is an answer."""
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


def macros(request: AdRequest, container: AdsContainer) -> dict[str, str | int | tuple[int, ...]]:
    """Values of the IAB's macros, for the addresses of brokers, wrappers and Error URIs."""
    headers = request.headers
    values: dict[str, str | int | tuple[int, ...]] = {
        "CACHEBUSTING": cachebusting(random.randrange(90_000_000)),  # noqa: S311
        "TIMESTAMP": timestamp(container.clock.now()),
        "TRANSACTIONID": request.request_id,
        "VASTVERSIONS": VAST_VERSIONS,
        "SERVERSIDE": 1,
    }
    known = {
        "DEVICEIP": headers.get("X-Device-IP"),
        "DEVICEUA": headers.get("X-Device-User-Agent"),
        "CLIENTUA": headers.get("X-Device-User-Agent"),
        "PAGEURL": headers.get("X-Device-Referer"),
    }
    values |= {name: value for name, value in known.items() if value}
    for name, text in request.query:
        if name.lower() not in OURS and name.upper() in KNOWN:
            values.setdefault(name.upper(), text)
    return values


def address(request: AdRequest, container: AdsContainer) -> str:
    """The broker's URL: macros filled, the request's own parameters behind.

    What the template names and the request does not know becomes -1 (VAST 4.x section 6.3). Raises
    ``InvalidInput`` for more parameters than any player has: half an address would be another one.
    """
    values = macros(request, container)
    passed = [(name, text) for name, text in request.query if name.lower() not in OURS]
    if len(passed) > MOST_PARAMETERS:
        raise InvalidInput(
            f"an ad request may have {MOST_PARAMETERS} parameters", limit=MOST_PARAMETERS
        )
    own = {name.upper(): text for name, text in reversed(passed)} | values
    url = fill(request.config.url, own).partition("#")[0]
    if passed:
        url += ("&" if "?" in url else "?") + urlencode(passed, quote_via=quote)
    if len(url) > LONGEST_URL:
        raise InvalidInput("the broker's address would get too long", limit=LONGEST_URL)
    return url


class Asking:
    """``adapters.vast.Fetch`` for one ad request, of addresses that wrappers name: their macros are
    filled as the broker's were. The first document is the broker's (``broker``): it opens and
    closes the breaker, and counts as its health."""

    def __init__(self, request: AdRequest, container: AdsContainer) -> None:
        self._request = request
        self._container = container
        config = request.config
        self._limit = min(config.time_limit_ms, config.total_limit_ms) / 1000
        self._values = macros(request, container)
        self.error = ""
        self.milliseconds = 0.0

    async def __call__(self, url: str) -> bytes:
        """Raises ``FetchFailed``, ``FetchTimedOut``."""
        return await self._fetched(fill(url, self._values))

    async def _fetched(self, url: str) -> bytes:
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
            async with asyncio.timeout(self._limit):
                body = await self._fetched(url)
        except TimeoutError as error:
            breaker.failed(name)
            self.error = "remote_timeout"
            raise FetchTimedOut(self.error) from error
        except FetchFailed as error:
            self.error = str(error)
            (breaker.failed if self.error in SILENT else breaker.succeeded)(name)
            raise
        else:
            breaker.succeeded(name)
            return body
        finally:
            self.milliseconds = (time.perf_counter() - started) * 1000
