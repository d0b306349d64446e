"""eventsourcing's recorder over the same table and the same writes, for synchronous programs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

import orjson
from eventsourcing.persistence import (
    AggregateRecorder,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
)

from adapters.outbound.dynamodb.batch import MAX_ACTIONS, Batch, check_sizes
from adapters.outbound.dynamodb.claim_check import require_small
from adapters.outbound.dynamodb.codec import Item
from adapters.outbound.dynamodb.commits import Commits
from adapters.outbound.dynamodb.streams import stream_items
from domain.kernel.errors import TooLarge, Unavailable, VersionConflict

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

T = TypeVar("T")
OpenClient = Callable[[], "AbstractAsyncContextManager[DynamoDBClient]"]
PRINCIPAL = "recorder"


class DynamoDbRecorder(AggregateRecorder):
    """Call ``close`` when done. The coroutines run on a loop in a thread of its own.

    What ``mapper.PydanticMapper`` made becomes an item as the event store writes it; any other
    state is kept as it is, and is no event to the event store.
    """

    def __init__(self, open_client: OpenClient, table: str, generation: int = 1) -> None:
        self._table = table
        self._generation = generation
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._opened = open_client()
        self._client = self._run(self._opened.__aenter__())

    def close(self) -> None:
        self._run(self._opened.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
        except Unavailable as error:
            raise OperationalError(error.detail) from error

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **_kwargs: Any
    ) -> Sequence[int] | None:
        """All or none; ``IntegrityError`` when one is already there, or twice among these."""
        if not stored_events:
            return None
        keys = {(str(each.originator_id), each.originator_version) for each in stored_events}
        if len(keys) < len(stored_events):
            raise IntegrityError("the same version of a stream twice")
        token = str(uuid4())
        items = [self._to_item(each, token) for each in stored_events]
        try:
            self._run(self._write(Batch(token, [], items, {})))
        except VersionConflict as error:
            raise IntegrityError(error.detail) from error
        except TooLarge as error:
            raise ProgrammingError(error.detail) from error
        return None

    async def _write(self, batch: Batch) -> None:
        if len(batch.events) > MAX_ACTIONS:
            raise TooLarge(f"a commit holds {MAX_ACTIONS} events at most")
        require_small(batch.events)
        check_sizes(batch)
        await Commits(self._client, self._table, "").write(batch)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        items = self._run(
            stream_items(
                self._client,
                self._table,
                str(originator_id),
                after=gt,
                up_to=lte,
                descending=desc,
                limit=limit,
            )
        )
        return [_to_stored_event(originator_id, item) for item in items]

    def _to_item(self, stored: StoredEvent, token: str) -> Item:
        stream = str(stored.originator_id)
        return {
            "stream": {"S": stream},
            "version": {"N": str(stored.originator_version)},
            "type": {"S": stored.topic},
            **_attributes_of(stored.state),
            "token": {"S": token},
            "corr": {"S": token},
            "caus": {"S": token},
            "who": {"S": PRINCIPAL},
            "gen": {"N": str(self._generation)},
        }


def _attributes_of(state: bytes) -> dict[str, Any]:
    """``time``, ``tv``, ``sealed``, ``data`` of the mapper's state; any other state as it is."""
    lifted = _lift(state)
    if lifted is not None and _state_of(lifted) == state:
        return lifted
    try:
        return {"data": {"S": state.decode()}}
    except UnicodeDecodeError:
        return {"data": {"B": state}}


def _lift(state: bytes) -> dict[str, Any] | None:
    try:
        fields = orjson.loads(state)
        attributes = {"time": {"S": fields.pop("timestamp")}}
        if "class_version" in fields:
            attributes["tv"] = {"N": str(fields.pop("class_version"))}
        if "sealed" in fields:
            attributes["sealed"] = {"S": fields.pop("sealed")}
        return {**attributes, "data": {"S": orjson.dumps(fields).decode()}}
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _state_of(attributes: Item) -> bytes:
    if "ref" in attributes:
        raise ProgrammingError("the event's data are in an object: read it by the event store")
    data = attributes["data"]
    if "time" not in attributes:
        return bytes(data["B"]) if "B" in data else str(data["S"]).encode()
    head: dict[str, Any] = {"timestamp": attributes["time"]["S"]}
    if "tv" in attributes:
        head["class_version"] = int(attributes["tv"]["N"])
    if "sealed" in attributes:
        head["sealed"] = attributes["sealed"]["S"]
    return orjson.dumps(head | orjson.loads(data["S"]))


def _to_stored_event(originator_id: UUID | str, item: Item) -> StoredEvent:
    version, topic = int(item["version"]["N"]), item["type"]["S"]
    return StoredEvent(originator_id, version, topic, _state_of(item))
