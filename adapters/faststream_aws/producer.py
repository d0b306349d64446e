"""FastStream's producer: encodes commands, cuts batches into calls, gathers the results."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from faststream._internal.endpoint.utils import ParserComposition
from faststream._internal.parser import BatchCodecProto, DefaultCodec
from faststream._internal.producer import ProducerProto
from faststream.exceptions import FeatureNotSupportedException, IncorrectState

from .destinations import Destination, SNSTopic, read_destination
from .encoding import CONTENT_TYPE, CORRELATION_ID, REPLY_TO, Encoder, WireMessage
from .outgoing import ORDER_KEPT, BatchResult, NotPublished, OutgoingMessage, Published
from .parser import SQSParser
from .response import SQSPublishCommand
from .settings import MAX_BATCH_ENTRIES
from .transport import Transport

if TYPE_CHECKING:
    from fast_depends.library.serializer import SerializerProto
    from faststream._internal.parser import CodecProto
    from faststream._internal.types import AsyncCallable, CustomCallable


class SQSProducer(ProducerProto[SQSPublishCommand]):
    """Sends through a transport it is given when the broker connects."""

    _parser: "AsyncCallable"
    _decoder: "AsyncCallable"
    codec: "CodecProto"

    def __init__(
        self,
        *,
        encoder: Encoder | None = None,
        parser: "CustomCallable | None" = None,
        decoder: "CustomCallable | None" = None,
    ) -> None:
        self.encoder = encoder or Encoder()
        default = SQSParser()
        self._parser = ParserComposition(parser, default.parse_message)
        self._decoder = ParserComposition(decoder, default.decode_message)
        self.codec = DefaultCodec()
        self._serializer: SerializerProto | None = None
        self._transport: Transport | None = None

    def connect(
        self,
        transport: Transport,
        serializer: "SerializerProto | None",
        codec: "CodecProto | None",
    ) -> None:
        self._transport = transport
        self._serializer = serializer
        self.codec = codec or DefaultCodec()

    def disconnect(self) -> None:
        self._transport = None

    @property
    def transport(self) -> Transport:
        if self._transport is None:
            msg = "The broker is not connected; call connect() first"
            raise IncorrectState(msg)
        return self._transport

    async def publish(self, cmd: SQSPublishCommand) -> Published:
        destination = read_destination(cmd.destination)
        (message,) = await self._encode(cmd, destination)
        return await self.transport.send(destination, message)

    async def publish_batch(self, cmd: SQSPublishCommand) -> BatchResult:
        """Everything is encoded before anything is sent; then calls go out one by one."""
        destination = read_destination(cmd.destination)
        messages = await self._encode(cmd, destination)
        entries: list[Published | NotPublished] = []
        for chunk in self._chunks(messages, destination):
            entries += await self._send_chunk(destination, chunk, entries, messages)
        return BatchResult(tuple(entries))

    async def request(self, cmd: SQSPublishCommand) -> Any:
        msg = "SQS has no request and reply; give `reply_to` a queue of your own"
        raise FeatureNotSupportedException(msg)

    async def _send_chunk(
        self,
        destination: Destination,
        chunk: Sequence[WireMessage],
        before: Sequence[Published | NotPublished],
        messages: Sequence[WireMessage],
    ) -> list[Published | NotPublished]:
        """Hold back what would overtake a failed message of its own FIFO group."""
        start = len(before)
        broken = _broken_groups(before, messages) if destination.fifo else set()
        sent = [i for i, one in enumerate(chunk) if one.group_id not in broken]
        found: dict[int, Published | NotPublished] = {}
        if sent:
            answers = await self.transport.send_batch(destination, [chunk[i] for i in sent])
            found = dict(zip(sent, answers, strict=True))
        return [
            replace(found.get(i) or NotPublished(i, ORDER_KEPT), index=start + i)
            for i in range(len(chunk))
        ]

    async def _encode(
        self,
        cmd: SQSPublishCommand,
        destination: Destination,
    ) -> list[WireMessage]:
        outgoing = cmd.outgoing()
        payloads = await self._payloads([one.body for one in outgoing])
        return [
            self.encoder.encode(
                payload,
                _headers(one, content_type if payload else None, cmd.reply_to),
                destination,
                group_id=one.group_id,
                deduplication_id=one.deduplication_id,
                delay_seconds=one.delay_seconds,
                index=index,
            )
            for index, (one, (payload, content_type)) in enumerate(
                zip(outgoing, payloads, strict=True)
            )
        ]

    async def _payloads(self, bodies: Sequence[Any]) -> list[tuple[bytes, str | None]]:
        if len(bodies) > 1 and isinstance(self.codec, BatchCodecProto):
            return await self.codec.encode_batch(bodies, self._serializer)
        return [await self.codec.encode(body, self._serializer) for body in bodies]

    def _chunks(
        self,
        messages: Sequence[WireMessage],
        destination: Destination,
    ) -> Iterator[Sequence[WireMessage]]:
        limits = self.encoder.limits
        to_topic = isinstance(destination, SNSTopic)
        limit = limits.topic_batch if to_topic else limits.queue_batch
        start, size = 0, 0
        for index, message in enumerate(messages):
            full = index - start == MAX_BATCH_ENTRIES or size + message.size > limit
            if full and index > start:
                yield messages[start:index]
                start, size = index, 0
            size += message.size
        if start < len(messages):
            yield messages[start:]


def _headers(message: OutgoingMessage, content_type: str | None, reply_to: str) -> dict[str, Any]:
    """The caller's headers win over the ones FastStream adds."""
    return {
        CONTENT_TYPE: content_type or None,
        CORRELATION_ID: message.correlation_id or None,
        REPLY_TO: reply_to or None,
        **message.headers,
    }


def _broken_groups(
    entries: Sequence[Published | NotPublished],
    messages: Sequence[WireMessage],
) -> set[str | None]:
    return {messages[e.index].group_id for e in entries if isinstance(e, NotPublished)}
