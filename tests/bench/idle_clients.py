"""Devices that only connect, in a process of their own: their memory is not the gateway's.

Argument: the gateway's address. First line of the input: the devices' keys (hex, space between).
Then each line is a number: connect so many more, in ``LIMIT`` seconds at most, and print one JSON
line about it. At the end of the input all connections are closed.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time

import orjson
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection

from adapters.inbound.cli.device_client import connect_token
from tests.bench.devices import connected

AT_ONCE = 48
LIMIT = 100.0


async def main(url: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    keys = (await line()).split()
    tokens = [connect_token(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(k))) for k in keys]
    opened: list[ClientConnection] = []
    print("ready", flush=True)
    while asked := await line():
        began = time.perf_counter()
        some, tokens = tokens[: int(asked)], tokens[int(asked) :]
        new = await connect_all(url, some, until=began + LIMIT)
        opened += new
        told = {"count": len(new), "seconds": time.perf_counter() - began}
        print(orjson.dumps(told).decode(), flush=True)
    await asyncio.gather(*(one.close() for one in opened), return_exceptions=True)


async def line() -> str:
    text: str = await asyncio.to_thread(sys.stdin.readline)
    return text.strip()


async def connect_all(url: str, tokens: list[str], *, until: float) -> list[ClientConnection]:
    opened: list[ClientConnection] = []
    waiting = iter(tokens)

    async def some() -> None:
        for token in waiting:
            if time.perf_counter() >= until:
                return
            opened.append(await connected(url, token))

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return opened


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
