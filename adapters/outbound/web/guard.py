"""Keeps requests for strangers' URLs out of our own network (server-side request forgery).

A name is resolved once, by the guard; all its addresses are checked, and the connection goes to one
of these: no second look-up could answer differently. The socket itself is made by the guard too,
which looks at the address again, whichever way it came. Host and SNI stay the name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from adapters.outbound.web.addresses import is_public
from adapters.outbound.web.errors import AddressForbidden, UrlRefused
from adapters.outbound.web.urls import Target, parse, place_of

PORTS = frozenset({80, 443})
LOOKUPS_AT_ONCE = 16
"""Threads of their own: a name server that never answers holds up nothing else."""
MAX_ADDRESSES = 16

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a name. Raises ``OSError``."""


class Guard:
    """``allowed``: ``host:port``, exactly as in URLs (``127.0.0.1:9000``), whose addresses may be
    private and whose ports any: brokers of the demonstration and of tests. ``ports``: more open
    ports, on public addresses. Raises ``UrlRefused`` for a misspelled entry.
    """

    def __init__(
        self,
        *,
        allowed: Iterable[str] = (),
        ports: Iterable[int] = (),
        lookup: Lookup | None = None,
    ) -> None:
        self._allowed = frozenset(place_of(one) for one in allowed)
        self._ports = PORTS | frozenset(ports)
        self._lookup: Lookup = lookup or SystemLookup()
        self._opened = {place for place in self._allowed if _is_address(place[0])}

    def check(self, url: str) -> Target:
        """Raises ``UrlRefused``, ``AddressForbidden``."""
        return self.check_target(parse(url))

    def check_target(self, target: Target) -> Target:
        if (target.host, target.port) in self._allowed:
            return target
        if target.port not in self._ports:
            raise UrlRefused("this port is closed")
        if _is_address(target.host) and not is_public(target.host):
            raise AddressForbidden("the address is not public")
        return target

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """One address that is not public spoils the answer. Raises ``AddressForbidden``,
        ``OSError``."""
        addresses = (await self._lookup(host, port))[:MAX_ADDRESSES]
        if not addresses:
            raise OSError("the name has no address")
        if (host, port) in self._allowed:
            self._opened |= {(address, port) for address in addresses}
        elif not all(is_public(address) for address in addresses):
            raise AddressForbidden("the host's address is not public")
        return addresses

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """``info``: as ``getaddrinfo`` gives it. Raises ``AddressForbidden``."""
        family, kind, protocol, _, address = info
        if not is_public(address[0]) and (address[0], address[1]) not in self._opened:
            raise AddressForbidden("the address is not public")
        return socket.socket(family, kind, protocol)

    def close(self) -> None:
        if isinstance(self._lookup, SystemLookup):
            self._lookup.close()


class GuardedResolver(AbstractResolver):
    """The guard, as aiohttp asks it. It is not asked about addresses, only about names."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._guard.resolve(host, port)
        ]

    async def close(self) -> None:
        """The guard is its maker's to close."""


class SystemLookup:
    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="lookup")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, addresses_of, host, port)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def addresses_of(host: str, port: int) -> Sequence[str]:
    """Link-local addresses come with a zone, and are refused with it. Raises ``OSError``."""
    flags = socket.AI_ADDRCONFIG
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@lru_cache(maxsize=1_024)
def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
