"""Which addresses are on the public internet: IANA's registries of special-purpose addresses.

An own table, because ``ipaddress.is_global`` differs between releases of Python.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_FORBIDDEN_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' NAT, RFC 6598
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local: the metadata of a cloud's machine
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # relays of 6to4, RFC 7526
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_UNICAST_6 = IPv6Network("2000::/3")
_FORBIDDEN_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF's own: Teredo, ORCHID, benchmarks
            "2001:db8::/32",
            "2002::/16",  # 6to4, RFC 7526
            "3fff::/20",
        ),
    )
)
_EMBEDDING_6 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""IPv4-mapped addresses, and NAT64, by which networks with IPv6 alone reach the rest."""


def is_public(text: str) -> bool:
    """False for what is no address, one with a zone included."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_public_4(address)
    return address.scope_id is None and _is_public_6(address)


def _is_public_4(address: IPv4Address) -> bool:
    return not any(address in network for network in _FORBIDDEN_4)


def _is_public_6(address: IPv6Address) -> bool:
    if any(address in network for network in _EMBEDDING_6):
        return _is_public_4(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _UNICAST_6 and not any(address in one for one in _FORBIDDEN_6)
