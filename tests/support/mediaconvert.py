"""MediaConvert's REST API on a port of this machine, in the shapes of its reference."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from tests.support.aws_wire import Message, read_message

VERSION = "/2017-08-29"
CREATED = 1_795_341_600


@dataclass(frozen=True)
class Refusal:
    status: int
    code: str
    message: str = "planted by the test"


@dataclass
class FakeMediaConvert:
    """``planted``: what the next calls are refused by; ``silent``: it hangs up instead. Tokens are
    not looked at, as the service does after a minute."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    searches: list[dict[str, str]] = field(default_factory=list)
    planted: deque[Refusal] = field(default_factory=deque)
    silent: bool = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await read_message(reader):
                if self.silent:
                    break
                writer.write(self._answer(request).encoded())
                await writer.drain()
        finally:
            writer.close()

    def _answer(self, request: Message) -> Message:
        method, target, _ = request.start.decode().split(" ", 2)
        url = urlsplit(target)
        path = unquote(url.path).removeprefix(VERSION)
        self.calls.append(f"{method} {path.split('/')[1]}")
        if self.planted:
            return refused(self.planted.popleft())
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if (method, path) == ("POST", "/jobs"):
            return answered(201, {"job": self._created(request.json())})
        if (method, path) == ("GET", "/search"):
            return answered(200, self._found(query))
        return self._one(method, path.rpartition("/")[2])

    def _created(self, wanted: dict[str, Any]) -> dict[str, Any]:
        job_id = f"{CREATED}-job{len(self.jobs)}"
        job = {
            **wanted,
            "id": job_id,
            "status": "SUBMITTED",
            "createdAt": CREATED + len(self.jobs),
            "timing": {"submitTime": CREATED},
        }
        self.jobs[job_id] = job
        return job

    def _found(self, query: dict[str, str]) -> dict[str, Any]:
        """Twenty at most, the newest first."""
        self.searches.append(query)
        size, start = int(query["maxResults"]), int(query.get("nextToken", 0))
        assert 1 <= size <= 20
        matching = [
            job
            for job in reversed(self.jobs.values())
            if query["inputFile"] in job["settings"]["inputs"][0]["fileInput"]
        ]
        page: dict[str, Any] = {"jobs": matching[start : start + size]}
        if start + size < len(matching):
            page["nextToken"] = str(start + size)
        return page

    def _one(self, method: str, job_id: str) -> Message:
        job = self.jobs.get(job_id)
        if job is None:
            return refused(Refusal(404, "NotFoundException"))
        if method == "GET":
            return answered(200, {"job": job})
        if job["status"] not in ("SUBMITTED", "PROGRESSING"):
            return refused(Refusal(409, "ConflictException"))
        job["status"] = "CANCELED"
        return answered(202, {})


def answered(status: int, body: dict[str, Any]) -> Message:
    headers = {b"content-type": b"application/json"}
    return Message(b"HTTP/1.1 %d Said" % status, headers, orjson.dumps(body))


def refused(refusal: Refusal) -> Message:
    answer = answered(refusal.status, {"message": refusal.message})
    answer.headers[b"x-amzn-errortype"] = refusal.code.encode()
    return answer
