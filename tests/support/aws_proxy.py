"""Stands between the processes and the AWS engine: counts what passes, and makes it go wrong.

``async with AwsProxy(engine_url) as proxy`` listens on a free loopback port, ``proxy.url``; that is
the endpoint to give the processes. ``proxy.calls`` counts by (service, operation); so do
``request_bytes``, ``entries`` (messages or items: a batch counts each) and ``refused`` (calls that
were answered with an error). ``proxy.capacity`` holds DynamoDB's units by table and index
(``capacity.py``). ``proxy.faults`` may be changed at any time; ``proxy.done`` counts what they did.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.aws_wire import (
    HEAD_LIMIT,
    Call,
    Message,
    call_of,
    entries_of,
    read_message,
)
from tests.support.capacity import Capacity, Meter, Table
from tests.support.faults import Faults, Mischief

LOOPBACK = "127.0.0.1"
LINKS_AT_ONCE = 256
BROKEN = (ConnectionError, asyncio.IncompleteReadError)


class Upstream:
    """One client connection's own connection to the engine, opened when needed."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: Message) -> Message:
        """A connection that the engine closed while idle is replaced, once."""
        request.headers[b"host"] = f"{self._host}:{self._port}".encode()
        reused = self._streams is not None
        try:
            answer = await self._exchange(request)
        except BROKEN:
            self.close()
            if not reused:
                raise
            answer = await self._exchange(request)
        if answer.closes:
            self.close()
        return answer

    async def _exchange(self, request: Message) -> Message:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=HEAD_LIMIT)
        reader, writer = self._streams
        writer.write(request.encoded())
        await writer.drain()
        answer = await read_message(reader)
        if answer is None:
            raise ConnectionResetError("the engine closed the connection")
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class AwsProxy:
    """``metered``: work out capacity units, which costs a look into each DynamoDB call."""

    def __init__(
        self, upstream: str, *, faults: Faults | None = None, metered: bool = True, port: int = 0
    ) -> None:
        parts = urlsplit(upstream)
        self._host, self._port = parts.hostname or LOOPBACK, parts.port or 80
        self._listen = port
        self._metered = metered
        self._meter = Meter()
        self._mischief = Mischief(faults or Faults())
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.request_bytes: Counter[tuple[str, str]] = Counter()
        self.entries: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()

    @property
    def url(self) -> str:
        assert self._server is not None, "not started"
        return f"http://{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"

    @property
    def capacity(self) -> Capacity:
        return self._meter.capacity

    @property
    def faults(self) -> Faults:
        return self._mischief.faults

    @property
    def done(self) -> Counter[str]:
        return self._mischief.done

    def reset(self) -> None:
        """Count from nought; items and messages already seen stay known."""
        for counter in (self.calls, self.request_bytes, self.entries, self.refused, self.done):
            counter.clear()
        self._meter.reset()

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, LOOPBACK, self._listen, limit=HEAD_LIMIT, backlog=LINKS_AT_ONCE
        )

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        upstream = Upstream(self._host, self._port)
        try:
            with contextlib.suppress(*BROKEN, asyncio.CancelledError):
                await self._answer_all(reader, writer, upstream)
        finally:
            self._links.discard(task)
            upstream.close()
            writer.close()

    async def _answer_all(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: Upstream
    ) -> None:
        while (request := await read_message(reader)) is not None:
            answer = await self._pass(request, upstream)
            writer.write(answer.encoded())
            await writer.drain()
            if request.closes:
                return

    async def _pass(self, request: Message, upstream: Upstream) -> Message:
        call = call_of(request)
        place = (call.service, call.operation)
        self.calls[place] += 1
        self.request_bytes[place] += len(request.body)

        async def send(changed: Message) -> Message:
            if call.service == "dynamodb" and self._metered:
                return await self._metered_send(call, changed, upstream)
            return await upstream.send(changed)

        if self.faults.any:
            answer = await self._mischief.carry_out(call, request, send)
        else:
            answer = await send(request)
        if answer.ok:
            self.entries[place] += entries_of(call, request, answer)
        else:
            self.refused[place] += 1
        return answer

    async def _metered_send(self, call: Call, request: Message, upstream: Upstream) -> Message:
        body = request.json()
        for name in _tables_of(body):
            if name not in self._meter.tables:
                await self._look_at_table(name, request, upstream)
        asks_for_image = call.operation == "UpdateItem" and _answers_nothing(body)
        if asks_for_image:
            request = request.with_json(body | {"ReturnValues": "ALL_NEW"})
        answer = await upstream.send(request)
        said = answer.json()
        self._meter.call(call.operation, body, said, ok=answer.ok)
        if asks_for_image and answer.ok:
            said.pop("Attributes", None)
            return answer.with_json(said)
        return answer

    async def _look_at_table(self, name: str, request: Message, upstream: Upstream) -> None:
        """Its keys and indexes; not counted as a call."""
        look = request.with_json({"TableName": name})
        look.headers[b"x-amz-target"] = b"DynamoDB_20120810.DescribeTable"
        answer = await upstream.send(look)
        if answer.ok and name not in self._meter.tables:
            self._meter.add_table(Table.described(answer.json()["Table"]))


def _answers_nothing(body: dict[str, Any]) -> bool:
    return bool(body.get("ReturnValues", "NONE") == "NONE")


def _tables_of(body: dict[str, Any]) -> set[str]:
    """Those that the call writes to."""
    actions = [one for action in body.get("TransactItems", ()) for one in action.values()]
    named = {one["TableName"] for one in (body, *actions) if "TableName" in one}
    return named | set(body.get("RequestItems", ()))
