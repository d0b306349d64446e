"""Devices that only connect, in a process of their own: their memory is not the gateway's.

Argument: the gateway's address. First line of the input: the devices' keys (hex, space between).
Then each line is a number: connect so many more, and print one JSON line about it. At the end of
the input all connections are closed.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time

import orjson
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection

from adapters.inbound.cli.device_client import connect_token
from tests.bench.devices import connected
from tests.bench.processes import cpu_seconds

AT_ONCE = 48


async def main(url: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    keys = (await line()).split()
    tokens = [connect_token(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(k))) for k in keys]
    opened: list[ClientConnection] = []
    print("ready", flush=True)
    while asked := await line():
        began, cpu = time.perf_counter(), cpu_seconds(os.getpid())
        some, tokens = tokens[: int(asked)], tokens[int(asked) :]
        opened += await connect_all(url, some)
        seconds, spent = time.perf_counter() - began, cpu_seconds(os.getpid()) - cpu
        print(orjson.dumps({"seconds": seconds, "cpu": spent}).decode(), flush=True)
    await asyncio.gather(*(one.close() for one in opened), return_exceptions=True)


async def line() -> str:
    text: str = await asyncio.to_thread(sys.stdin.readline)
    return text.strip()


async def connect_all(url: str, tokens: list[str]) -> list[ClientConnection]:
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(token: str) -> ClientConnection:
        async with limit:
            return await connected(url, token)

    return list(await asyncio.gather(*(one(token) for token in tokens)))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
