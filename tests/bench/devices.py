"""A device that answers every command at once, with as little client as WebSocket allows."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Self

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from adapters.inbound.cli.device_client import connect_token, public_key_of
from adapters.inbound.gateway.protocol import SUBPROTOCOL
from commands.devices.ownership import ClaimDevice, claim_device
from commands.kernel.dispatch import Dispatcher
from domain.devices.capabilities import DeviceKind
from domain.kernel.ids import device_id_of
from domain.kernel.recorded import Context


async def claim(dispatcher: Dispatcher, key: Ed25519PrivateKey, account_id: str) -> None:
    """By the command itself: neither HTTP nor the proof of the key is what is measured."""
    message = ClaimDevice(
        account_id=account_id,
        public_key=public_key_of(key),
        name="Bench",
        kind=DeviceKind.ON_OFF_LIGHT,
    )
    context = Context("bench", "bench", "bench")
    await dispatcher.execute(context, lambda unit: claim_device(unit, message))


async def connected(url: str, token: str) -> ClientConnection:
    """Past the welcome. No pings of its own and no compression: those are the client's choice."""
    connection = await connect(
        url,
        additional_headers={"Authorization": f"Bearer {token}"},
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        compression=None,
        ping_interval=None,
        open_timeout=60,
        proxy=None,
    )
    await connection.recv()
    return connection


class BenchDevice:
    """``arrived``: when each number came, by ``time.perf_counter``.

    ``reports``: with changed state. ``takes``: seconds that it needs for a command.
    """

    def __init__(self, url: str, key: Ed25519PrivateKey) -> None:
        self._url = url
        self._key = key
        self.device_id = device_id_of(public_key_of(key))
        self.arrived: dict[int, float] = {}
        self.reports = False
        self.takes = 0.0

    async def __aenter__(self) -> Self:
        self._socket = await connected(self._url, connect_token(self._key))
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening
        await self._socket.close()

    async def _listen(self) -> None:
        async for data in self._socket:
            message = orjson.loads(data)
            if message["type"] == "command":
                self.arrived[message["number"]] = time.perf_counter()
                await asyncio.sleep(self.takes)
                answer = orjson.dumps(self._result(message["number"]))
                await self._socket.send(answer, text=True)

    def _result(self, number: int) -> dict[str, Any]:
        result = {"type": "result", "number": number, "status": "SUCCEEDED"}
        if self.reports:
            return result | {"state": {"OnOff": {"on_off": number % 2 == 0}}}
        return result
