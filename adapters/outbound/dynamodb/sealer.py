"""Events with personal fields on their way into the store and out of it.

Whatever has no personal fields passes without a key and without waiting. Of one call, each
subject's key is asked for once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeGuard

from adapters.outbound.dynamodb.claim_check import ClaimCheck
from adapters.outbound.dynamodb.codec import (
    Item,
    dump_personal,
    from_cloud_event,
    from_item,
    place_of,
)
from adapters.outbound.keys.sealing import Sealed, seal
from commands.kernel.ports import DataKey, Keyring
from domain.kernel.errors import ContractError
from domain.kernel.event import Event
from domain.kernel.personal import personal_fields
from domain.kernel.recorded import Recorded


class Sealer:
    """The codec, with the keys that it takes for personal fields and the objects of large events.

    All raise ``StoreUnavailable`` when keys cannot be reached, and ``ContractError`` for what was
    changed or moved. Where the subject was forgotten, the fields read as their marks say.
    """

    def __init__(self, keyring: Keyring, claims: ClaimCheck) -> None:
        self.claims = claims
        self._keyring = keyring

    async def seal(self, recorded: list[Recorded]) -> list[Recorded]:
        """The same events, ready to be stored. Raises ``SubjectForgotten``."""
        if not any(one.event.SUBJECT for one in recorded):
            return recorded
        subjects = {subject for one in recorded if (subject := subject_of(one.event))}
        keys = {subject: await self._keyring.for_sealing(subject) for subject in sorted(subjects)}
        return [sealed_with(keys, one) for one in recorded]

    async def from_items(self, items: Sequence[Item], *, personal: bool = True) -> list[Recorded]:
        """``personal=False``: with personal fields erased, which takes no key."""
        if personal and not any("sealed" in item or "ref" in item for item in items):
            return [from_item(item) for item in items]
        outcomes = await self.outcomes(items, personal=personal)
        return [require_read(one) for one in outcomes]

    async def outcomes(
        self, items: Sequence[Item], *, personal: bool = True
    ) -> list[Recorded | ContractError]:
        """The same, with the error in the place of each that is undecodable."""
        if any("ref" in item for item in items):
            whole = [await self._whole(item) for item in items]
        else:
            whole = list(items)
        texts = (item["sealed"].get("S") for item in whole if personal and _is_sealed(item))
        keys = await self._keys(texts)
        return [
            item if isinstance(item, ContractError) else _read(keys, item, personal=personal)
            for item in whole
        ]

    async def _whole(self, item: Item) -> Item | ContractError:
        try:
            return await self.claims.whole_item(item) if "ref" in item else item
        except ContractError as error:
            return error

    async def from_cloud_event(self, cloud_event: Mapping[str, Any]) -> Recorded:
        if not isinstance(cloud_event, Mapping):
            raise ContractError("not a CloudEvent of ours")
        if "dataref" in cloud_event:
            cloud_event = await self.claims.whole_cloud_event(cloud_event)
        text = cloud_event.get("sealed")
        if text is None:
            return from_cloud_event(cloud_event)
        return opened_cloud_event(await self._keys([text]), cloud_event)

    async def _keys(self, texts: Iterable[Any]) -> dict[str, DataKey | None]:
        """Of those whose subject can be told; the others fail where they are decoded."""
        subjects: set[str] = set()
        for text in texts:
            with suppress(ContractError):
                subjects.add(taken_apart(text).subject)
        return {subject: await self._keyring.for_opening(subject) for subject in sorted(subjects)}


def require_read(outcome: Recorded | ContractError) -> Recorded:
    if isinstance(outcome, ContractError):
        raise outcome
    return outcome


def _is_sealed(item: Item | ContractError) -> TypeGuard[Item]:
    return not isinstance(item, ContractError) and "sealed" in item


def _read(
    keys: Mapping[str, DataKey | None], item: Item, *, personal: bool
) -> Recorded | ContractError:
    try:
        return opened_item(keys, item) if personal else _erased(item)
    except ContractError as error:
        return error


def subject_of(event: Event) -> str | None:
    """The account whose personal data the event carries. Raises ``ContractError`` if it names none
    although it carries some."""
    if not personal_fields(type(event)):
        return None
    subject = getattr(event, str(event.SUBJECT))
    if not isinstance(subject, str):
        raise ContractError(f"{event.TOPIC} has personal fields of nobody")
    return subject


def sealed_with(keys: Mapping[str, DataKey], one: Recorded) -> Recorded:
    event, subject = one.event, subject_of(one.event)
    if subject is None:
        return one
    place = place_of(event.originator_id, event.originator_version, event.TOPIC)
    return replace(one, sealed=seal(keys[subject], dump_personal(event), place))


def opened_item(keys: Mapping[str, DataKey | None], item: Item) -> Recorded:
    """``keys``: by subject, None where it was forgotten."""
    if "sealed" not in item:
        return from_item(item)
    sealed = taken_apart(item["sealed"].get("S"))
    key = keys[sealed.subject]
    if key is None:
        return _erased(item)
    try:
        place = place_of(item["stream"]["S"], item["version"]["N"], item["type"]["S"])
    except KeyError as error:
        raise ContractError("an item of the event store is not an event") from error
    return from_item(item, sealed.open(key, place))


def opened_cloud_event(
    keys: Mapping[str, DataKey | None], cloud_event: Mapping[str, Any]
) -> Recorded:
    """As above, for one that has something sealed."""
    sealed = taken_apart(cloud_event["sealed"])
    key = keys[sealed.subject]
    if key is None:
        return from_cloud_event(cloud_event, sealed.erased(), erased=True)
    stream, version, topic = (cloud_event.get(name) for name in ("subject", "sequence", "type"))
    return from_cloud_event(cloud_event, sealed.open(key, place_of(stream, version, topic)))


def _erased(item: Item) -> Recorded:
    text = item["sealed"].get("S") if "sealed" in item else None
    return from_item(item, taken_apart(text).erased() if text else None, erased=True)


def taken_apart(text: Any) -> Sealed:
    if not isinstance(text, str):
        raise ContractError("sealed personal data is a text")
    return Sealed.of(text)
