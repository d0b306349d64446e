"""Requests to strangers' hosts, over real sockets on this machine."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.inbound.workers.ports import Delivery
from adapters.outbound.system.clock import SystemClock
from adapters.outbound.web import Documents, Download, Downloads, Guard, Web
from adapters.outbound.web.errors import (
    AddressForbidden,
    RedirectRefused,
    RemoteNotFound,
    RemoteRefused,
    RemoteTimeout,
    RemoteTooLarge,
    RemoteUnavailable,
    RemoteUndecodable,
    UrlRefused,
)
from adapters.outbound.web.pixels import Pixels
from commands.kernel.policy import Effect
from commands.media.pixels import AT_MOST, error_pixels
from domain.kernel.errors import HomecastError
from tests.support.strangers import Asked, Reply, Stranger, answer, redirect
from tests.support.tls import certificate

XML = b"<VAST version='4.2'/>" * 50
VIDEO = bytes(range(256)) * 2_000


@pytest.fixture
async def host() -> AsyncIterator[Stranger]:
    async with Stranger() as host:
        yield host


@pytest.fixture
async def web(host: Stranger) -> AsyncIterator[Web]:
    web = Web(Guard(allowed=[host.place]))
    yield web
    await web.close()


@pytest.fixture
def documents(web: Web) -> Documents:
    return Documents(web)


@pytest.fixture
def downloads(web: Web, tmp_path: Path) -> Downloads:
    return Downloads(web, directory=tmp_path, limit_bytes=len(VIDEO), pause=0.001)


async def hang(_: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drip(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def drip_head(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def flood(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


async def flood_of_nothing(_: Asked, writer: asyncio.StreamWriter) -> None:
    """Empty blocks of deflate, which never come to anything."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    while True:
        writer.write(b"500\r\n" + b"\0\0\0\xff\xff" * 0x100 + b"\r\n")
        await writer.drain()


def broken_after(count: int, body: bytes = VIDEO, **headers: str) -> Reply:
    """Says the whole length, sends so many bytes, and hangs up."""

    async def reply(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await answer(body[:count], Content_Length=str(len(body)), **headers)(asked, writer)
        await writer.drain()
        writer.close()

    return reply


def in_turn(*replies: Reply) -> Reply:
    """The last one for ever."""
    left = list(replies)

    async def reply(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(asked, writer)

    return reply


def rest(start: int, body: bytes = VIDEO, **headers: str) -> Reply:
    said = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}", "ETag": '"v1"'}
    return answer(body[start:], "206 Partial Content", **(said | headers))


# --- documents


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


# --- redirects and addresses


async def test_redirects_are_followed_to_the_fifth(host: Stranger, documents: Documents) -> None:
    for step in range(6):
        host.routes[f"/{step}"] = redirect(f"/{step + 1}")
    host.routes["/6"] = answer(XML)
    assert (await documents.fetch(host.url("/1"))).url == host.url("/6")
    with pytest.raises(RedirectRefused):
        await documents.fetch(host.url("/0"))


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("http://127.0.0.1/", AddressForbidden),
        ("http://169.254.169.254/latest/meta-data/", AddressForbidden),
        ("http://[fd00:ec2::254]/latest/meta-data/", AddressForbidden),
        ("http://[::ffff:169.254.169.254]/", AddressForbidden),
        ("http://[::1]/", AddressForbidden),
        ("//10.0.0.1/", AddressForbidden),
        ("http://localhost/", AddressForbidden),
        ("http://127.1/", UrlRefused),
        ("http://127.0.0.1:6379/", UrlRefused),
        ("http://user@ads.example/", UrlRefused),
        ("file:///etc/passwd", UrlRefused),
        ("http://ads.example/" + "a" * 25_000, UrlRefused),
    ],
)
async def test_a_redirect_inside_is_refused(
    host: Stranger, documents: Documents, location: str, error: type[HomecastError]
) -> None:
    host.routes["/vast"] = redirect(location)
    with pytest.raises(error):
        await documents.fetch(host.url("/vast"))


async def test_credentials_do_not_follow_a_redirect_to_another_host(host: Stranger) -> None:
    async with Stranger() as other:
        web = Web(Guard(allowed=[host.place, other.place]))
        host.routes["/a"] = redirect("/b")
        host.routes["/b"] = redirect(other.url("/c"))
        other.routes["/c"] = answer(XML)
        headers = {"Authorization": "Bearer x", "X-Device-IP": "192.0.2.1"}
        await Documents(web).fetch(host.url("/a"), headers)
        await web.close()
    assert [asked.headers.get("authorization") for asked in host.asked] == ["Bearer x"] * 2
    assert "authorization" not in other.asked[0].headers
    assert other.asked[0].headers["x-device-ip"] == "192.0.2.1"


async def test_cookies_are_not_kept(host: Stranger, documents: Documents) -> None:
    host.routes["/vast"] = answer(XML, Set_Cookie="id=1; Path=/")
    await documents.fetch(host.url("/vast"))
    await documents.fetch(host.url("/vast"))
    assert "cookie" not in host.asked[1].headers


async def test_proxies_of_the_environment_are_ignored(
    host: Stranger, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    host.routes["/vast"] = answer(XML)
    assert (await documents.fetch(host.url("/vast"))).body == XML


class Rebinding:
    """A name server that says something public first, and this machine from then on."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return [self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]]


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """RFC 5737 and others leave no public address that surely answers: what is looked at is where
    the socket is made for."""
    made: list[Any] = []

    class Watched(Guard):
        def open_socket(self, info: tuple[Any, ...]) -> Any:
            made.append(info[4])
            super().open_socket(info).close()
            raise OSError("not connected in this test")

    lookup = Rebinding("8.8.8.8", "127.0.0.1")
    web = Web(Watched(lookup=lookup))
    with pytest.raises(RemoteUnavailable):
        await Documents(web).fetch("http://ads.example/")
    assert (lookup.asked, made) == (1, [("8.8.8.8", 80)])
    await web.close()


async def test_a_name_that_turns_inside_is_refused_at_its_next_connection() -> None:
    lookup = Rebinding("127.0.0.1")
    web = Web(Guard(lookup=lookup))
    for _ in range(2):
        with pytest.raises(AddressForbidden):
            await Documents(web).fetch("http://ads.example/")
    assert lookup.asked == 2
    await web.close()


async def test_many_requests_at_once_for_a_forbidden_name_all_fail() -> None:
    web = Web(Guard(lookup=Rebinding("10.0.0.1")))
    documents = Documents(web)
    fetches = [documents.fetch("http://ads.example/") for _ in range(20)]
    results = await asyncio.gather(*fetches, return_exceptions=True)
    assert all(isinstance(result, AddressForbidden) for result in results)
    await web.close()


# --- TLS


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return certificate(tmp_path_factory.mktemp("tls"), "ads.example")


async def test_host_and_sni_stay_the_name(tls: tuple[ssl.SSLContext, Path]) -> None:
    context, trusted = tls
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    async with Stranger(context) as host:
        host.routes["/vast"] = answer(XML)
        place = f"ads.example:{host.port}"
        guard = Guard(allowed=[place], lookup=Rebinding("127.0.0.1"))
        web = Web(guard, tls=ssl.create_default_context(cafile=trusted))
        assert (await Documents(web).fetch(f"https://{place}/vast")).body == XML
        await web.close()
    assert names == ["ads.example"]
    assert host.asked[0].headers["host"] == place


async def test_a_certificate_for_another_name_is_not_taken(
    tls: tuple[ssl.SSLContext, Path],
) -> None:
    context, trusted = tls
    context.sni_callback = None
    async with Stranger(context) as host:
        guard = Guard(allowed=[host.place])
        web = Web(guard, tls=ssl.create_default_context(cafile=trusted))
        with pytest.raises(RemoteUnavailable):
            await Documents(web).fetch(host.url("/vast"))
        await web.close()
    assert host.asked == []


@pytest.mark.parametrize("downgrade", [False, True])
async def test_a_redirect_from_https_to_http_is_followed_where_it_may(
    host: Stranger, tls: tuple[ssl.SSLContext, Path], downgrade: bool
) -> None:
    context, trusted = tls
    context.sni_callback = None
    async with Stranger(context) as secure:
        secure.routes["/vast"] = redirect(host.url("/vast"))
        host.routes["/vast"] = answer(XML)
        place = f"ads.example:{secure.port}"
        guard = Guard(allowed=[place, host.place], lookup=Rebinding("127.0.0.1"))
        web = Web(guard, tls=ssl.create_default_context(cafile=trusted))
        fetching = Documents(web, downgrade=downgrade).fetch(f"https://{place}/vast")
        if downgrade:
            assert (await fetching).url == host.url("/vast")
        else:
            with pytest.raises(RedirectRefused):
                await fetching
        await web.close()


# --- downloads


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def whole(download: Download, folder: Path) -> None:
    assert download.path.read_bytes() == VIDEO
    assert download.sha256 == hashlib.sha256(VIDEO).hexdigest()
    assert download.size == len(VIDEO)
    assert files(folder) == [download.path]


async def failed(fetching: Awaitable[Download], folder: Path) -> HomecastError:
    with pytest.raises(HomecastError) as raised:
        await fetching
    assert files(folder) == []
    return raised.value


async def test_a_media_file_comes_whole(
    host: Stranger, downloads: Downloads, tmp_path: Path
) -> None:
    host.routes["/a.mp4"] = redirect("/b.mp4")
    host.routes["/b.mp4"] = answer(VIDEO, Content_Type="video/mp4", ETag='"v1"')
    download = await downloads.fetch(host.url("/a.mp4"))
    whole(download, tmp_path)
    assert download.content_type == "video/mp4"
    assert download.etag == '"v1"'
    assert download.final_url == host.url("/b.mp4")
    assert host.asked[1].headers["accept-encoding"] == "identity"


async def test_a_broken_download_goes_on_where_it_broke_off(
    host: Stranger, downloads: Downloads, tmp_path: Path
) -> None:
    host.routes["/a.mp4"] = in_turn(broken_after(1_000, ETag='"v1"'), rest(1_000))
    whole(await downloads.fetch(host.url("/a.mp4")), tmp_path)
    assert host.asked[1].headers["range"] == "bytes=1000-"
    assert host.asked[1].headers["if-range"] == '"v1"'


async def test_a_file_that_changed_meanwhile_is_begun_anew(
    host: Stranger, downloads: Downloads, tmp_path: Path
) -> None:
    host.routes["/a.mp4"] = in_turn(
        broken_after(1_000, b"\xff" * 5_000, ETag='"v0"'), answer(VIDEO, ETag='"v1"')
    )
    download = await downloads.fetch(host.url("/a.mp4"))
    whole(download, tmp_path)
    assert download.etag == '"v1"'


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"v1"'}])
async def test_without_a_strong_validator_all_is_asked_for_again(
    host: Stranger, downloads: Downloads, tmp_path: Path, headers: dict[str, str]
) -> None:
    host.routes["/a.mp4"] = in_turn(broken_after(1_000, VIDEO, **headers), answer(VIDEO))
    whole(await downloads.fetch(host.url("/a.mp4")), tmp_path)
    assert "range" not in host.asked[1].headers


async def test_a_stall_is_a_broken_connection(host: Stranger, web: Web, tmp_path: Path) -> None:
    async def stalls(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await answer(VIDEO[:1_000], Content_Length=str(len(VIDEO)), ETag='"v1"')(asked, writer)
        await hang(asked, writer)

    host.routes["/a.mp4"] = in_turn(stalls, rest(1_000))
    downloads = Downloads(web, directory=tmp_path, stall_limit=1.0, pause=0.001)
    whole(await downloads.fetch(host.url("/a.mp4")), tmp_path)


async def test_a_rest_that_ends_early_is_gone_on_with(
    host: Stranger, downloads: Downloads, tmp_path: Path
) -> None:
    half = f"bytes 1000-1999/{len(VIDEO)}"
    part = answer(VIDEO[1_000:2_000], "206 Partial Content", Content_Range=half, ETag='"v1"')
    host.routes["/a.mp4"] = in_turn(broken_after(1_000, ETag='"v1"'), part, rest(2_000))
    whole(await downloads.fetch(host.url("/a.mp4")), tmp_path)


async def test_a_download_is_resumed_so_often_and_no_more(
    host: Stranger, downloads: Downloads, tmp_path: Path
) -> None:
    host.routes["/a.mp4"] = broken_after(1_000)
    error = await failed(downloads.fetch(host.url("/a.mp4")), tmp_path)
    assert isinstance(error, RemoteUnavailable)
    assert (error.extra["vast_code"], error.retryable) == (405, True)
    assert len(host.asked) == 4


@pytest.mark.parametrize(
    "second",
    [
        rest(999),
        rest(1_000, ETag='"v2"'),
        rest(1_000, Content_Range="nonsense"),
        rest(1_000, Content_Range="bytes */5"),
    ],
)
async def test_another_part_than_was_asked_for_is_not_taken(
    host: Stranger, downloads: Downloads, tmp_path: Path, second: Reply
) -> None:
    host.routes["/a.mp4"] = in_turn(broken_after(1_000, ETag='"v1"'), second)
    error = await failed(downloads.fetch(host.url("/a.mp4")), tmp_path)
    assert isinstance(error, RemoteUndecodable)


@pytest.mark.parametrize(
    ("reply", "error", "code", "retryable"),
    [
        (answer(status="404 Not Found"), RemoteNotFound, 401, False),
        (answer(status="403 Forbidden"), RemoteRefused, 405, False),
        (answer(status="503 Service Unavailable"), RemoteUnavailable, 405, True),
        (answer(VIDEO + b"x"), RemoteTooLarge, 405, False),
        (answer(Content_Length="999999999999"), RemoteTooLarge, 405, False),
        (flood, RemoteTooLarge, 405, False),
        (answer(b""), RemoteUndecodable, 405, False),
        (answer(gzip.compress(VIDEO), Content_Encoding="gzip"), RemoteUndecodable, 405, False),
        (rest(0), RemoteUndecodable, 405, False),
        (redirect("http://169.254.169.254/"), AddressForbidden, 405, False),
    ],
)
async def test_what_cannot_be_fetched_says_which_code_to_report(
    host: Stranger,
    downloads: Downloads,
    tmp_path: Path,
    reply: Reply,
    error: type[HomecastError],
    code: int,
    retryable: bool,
) -> None:
    host.routes["/a.mp4"] = reply
    raised = await failed(downloads.fetch(host.url("/a.mp4")), tmp_path)
    assert isinstance(raised, error)
    assert (raised.extra["vast_code"], raised.retryable) == (code, retryable)


@pytest.mark.parametrize("reply", [hang, drip, drip_head])
async def test_a_file_that_does_not_come_in_time_is_a_timeout(
    host: Stranger, web: Web, tmp_path: Path, reply: Reply
) -> None:
    host.routes["/a.mp4"] = reply
    downloads = Downloads(web, directory=tmp_path, time_limit=0.3)
    error = await failed(downloads.fetch(host.url("/a.mp4")), tmp_path)
    assert isinstance(error, RemoteTimeout)
    assert (error.extra["vast_code"], error.retryable) == (402, True)


async def test_a_cancelled_download_leaves_no_file(
    host: Stranger, downloads: Downloads, tmp_path: Path
) -> None:
    begun = asyncio.Event()

    async def begins(asked: Asked, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await drip(asked, writer)

    host.routes["/a.mp4"] = begins
    task = asyncio.create_task(downloads.fetch(host.url("/a.mp4")))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(tmp_path) == []


# --- pixels


def pixel(body: dict[str, Any]) -> Effect:
    return Effect("p1", "pixel", body, "c", "m")


@pytest.fixture
def pixels(web: Web) -> Pixels:
    return Pixels(web, clock=SystemClock(), time_limit=2.0)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (answer(b"GIF89a", Content_Type="image/gif"), "delivered"),
        (answer(status="204 No Content"), "delivered"),
        (answer(status="304 Not Modified"), "delivered"),
        (answer(status="302 Found"), "delivered"),
        (drip, "delivered"),
        (flood, "delivered"),
        (answer(status="404 Not Found"), "given_up"),
        (answer(status="410 Gone"), "given_up"),
        (answer(status="408 Request Timeout"), "retry"),
        (answer(status="425 Too Early"), "retry"),
        (answer(status="500 Internal Server Error"), "retry"),
        (redirect("http://169.254.169.254/"), "given_up"),
        (redirect("/pixel"), "given_up"),
        (drip_head, "retry"),
        (broken_after(0, b""), "delivered"),
    ],
)
async def test_a_pixel_is_delivered_retried_or_given_up(
    host: Stranger, pixels: Pixels, reply: Reply, outcome: str
) -> None:
    host.routes["/pixel"] = reply
    delivery = await pixels.deliver(pixel({"url": host.url("/pixel?ifa=viewer-1")}))
    assert delivery.outcome == outcome
    assert "viewer-1" not in delivery.detail


async def test_a_tracker_may_say_when_to_come_back(host: Stranger, pixels: Pixels) -> None:
    host.routes["/pixel"] = answer(status="429 Too Many Requests", Retry_After="7")
    delivery = await pixels.deliver(pixel({"url": host.url("/pixel")}))
    assert delivery == Delivery("retry", "HTTP 429", after=7.0)


async def test_a_tracker_that_is_away_is_tried_again(host: Stranger, pixels: Pixels) -> None:
    url = host.url("/pixel")
    host._server.close()
    await host._server.wait_closed()
    assert (await pixels.deliver(pixel({"url": url}))).outcome == "retry"


@pytest.mark.parametrize("body", [{}, {"url": 5}, {"url": "http://127.1/"}, {"url": "nonsense"}])
async def test_a_pixel_that_leads_nowhere_is_given_up(pixels: Pixels, body: dict[str, Any]) -> None:
    assert (await pixels.deliver(pixel(body))).outcome == "given_up"


async def test_a_trackers_connection_is_used_again(host: Stranger, pixels: Pixels) -> None:
    host.routes["/pixel"] = answer(b"GIF89a")
    for effect in error_pixels(
        407,
        [host.url(f"/pixel?{n}") for n in range(3)],
        cause="ad-1",
        correlation_id="c",
        headers={"User-Agent": "TV/1.0"},
    ):
        assert (await pixels.deliver(effect)).outcome == "delivered"
    assert [asked.path for asked in host.asked] == ["/pixel?0", "/pixel?1", "/pixel?2"]
    assert host.asked[0].headers["user-agent"] == "TV/1.0"
    assert host.connections == 1


def test_error_pixels_have_the_same_ids_each_time_and_no_doubles() -> None:
    urls = ["http://a/", "http://b/", "http://a/"]
    first = error_pixels(407, urls, cause="ad-1", correlation_id="c")
    assert [one.body["url"] for one in first] == ["http://a/", "http://b/"]
    assert first == error_pixels(407, urls, cause="ad-1", correlation_id="c")
    other = error_pixels(302, urls, cause="ad-1", correlation_id="c")
    assert not {one.id for one in first} & {one.id for one in other}
    many = error_pixels(407, map(str, range(1_000)), cause="ad-1", correlation_id="c")
    assert len(many) == AT_MOST
