"""What one commit writes, checked against every limit before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from adapters.outbound.dynamodb.codec import Item, dump_json, to_item
from adapters.outbound.dynamodb.sealer import Sealer
from commands.kernel.ports import Append, VaultWrite
from domain.kernel.errors import ContractError, InvalidInput, TooLarge
from domain.kernel.recorded import Context, Recorded

MAX_ACTIONS = 100
"""Of a DynamoDB transaction."""
MAX_BYTES = 4 * 1024 * 1024
"""Of a DynamoDB transaction, all items together."""
MAX_ITEM_BYTES = 400 * 1024


@dataclass(frozen=True)
class Change:
    """Of a vault item: ``item`` None deletes it. ``expected``, ``kept`` as in ``VaultWrite``."""

    item: Item | None
    expected: int | None
    kept: bool = False

    def condition(self) -> dict[str, Any]:
        """For a put or a delete, in a transaction or by itself."""
        if self.expected is None:
            return {}
        told = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        if self.expected == 0:
            return {
                **told,
                "ConditionExpression": "attribute_not_exists(#key)",
                "ExpressionAttributeNames": {"#key": "key"},
            }
        return {
            **told,
            "ConditionExpression": "#version = :expected",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":expected": {"N": str(self.expected)}},
        }

    def is_done(self, found: Item | None) -> bool:
        """Whether what is there is what this change has put: all of it, down to its random part."""
        return found is not None and found == self.item


def change_of(write: VaultWrite) -> Change:
    value = write.value
    return Change(
        None if value is None else vault_item(write.key, value, write.expected),
        write.expected,
        write.kept,
    )


@dataclass(frozen=True)
class Batch:
    """Items to put (events never replace one), and changes of the vault by key."""

    token: str
    recorded: list[Recorded]
    events: list[Item]
    vault: dict[str, Change]


async def prepare(
    appends: Sequence[Append],
    vault: Sequence[VaultWrite],
    *,
    context: Context,
    commit_token: str,
    generation: int,
    sealer: Sealer,
) -> Batch:
    """What is too large for an item is put where the item says, once everything has been checked.

    Raises ``TooLarge``; ``ContractError`` when the commit contradicts itself.
    """
    _check_streams(appends)
    recorded = [
        Recorded(event, context, commit_token, generation)
        for append in appends
        for event in append.events
    ]
    if len(recorded) + len(vault) > MAX_ACTIONS:
        raise TooLarge(f"a commit holds {MAX_ACTIONS} events and vault items at most")
    changes = {write.key: change_of(write) for write in vault}
    if len(changes) < len(vault):
        raise ContractError("a commit changes each vault item once")
    recorded = await sealer.seal(recorded)
    items, objects = sealer.claims.split([to_item(each) for each in recorded])
    if objects:
        recorded = [_referring(*each) for each in zip(recorded, items, strict=True)]
    batch = Batch(commit_token, recorded, items, changes)
    check_sizes(batch)
    if objects:
        await sealer.claims.deposit(objects)
    return batch


def _referring(recorded: Recorded, item: Item) -> Recorded:
    return replace(recorded, ref=item["ref"]["S"]) if "ref" in item else recorded


def _check_streams(appends: Sequence[Append]) -> None:
    if len({append.stream for append in appends}) < len(appends):
        raise ContractError("a commit appends to each stream once")
    for append in appends:
        for version, event in enumerate(append.events, append.expected_version + 1):
            if (event.originator_id, event.originator_version) != (append.stream, version):
                raise ContractError(f"events do not follow {append.stream} in order")


def check_sizes(batch: Batch) -> None:
    changed = [change.item for change in batch.vault.values()]
    items = [*batch.events, *(item for item in changed if item is not None)]
    sizes = [item_size(item) for item in items]
    if max(sizes, default=0) > MAX_ITEM_BYTES:
        raise TooLarge(f"an item is over {MAX_ITEM_BYTES} bytes")
    if sum(sizes) > MAX_BYTES:
        raise TooLarge(f"a commit is over {MAX_BYTES} bytes")


def item_size(item: Item) -> int:
    """Bytes of names and values, as DynamoDB counts them (numbers a little higher)."""
    total = 0
    for name, typed in item.items():
        value = next(iter(typed.values()))
        total += len(name) + len(value if isinstance(value, bytes) else value.encode())
    return total


def vault_item(key: str, value: dict[str, Any], expected: int | None = None) -> Item:
    """``expires_at`` (ISO) in the value is also the item's time to live, rounded up. Where a
    version was expected, the next one stands in the value, and beside it for conditions."""
    version = {} if expected is None else {"version": expected + 1}
    item = {"key": {"S": key}, "value": {"S": dump_json({**value, **version})}}
    if version:
        item["version"] = {"N": str(version["version"])}
    expires_at = value.get("expires_at")
    if expires_at is not None:
        item["expires_at"] = {"N": str(_epoch_seconds(expires_at))}
    return item


def _epoch_seconds(time: Any) -> int:
    try:
        moment = datetime.fromisoformat(time)
    except (TypeError, ValueError) as error:
        raise InvalidInput("expires_at is not an ISO time") from error
    if moment.tzinfo is None:
        raise InvalidInput("expires_at needs a zone")
    return math.ceil(moment.timestamp())
