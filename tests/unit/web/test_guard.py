"""No address of ours is ever connected to, however it is come by."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.outbound.web import Guard, Web
from adapters.outbound.web.addresses import is_public
from adapters.outbound.web.errors import AddressForbidden, RemoteUnavailable, UrlRefused
from domain.kernel.errors import HomecastError


def words(text: str) -> list[str]:
    return text.split()


FORBIDDEN = words("""
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254
169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.1.1
198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255 :: ::1 ::2 fe80::1 fe80::1%eth0 2606:4700::1%1 febf::1 fec0::1 fc00::1
fd00:ec2::254 fd00:ec2::253 ff02::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1
::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::10.0.0.1 64:ff9b:1::808:808 100::1
2001::1 2001:0:a9fe:a9fe::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::1
2002:a9fe:a9fe::1 2002:a00:1::1 3fff::1 5f00::1 4000::1 localhost 127.1 1.2.3 nonsense
""")
PUBLIC = words("""
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1
169.253.255.255 172.15.255.255 172.32.0.1 192.167.255.255 223.255.255.255 2606:4700::1111
2a00:1450:4001:81b::200e ::ffff:8.8.8.8 64:ff9b::8.8.8.8
""")
ADDRESSES = st.one_of(
    st.sampled_from([one for one in FORBIDDEN + PUBLIC if one[0].isdigit() or ":" in one]),
    st.ip_addresses().map(str),
    st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_public_is_none(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_neighbour_of_what_is_forbidden_is_public(address: str) -> None:
    assert is_public(address)


@given(ADDRESSES)
def test_what_counts_as_public_is_global_to_the_standard_library_too(text: str) -> None:
    if not is_public(text):
        return
    address = ipaddress.ip_address(text)
    inner: Any = getattr(address, "ipv4_mapped", None) or address
    if address in ipaddress.ip_network("64:ff9b::/96"):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    assert inner.is_global
    assert not any((inner.is_multicast, inner.is_reserved, inner.is_unspecified))


class Spy(Guard):
    """Notes the addresses for which a socket was made, and lets none of them connect."""

    def __init__(self, *addresses: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(lookup=self._answer, allowed=allowed)
        self._addresses = addresses
        self.sockets: list[str] = []

    async def _answer(self, host: str, port: int) -> Sequence[str]:
        return self._addresses

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        super().open_socket(info).close()
        self.sockets.append(info[4][0])
        raise OSError("no connection in this test")


async def attempt(guard: Guard, url: str) -> HomecastError:
    web = Web(guard)
    try:
        with pytest.raises(HomecastError) as raised:
            async with web.get(url, {}, limit=5):
                pass
    finally:
        await web.close()
    return raised.value


@given(st.lists(ADDRESSES, min_size=1, max_size=4), st.sampled_from(["http", "https"]))
def test_a_name_with_any_address_that_is_not_public_gets_no_socket(
    addresses: list[str], scheme: str
) -> None:
    spy = Spy(*addresses)
    error = asyncio.run(attempt(spy, f"{scheme}://ads.example/"))
    if all(is_public(one) for one in addresses):
        assert isinstance(error, RemoteUnavailable)
        assert set(spy.sockets) <= set(addresses)
        assert spy.sockets
    else:
        assert isinstance(error, AddressForbidden)
        assert spy.sockets == []


@given(st.ip_addresses(), st.sampled_from(["http", "https"]))
def test_an_address_that_is_not_public_gets_no_socket(address: Any, scheme: str) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    spy = Spy()
    error = asyncio.run(attempt(spy, f"{scheme}://{host}/"))
    assert isinstance(error, RemoteUnavailable if is_public(str(address)) else AddressForbidden)
    assert all(is_public(one) for one in spy.sockets)


@given(st.text(max_size=40), st.sampled_from(["127.0.0.1", "169.254.169.254", "::1"]))
def test_no_text_after_the_scheme_leads_inside(text: str, inside: str) -> None:
    spy = Spy(inside)
    asyncio.run(attempt(spy, f"http://{text}"))
    assert all(is_public(one) for one in spy.sockets)


@pytest.mark.parametrize("url", ["http://ads.example:22/", "https://ads.example:6379/x"])
async def test_other_ports_are_closed(url: str) -> None:
    spy = Spy("8.8.8.8")
    assert isinstance(await attempt(spy, url), UrlRefused)
    assert spy.sockets == []


def test_more_ports_can_be_opened_on_public_addresses_only() -> None:
    guard = Guard(ports=[8443])
    assert guard.check("https://ads.example:8443/").port == 8443
    with pytest.raises(AddressForbidden):
        guard.check("https://10.0.0.1:8443/")


async def test_an_allowed_place_opens_itself_and_nothing_beside_it() -> None:
    guard = Guard(allowed=["127.0.0.1:9000"])
    assert guard.check("http://127.0.0.1:9000/vast").place == "127.0.0.1:9000"
    guard.open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 9000))).close()
    for other in ("http://127.0.0.1/", "http://127.0.0.2:9000/", "http://localhost:9000/"):
        with pytest.raises((AddressForbidden, UrlRefused)):
            guard.check(other)
    with pytest.raises(AddressForbidden):
        guard.open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))


async def test_another_name_for_the_address_of_an_allowed_one_stays_closed() -> None:
    spy = Spy("10.0.0.7", allowed=["broker:80"])
    assert isinstance(await attempt(spy, "http://broker/"), RemoteUnavailable)
    assert spy.sockets == ["10.0.0.7"]
    assert isinstance(await attempt(spy, "http://ads.example/"), AddressForbidden)
    assert spy.sockets == ["10.0.0.7"]


def test_a_misspelled_allowance_is_no_allowance() -> None:
    for wrong in ("127.0.0.1", "http://127.0.0.1:80", "127.1:80", "*:80"):
        with pytest.raises(UrlRefused):
            Guard(allowed=[wrong])
