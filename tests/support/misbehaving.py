"""How hosts misbehave, as replies of a ``Stranger``."""

from __future__ import annotations

import asyncio

from tests.support.strangers import Asked, Reply, answer

XML = b"<VAST version='4.2'/>" * 50
VIDEO = bytes(range(256)) * 2_000


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
