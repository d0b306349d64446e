"""Films from strangers' hosts: resumed, bounded, whole or not at all."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Awaitable
from pathlib import Path

import pytest

from adapters.outbound.web import Download, Downloads, Web
from adapters.outbound.web.errors import (
    AddressForbidden,
    RemoteNotFound,
    RemoteRefused,
    RemoteTimeout,
    RemoteTooLarge,
    RemoteUnavailable,
    RemoteUndecodable,
)
from domain.kernel.errors import HomecastError
from tests.support.misbehaving import (
    VIDEO,
    broken_after,
    drip,
    drip_head,
    flood,
    hang,
    in_turn,
    rest,
)
from tests.support.strangers import Asked, Reply, Stranger, answer, redirect


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
