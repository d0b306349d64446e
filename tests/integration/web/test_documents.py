"""Documents from strangers' hosts: limits of size and time, packing, statuses."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable, Sequence

import pytest

from adapters.outbound.web import Documents, Guard, Web
from adapters.outbound.web.errors import (
    RemoteNotFound,
    RemoteRefused,
    RemoteTimeout,
    RemoteTooLarge,
    RemoteUnavailable,
    RemoteUndecodable,
)
from domain.kernel.errors import HomecastError
from tests.support.misbehaving import (
    XML,
    broken_after,
    drip,
    drip_head,
    flood,
    flood_of_nothing,
    hang,
)
from tests.support.strangers import Asked, Reply, Stranger, answer, redirect


async def test_a_document_comes_with_where_it_came_from(
    host: Stranger, documents: Documents
) -> None:
    host.routes["/vast"] = answer(XML, Content_Type="application/xml")
    document = await documents.fetch(host.url("/vast?a=[b]"), {"X-Device-IP": "192.0.2.1"})
    assert (document.body, document.status) == (XML, 200)
    assert document.url == host.url("/vast?a=[b]")
    assert document.content_type == "application/xml"
    assert document.milliseconds > 0
    assert not document.no_ad
    [asked] = host.asked
    assert asked.path == "/vast?a=[b]"
    assert asked.headers["host"] == host.place
    assert asked.headers["x-device-ip"] == "192.0.2.1"
    assert asked.headers["user-agent"] == "homecast"
    assert asked.headers["accept-encoding"] == "gzip, deflate"


async def test_one_connection_carries_many_requests(host: Stranger, documents: Documents) -> None:
    host.routes["/vast"] = answer(XML)
    for _ in range(5):
        await documents.fetch(host.url("/vast"))
    assert (len(host.asked), host.connections) == (5, 1)


async def test_a_kept_connection_that_the_host_has_closed_costs_no_request(
    host: Stranger, documents: Documents
) -> None:
    async def hangs_up(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await answer(XML)(asked, writer)
        writer.close()

    host.routes["/vast"] = hangs_up
    for _ in range(20):
        assert (await documents.fetch(host.url("/vast"))).body == XML
    assert host.connections == 20


async def test_headers_of_the_connection_and_broken_ones_are_not_passed_on(
    host: Stranger, documents: Documents
) -> None:
    host.routes["/vast"] = answer(XML)
    evil = {"Host": "inside", "Transfer-Encoding": "chunked", "X-A": "b\r\nX-C: d", "X B": "c"}
    await documents.fetch(host.url("/vast"), {**evil, "accept-encoding": "br", "X-Fine": "1"})
    headers = host.asked[0].headers
    assert headers["host"] == host.place
    assert headers["x-fine"] == "1"
    assert headers["accept-encoding"] == "gzip, deflate"
    assert not {"transfer-encoding", "x-a", "x-c", "x b"} & headers.keys()


@pytest.mark.parametrize("reply", [answer(status="204 No Content"), answer(b" \r\n")])
async def test_no_ad_is_no_error(host: Stranger, documents: Documents, reply: Reply) -> None:
    host.routes["/vast"] = reply
    assert (await documents.fetch(host.url("/vast"))).no_ad


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(XML)),
        ("X-GZIP", gzip.compress(XML)),
        ("deflate", zlib.compress(XML)),
        ("deflate", raw_deflate(XML)),
        ("identity", XML),
    ],
)
async def test_a_compressed_document_is_unpacked(
    host: Stranger, documents: Documents, encoding: str, packed: bytes
) -> None:
    host.routes["/vast"] = answer(packed, Content_Encoding=encoding)
    assert (await documents.fetch(host.url("/vast"))).body == XML
    document = await documents.fetch(host.url("/vast"), limit_bytes=len(XML))
    assert document.body == XML
    with pytest.raises(RemoteTooLarge):
        await documents.fetch(host.url("/vast"), limit_bytes=len(XML) - 1)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", XML),
        ("gzip", gzip.compress(XML)[:-9]),
        ("deflate", b"\x08" * 50),
        ("br", b"\x0b\x02\x80"),
        ("gzip, gzip", gzip.compress(gzip.compress(XML))),
    ],
)
async def test_what_cannot_be_unpacked_is_undecodable(
    host: Stranger, documents: Documents, encoding: str, body: bytes
) -> None:
    host.routes["/vast"] = answer(body, Content_Encoding=encoding)
    with pytest.raises(RemoteUndecodable):
        await documents.fetch(host.url("/vast"))


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, raw_deflate])
async def test_a_bomb_is_never_unpacked_beyond_the_limit(
    host: Stranger, documents: Documents, pack: Callable[[bytes], bytes]
) -> None:
    bomb = pack(b"\0" * 50_000_000)
    encoding = "gzip" if pack is gzip.compress else "deflate"
    assert len(bomb) < 100_000
    host.routes["/vast"] = answer(bomb, Content_Encoding=encoding)
    with pytest.raises(RemoteTooLarge):
        await documents.fetch(host.url("/vast"))


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"x" * 1_001),
        answer(Content_Length="999999999999"),
        flood,
        flood_of_nothing,
    ],
)
async def test_a_large_answer_is_cut_off(
    host: Stranger, documents: Documents, reply: Reply
) -> None:
    host.routes["/vast"] = reply
    with pytest.raises(RemoteTooLarge):
        await documents.fetch(host.url("/vast"), limit_bytes=1_000)


@pytest.mark.parametrize("reply", [hang, drip, drip_head])
async def test_a_slow_host_gets_no_more_than_the_time_limit(
    host: Stranger, documents: Documents, reply: Reply
) -> None:
    host.routes["/vast"] = reply
    with pytest.raises(RemoteTimeout):
        await documents.fetch(host.url("/vast"), timeout=0.2)


async def test_redirects_share_one_time_limit(host: Stranger, documents: Documents) -> None:
    async def late(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        await redirect("/vast")(asked, writer)

    host.routes["/vast"] = late
    with pytest.raises(RemoteTimeout):
        await documents.fetch(host.url("/vast"), timeout=0.3)
    assert len(host.asked) < 4


async def test_a_name_server_that_never_answers_costs_the_time_limit() -> None:
    async def never(_: str, __: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    web = Web(Guard(lookup=never))
    with pytest.raises(RemoteTimeout):
        await Documents(web).fetch("http://ads.example/", timeout=0.1)
    await web.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("404 Not Found", RemoteNotFound),
        ("410 Gone", RemoteNotFound),
        ("400 Bad Request", RemoteRefused),
        ("403 Forbidden", RemoteRefused),
        ("304 Not Modified", RemoteRefused),
        ("302 Found", RemoteRefused),
        ("408 Request Timeout", RemoteUnavailable),
        ("429 Too Many Requests", RemoteUnavailable),
        ("500 Internal Server Error", RemoteUnavailable),
        ("503 Service Unavailable", RemoteUnavailable),
    ],
)
async def test_each_class_of_status_is_an_error_of_its_own(
    host: Stranger, documents: Documents, status: str, error: type[HomecastError]
) -> None:
    host.routes["/vast"] = answer(status=status)
    with pytest.raises(error) as raised:
        await documents.fetch(host.url("/vast"))
    assert raised.value.extra["status"] == int(status[:3])


@pytest.mark.parametrize("reply", [broken_after(0), broken_after(10)])
async def test_a_host_that_lies_about_its_length_is_away(
    host: Stranger, documents: Documents, reply: Reply
) -> None:
    host.routes["/vast"] = reply
    with pytest.raises(RemoteUnavailable):
        await documents.fetch(host.url("/vast"))


async def test_more_bytes_than_were_said_do_not_reach_the_next_answer(
    host: Stranger, documents: Documents
) -> None:
    more = XML + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    host.routes["/lying"] = answer(more, Content_Length=str(len(XML)))
    host.routes["/vast"] = answer(XML)
    assert (await documents.fetch(host.url("/lying"))).body == XML
    assert (await documents.fetch(host.url("/vast"))).body == XML


async def test_what_is_no_http_is_a_host_that_is_away(host: Stranger, documents: Documents) -> None:
    async def nonsense(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9\r\n\r\n")
        writer.close()

    host.routes["/vast"] = nonsense
    with pytest.raises(RemoteUnavailable) as raised:
        await documents.fetch(host.url("/vast?ifa=viewer-1"))
    assert "viewer-1" not in str(raised.value)
