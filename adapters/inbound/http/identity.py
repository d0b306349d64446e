"""Whose device asks for an ad, told to the broker as VAST says for requests from servers.

VAST 4.x section 1.1.3: ``X-Device-IP``, ``X-Device-User-Agent`` and their likes describe the
device, ``User-Agent`` the server that asks for it. ``X-Forwarded-For`` says the address once more,
for the many brokers that know nothing else. Only these headers are made, none is passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

LONGEST = 1_024
"""Characters of a value; a longer one is left out, for a part of it would mean something else."""
MOST_HOPS = 32
_PRINTABLE = re.compile("[\x20-\x7e]+")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class DeviceIdentity:
    """``trusted``: networks of proxies and ad-stitching servers that may speak for a device
    (``10.0.0.0/8``). Raises ``ValueError`` for what is no network. ``user_agent``: the server's
    own; None passes the device's on, as some brokers want it.
    """

    def __init__(self, trusted: Iterable[str] = (), *, user_agent: str | None = "homecast") -> None:
        self._trusted: Sequence[Network] = [ip_network(one) for one in trusted]
        self._user_agent = user_agent

    def headers(
        self, headers: Mapping[str, str], query: Mapping[str, str], *, peer: str
    ) -> dict[str, str]:
        """``headers``: of the ad request, names in lower case. ``query``: its parameters, where
        ``deviceip`` and ``deviceua`` stand for servers that cannot set headers. ``peer``: the
        address at the other end of the connection.
        """
        agent = first(headers.get("x-device-user-agent"), query.get("deviceua"))
        agent = agent or clean(headers.get("user-agent"))
        address = self.address(headers, query, peer=peer)
        made = {
            "X-Device-IP": address,
            "X-Forwarded-For": address,
            "X-Device-User-Agent": agent,
            "X-Device-Referer": first(headers.get("x-device-referer"), headers.get("referer")),
            "X-Device-Accept-Language": first(
                headers.get("x-device-accept-language"), headers.get("accept-language")
            ),
            "User-Agent": self._user_agent or agent,
        }
        return {name: value for name, value in made.items() if value}

    def address(
        self, headers: Mapping[str, str], query: Mapping[str, str], *, peer: str
    ) -> str | None:
        """The device's. What others say counts only from trusted ones, and the hop nearest to us
        is believed first: a device can write anything to the left of it."""
        nearest = address_of(peer)
        if nearest is None or not self._trusts(nearest):
            return str(nearest) if nearest else None
        said = address_of(headers.get("x-device-ip")) or address_of(query.get("deviceip"))
        hops = headers.get("x-forwarded-for", "").split(",")[-MOST_HOPS:]
        for hop in reversed(hops):
            address = address_of(hop)
            if address is None:
                break
            nearest = address
            if not self._trusts(address):
                return str(address)
        return str(said or nearest)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def first(*values: str | None) -> str | None:
    return next((value for value in map(clean, values) if value), None)


def clean(value: str | None) -> str | None:
    """None for what is too long, or not all printable ASCII."""
    text = (value or "").strip()
    return text if len(text) <= LONGEST and _PRINTABLE.fullmatch(text) else None


def address_of(text: str | None) -> Address | None:
    """IPv4 within IPv6 as IPv4; without a port or a zone."""
    try:
        address = ip_address((text or "").strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address
