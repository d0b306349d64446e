"""Events as eventsourcing's ``StoredEvent``, for its recorders and repositories."""

from __future__ import annotations

from typing import Any, Protocol, cast
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Cipher, Compressor, JSONTranscoder, Mapper, StoredEvent
from eventsourcing.utils import get_topic

from adapters.outbound.dynamodb.codec import (
    dump_checked,
    dump_json,
    dump_personal,
    dump_time,
    load_event,
    place_of,
)
from adapters.outbound.dynamodb.sealer import subject_of, taken_apart
from adapters.outbound.keys.sealing import seal
from commands.kernel.ports import DataKey
from domain.kernel.errors import ContractError
from domain.kernel.event import Event


class SubjectKeys(Protocol):
    """The port ``Keyring`` as a synchronous program has it."""

    def for_sealing(self, subject: str) -> DataKey: ...

    def for_opening(self, subject: str) -> DataKey | None: ...


class PydanticMapper(Mapper[str]):
    """eventsourcing's mapper with pydantic's validation; its state also carries the time.

    Personal fields are sealed as in the event store. Without ``keys`` events that have some are
    refused with a ``ContractError``.
    """

    def __init__(
        self,
        compressor: Compressor | None = None,
        cipher: Cipher | None = None,
        *,
        keys: SubjectKeys | None = None,
    ) -> None:
        super().__init__(JSONTranscoder(), compressor, cipher)
        self._keys = keys

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        event = cast("Event", domain_event)
        head: dict[str, Any] = {"timestamp": dump_time(event.timestamp)}
        if event.class_version > 1:
            head["class_version"] = event.class_version
        if subject := subject_of(event):
            place = place_of(event.originator_id, event.originator_version, event.TOPIC)
            head["sealed"] = seal(self._known().for_sealing(subject), dump_personal(event), place)
        state = dump_json(head | dump_checked(event)).encode()
        if self.compressor:
            state = self.compressor.compress(state)
        if self.cipher:
            state = self.cipher.encrypt(state)
        return StoredEvent(
            event.originator_id, event.originator_version, get_topic(type(event)), state
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        state = stored_event.state
        if self.cipher:
            state = self.cipher.decrypt(state)
        if self.compressor:
            state = self.compressor.decompress(state)
        try:
            data = orjson.loads(state)
            version_of_type, time = int(data.pop("class_version", 1)), data.pop("timestamp")
            sealed = data.pop("sealed", None)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise ContractError("a stored event is not JSON of ours") from error
        stream, version = stored_event.originator_id, stored_event.originator_version
        if isinstance(stream, UUID):
            raise ContractError("streams are named by strings")
        topic, erased = stored_event.topic, False
        if sealed is not None:
            personal = self._opened(sealed, place_of(stream, version, topic))
            erased = personal is None
            data |= taken_apart(sealed).erased() if personal is None else personal
        event = load_event(topic, version_of_type, stream, version, time, data, erased=erased)
        return cast("DomainEventProtocol[str]", event)

    def _opened(self, text: Any, place: tuple[str, str, str]) -> dict[str, Any] | None:
        """None when the subject was forgotten."""
        sealed = taken_apart(text)
        key = self._known().for_opening(sealed.subject)
        return None if key is None else sealed.open(key, place)

    def _known(self) -> SubjectKeys:
        if self._keys is None:
            raise ContractError("personal data needs keys, and this mapper has none")
        return self._keys
