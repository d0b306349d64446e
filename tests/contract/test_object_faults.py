"""Objects that break off on their way."""

from __future__ import annotations

import asyncio

import pytest

from adapters.outbound.dynamodb.client import AwsConnection
from adapters.outbound.objects.s3 import S3Objects
from domain.kernel.errors import StoreUnavailable

BROKEN_OFF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: text/plain\r\n\r\nthree"


async def test_an_object_that_breaks_off_can_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(BROKEN_OFF)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = AwsConnection("eu-central-1", f"http://127.0.0.1:{port}")
    async with server, connection.s3() as client:
        with pytest.raises(StoreUnavailable):
            await S3Objects(client, "bucket").get("events/a", limit=1000)
