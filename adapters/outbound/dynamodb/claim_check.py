"""The claim check: an event too large to be published whole keeps its data in an object.

Its item has ``ref`` instead of ``data`` and ``sealed``, its CloudEvent ``dataref`` (the documented
extension of CloudEvents): ``s3://<bucket>/events/<stream>/<version>/<commit token>/<sha256>``. No
two commits write the same object, so a lost race overwrites nothing; what it has written stays as
an orphan. The hash is that of the content and is compared on reading.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from adapters.outbound.dynamodb.codec import Item, public_size
from adapters.outbound.objects.ports import Objects
from domain.kernel.errors import ContractError, TooLarge

MAX_PUBLIC_BYTES = 64 * 1024
"""Of an event's CloudEvent: a batch of ten has to fit SNS, and a message a device."""
MAX_EVENT_BYTES = 1024 * 1024
"""Of an event with its data, wherever that is."""
AT_ONCE = 8


class ClaimCheck:
    """``bucket``: the only one that is written to, and that references may name."""

    def __init__(self, objects: Objects, bucket: str) -> None:
        self._objects = objects
        self._root = f"s3://{bucket}/"

    def split(self, items: Sequence[Item]) -> tuple[list[Item], dict[str, bytes]]:
        """The items as they are stored, and the objects that have to be there before them.

        Raises ``TooLarge``. Items without a time have no public form and stay as they are.
        """
        stored: list[Item] = []
        objects: dict[str, bytes] = {}
        for item in items:
            size = public_size(item) if "time" in item else 0
            if size > MAX_EVENT_BYTES:
                raise TooLarge(f"an event is over {MAX_EVENT_BYTES} bytes", type=item["type"]["S"])
            if size > MAX_PUBLIC_BYTES:
                content = _content(item)
                key = f"{_folder(item)}{item['token']['S']}/{hashlib.sha256(content).hexdigest()}"
                objects[key] = content
                item = _without_data(item) | {"ref": {"S": f"{self._root}{key}"}}
            stored.append(item)
        return stored, objects

    async def deposit(self, objects: Mapping[str, bytes]) -> None:
        """Raises ``StoreUnavailable``."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def put(key: str, content: bytes) -> None:
            async with slots:
                await self._objects.put(key, content)

        await asyncio.gather(*(put(key, content) for key, content in objects.items()))

    async def whole_item(self, item: Item) -> Item:
        """Raises ``ContractError`` for a reference that does not lead to this event's data."""
        try:
            ref, folder = item["ref"]["S"], _folder(item)
        except (KeyError, TypeError) as error:
            raise ContractError("an item of the event store is not an event") from error
        content = await self._fetched(ref, folder)
        whole = {**item, "data": {"S": orjson.dumps(content["data"]).decode()}}
        if "sealed" in content:
            whole["sealed"] = {"S": content["sealed"]}
        return whole

    async def whole_cloud_event(self, cloud_event: Mapping[str, Any]) -> dict[str, Any]:
        """As above."""
        ref = cloud_event["dataref"]
        folder = f"events/{cloud_event.get('subject')}/{cloud_event.get('sequence')}/"
        return {**cloud_event, **await self._fetched(ref, folder)}

    async def _fetched(self, ref: Any, folder: str) -> dict[str, Any]:
        if not isinstance(ref, str) or not ref.startswith(f"{self._root}{folder}"):
            raise ContractError("a reference leads to another event or bucket")
        key = ref.removeprefix(self._root)
        content = await self._objects.get(key, limit=MAX_EVENT_BYTES)
        if content is None or hashlib.sha256(content).hexdigest() != key.rpartition("/")[2]:
            raise ContractError("what a reference leads to is missing or was changed")
        fields: dict[str, Any] = orjson.loads(content)
        return fields


def require_small(items: Sequence[Item]) -> None:
    """For who has no objects. Raises ``TooLarge``."""
    for item in items:
        if "time" in item and public_size(item) > MAX_PUBLIC_BYTES:
            raise TooLarge(f"an event is over {MAX_PUBLIC_BYTES} bytes", type=item["type"]["S"])


def _folder(item: Item) -> str:
    return f"events/{item['stream']['S']}/{item['version']['N']}/"


def _content(item: Item) -> bytes:
    content: dict[str, Any] = {"data": orjson.Fragment(item["data"]["S"])}
    if "sealed" in item:
        content["sealed"] = item["sealed"]["S"]
    return orjson.dumps(content)


def _without_data(item: Item) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in ("data", "sealed")}
