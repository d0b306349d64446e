"""Sends encoded messages to SQS and SNS."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from .clients import Answer
from .connection import AwsConnection, error_code
from .destinations import Destination, SNSTopic, SQSQueue
from .encoding import TRACE_HEADER, WireMessage
from .outgoing import NotPublished, Published


class Transport(Protocol):
    """Where encoded messages go: to AWS, or to the subscribers of a test broker."""

    async def send(self, destination: Destination, message: WireMessage) -> Published:
        """One message; the service's refusal is raised."""

    async def send_batch(
        self,
        destination: Destination,
        messages: Sequence[WireMessage],
    ) -> list[Published | NotPublished]:
        """At most ten messages; one entry for each, in their order. Raises nothing."""


class AwsTransport:
    """Indexes of the entries it returns count from 0 within each call."""

    def __init__(self, connection: AwsConnection) -> None:
        self._connection = connection

    async def send(self, destination: Destination, message: WireMessage) -> Published:
        if isinstance(destination, SNSTopic):
            sns = await self._connection.sns()
            answer = await sns.publish(TopicArn=destination.arn, **topic_entry(message))
        else:
            sqs = await self._connection.sqs()
            url = await self._url(destination)
            answer = await sqs.send_message(QueueUrl=url, **queue_entry(message))
        return _published(0, answer)

    async def send_batch(
        self,
        destination: Destination,
        messages: Sequence[WireMessage],
    ) -> list[Published | NotPublished]:
        try:
            answer = await self._call_batch(destination, messages)
        except (ClientError, BotoCoreError, OSError) as error:
            code = error_code(error)
            return [NotPublished(i, code, str(error)) for i in range(len(messages))]
        return _entries(answer, len(messages))

    async def _call_batch(self, to: Destination, messages: Sequence[WireMessage]) -> Answer:
        if isinstance(to, SNSTopic):
            entries = [{"Id": str(i), **topic_entry(one)} for i, one in enumerate(messages)]
            sns = await self._connection.sns()
            return await sns.publish_batch(TopicArn=to.arn, PublishBatchRequestEntries=entries)
        entries = [{"Id": str(i), **queue_entry(one)} for i, one in enumerate(messages)]
        sqs = await self._connection.sqs()
        return await sqs.send_message_batch(QueueUrl=await self._url(to), Entries=entries)

    async def _url(self, queue: SQSQueue) -> str:
        return await self._connection.queue_url(queue)


def queue_entry(message: WireMessage) -> dict[str, Any]:
    """The parameters of SendMessage for one message."""
    entry = {"MessageBody": message.body, **_common(message)}
    if message.delay_seconds is not None:
        entry["DelaySeconds"] = message.delay_seconds
    if message.trace_header:
        entry["MessageSystemAttributes"] = {
            TRACE_HEADER: {"DataType": "String", "StringValue": message.trace_header}
        }
    return entry


def topic_entry(message: WireMessage) -> dict[str, Any]:
    """The parameters of Publish for one message."""
    return {"Message": message.body, **_common(message)}


def _common(message: WireMessage) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if message.attributes:
        entry["MessageAttributes"] = message.attributes
    if message.group_id:
        entry["MessageGroupId"] = message.group_id
    if message.deduplication_id:
        entry["MessageDeduplicationId"] = message.deduplication_id
    return entry


def _entries(answer: Answer, count: int) -> list[Published | NotPublished]:
    found: dict[int, Published | NotPublished] = {
        int(one["Id"]): _published(int(one["Id"]), one) for one in answer.get("Successful") or ()
    }
    for one in answer.get("Failed") or ():
        index = int(one["Id"])
        found[index] = NotPublished(
            index, one.get("Code", ""), one.get("Message", ""), bool(one.get("SenderFault"))
        )
    return [found.get(i) or NotPublished(i, "NotAnswered") for i in range(count)]


def _published(index: int, answer: Mapping[str, Any]) -> Published:
    return Published(index, answer.get("MessageId", ""), answer.get("SequenceNumber"))
