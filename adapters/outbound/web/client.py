"""One client for all hosts that nobody here trusts: guarded, bounded in time, cheap.

aiohttp, which aiobotocore brings along: a request over a kept connection takes a sixth of the
processor time that httpx needs for it, and both its ways to an address (a resolver, a maker of
sockets) can be the guard's. No cookies, no proxies of the environment, no credentials of ``netrc``.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import aiohttp

from adapters.outbound.web.errors import (
    RedirectRefused,
    RemoteNotFound,
    RemoteRefused,
    RemoteTimeout,
    RemoteUnavailable,
    UrlRefused,
)
from adapters.outbound.web.guard import Guard, GuardedResolver
from adapters.outbound.web.urls import MAX_URL, Target, join

USER_AGENT = "homecast"
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
LATER = frozenset({408, 425, 429})
"""Answers in the 400s that may be others next time."""
KEEP_ALIVE = 30.0
NAMES_KEPT = 10
"""Seconds that checked addresses of a name are used for new connections."""
FOR_ONE_ORIGIN = frozenset({"authorization", "cookie"})
"""Not carried along when a redirect leads elsewhere."""
OURS_ALONE = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of the connection (RFC 9110 section 7.6.1), and what says how a body comes."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{0,8192}")


@dataclass(frozen=True, slots=True)
class Answer:
    """``response``: its head is read, its body is not."""

    response: aiohttp.ClientResponse
    target: Target

    @property
    def status(self) -> int:
        return self.response.status

    def header(self, name: str) -> str:
        return self.response.headers.get(name, "")


class Web:
    """To be closed by whoever made it. ``per_host``: connections to one host and port at most."""

    def __init__(
        self,
        guard: Guard,
        *,
        connections: int = 256,
        per_host: int = 64,
        tls: ssl.SSLContext | None = None,
        user_agent: str = USER_AGENT,
    ) -> None:
        self._guard = guard
        self._connections = connections
        self._per_host = per_host
        self._tls = tls
        self._headers = {"User-Agent": user_agent, "Accept": "*/*"}
        self._opened: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """The guard too."""
        if self._opened is not None:
            await self._opened.close()
        self._guard.close()

    @asynccontextmanager
    async def get(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        limit: float,
        stall: float | None = None,
        downgrade: bool = False,
        encodings: str = "identity",
    ) -> AsyncIterator[Answer]:
        """``limit``: seconds for everything, what is done with the answer included. ``stall``:
        seconds between two pieces of it. ``downgrade``: redirects from https to http are followed.
        ``encodings``: what the body may be compressed with; undoing it is the caller's.

        Raises ``UrlRefused``, ``AddressForbidden``, ``RedirectRefused``, ``RemoteTimeout``,
        ``RemoteUnavailable``, also for what is read inside.
        """
        asked = {**sendable(headers), "Accept-Encoding": encodings}
        with translated():
            async with asyncio.timeout(limit):
                timeout = aiohttp.ClientTimeout(total=None, sock_read=stall)
                answer = await self._follow(url, asked, timeout, downgrade)
                try:
                    yield answer
                finally:
                    answer.response.release()

    async def _follow(
        self, url: str, headers: dict[str, str], timeout: aiohttp.ClientTimeout, downgrade: bool
    ) -> Answer:
        target = self._guard.check(url)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._session.get(
                target.url, headers=headers, allow_redirects=False, timeout=timeout
            )
            location = response.headers.get("Location")
            if response.status not in REDIRECTS or not location:
                return Answer(response, target)
            response.release()
            after = self._guard.check_target(join(target, location))
            if (target.scheme, after.scheme) == ("https", "http") and not downgrade:
                raise RedirectRefused("a redirect leads from https to http")
            if after.origin != target.origin:
                headers = {n: v for n, v in headers.items() if n.lower() not in FOR_ONE_ORIGIN}
            target = after
        raise RedirectRefused(f"more than {MAX_REDIRECTS} redirects")

    @property
    def _session(self) -> aiohttp.ClientSession:
        """Opened by the first request, for it belongs to the running loop."""
        if self._opened is None:
            connector = aiohttp.TCPConnector(
                resolver=GuardedResolver(self._guard),
                socket_factory=self._guard.open_socket,
                ttl_dns_cache=NAMES_KEPT,
                keepalive_timeout=KEEP_ALIVE,
                limit=self._connections,
                limit_per_host=self._per_host,
                ssl=self._tls or True,
            )
            self._opened = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                auto_decompress=False,
                trust_env=False,
                max_field_size=MAX_URL + 1_000,
            )
        return self._opened


@contextmanager
def translated() -> Iterator[None]:
    """aiohttp's errors as ours, without their texts, in which URLs stand."""
    try:
        yield
    except TimeoutError as error:
        raise RemoteTimeout("the host was not done in time") from error
    except aiohttp.InvalidURL as error:
        raise UrlRefused("the URL cannot be sent") from error
    except (aiohttp.ClientError, OSError) as error:
        raise RemoteUnavailable(f"the host is away: {type(error).__name__}") from error


def sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """Without those that belong to the connection, and without what could be read as two."""
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in OURS_ALONE and _NAME.fullmatch(name) and _VALUE.fullmatch(value)
    }


def demand_success(answer: Answer) -> None:
    """Raises ``RemoteNotFound``, ``RemoteRefused``, ``RemoteUnavailable``."""
    status = answer.status
    if 200 <= status < 300:
        return
    if status in (404, 410):
        raise RemoteNotFound(f"the host answered {status}", status=status)
    if status in LATER or status >= 500:
        raise RemoteUnavailable(f"the host answered {status}", status=status)
    raise RemoteRefused(f"the host answered {status}", status=status)
