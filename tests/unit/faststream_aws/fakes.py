"""An SQS in memory whose answers and faults a test decides."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from adapters.faststream_aws import SQSBroker


def service_error(code: str, operation: str = "Call") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


def message(
    name: str,
    *,
    group: str | None = None,
    receive_count: int = 1,
    body: str | None = None,
    **attributes: str,
) -> dict[str, Any]:
    """As ReceiveMessage gives it; the receipt handle is the name."""
    system = {"ApproximateReceiveCount": str(receive_count), **attributes}
    if group is not None:
        system["MessageGroupId"] = group
    return {
        "MessageId": f"id-{name}",
        "ReceiptHandle": name,
        "Body": body if body is not None else f'"{name}"',
        "Attributes": system,
    }


@dataclass
class FakeSqs:
    """Gives out ``batches`` one per receive, then nothing; remembers what it was asked."""

    batches: list[list[dict[str, Any]] | BaseException] = field(default_factory=list)
    receives: list[dict[str, Any]] = field(default_factory=list)
    deletes: list[list[str]] = field(default_factory=list)
    delete_ids: list[str] = field(default_factory=list)
    visibility: list[tuple[str, int]] = field(default_factory=list)
    visibility_times: list[float] = field(default_factory=list)
    visibility_calls: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)
    send_batches: list[list[dict[str, Any]]] = field(default_factory=list)
    url_lookups: int = 0
    closed: bool = False
    fail_delete: Callable[[str, int], dict[str, Any] | None] = lambda _name, _attempt: None
    delete_errors: list[BaseException] = field(default_factory=list)
    fail_send: Callable[[str], dict[str, Any] | None] = lambda _body: None
    send_errors: list[BaseException] = field(default_factory=list)
    visibility_gate: asyncio.Event | None = None
    poll_gate: asyncio.Event | None = None
    polls_under_way: int = 0

    @property
    def deleted(self) -> list[str]:
        return [name for call in self.deletes for name in call]

    def visibility_of(self, name: str) -> list[int]:
        return [seconds for handle, seconds in self.visibility if handle == name]

    def give(self, *messages: dict[str, Any]) -> None:
        self.batches.append(list(messages))

    async def get_queue_url(self, *, QueueName: str) -> dict[str, str]:  # noqa: N803
        self.url_lookups += 1
        return {"QueueUrl": f"https://queues/{QueueName}"}

    async def list_queues(self, *, MaxResults: int) -> dict[str, Any]:  # noqa: N803
        return {}

    async def receive_message(self, **kwargs: Any) -> dict[str, Any]:
        self.receives.append(kwargs)
        self.polls_under_way += 1
        try:
            return await self._answer()
        finally:
            self.polls_under_way -= 1

    async def _answer(self) -> dict[str, Any]:
        if self.poll_gate is not None:
            await self.poll_gate.wait()
        if not self.batches:
            await asyncio.sleep(0.005)
            return {}
        found = self.batches.pop(0)
        if isinstance(found, BaseException):
            raise found
        return {"Messages": found}

    async def delete_message_batch(self, **kwargs: Any) -> dict[str, Any]:
        entries = kwargs["Entries"]
        names = [entry["ReceiptHandle"] for entry in entries]
        self.deletes.append(names)
        self.delete_ids += [entry["Id"] for entry in entries]
        if self.delete_errors:
            raise self.delete_errors.pop(0)
        return self._batch_answer(
            entries, lambda entry: self.fail_delete(entry["ReceiptHandle"], len(self.deletes))
        )

    async def change_message_visibility_batch(self, **kwargs: Any) -> dict[str, Any]:
        self.visibility_calls += 1
        if self.visibility_gate is not None:
            await self.visibility_gate.wait()
        for entry in kwargs["Entries"]:
            self.visibility.append((entry["ReceiptHandle"], entry["VisibilityTimeout"]))
            self.visibility_times.append(time.monotonic())
        return {"Successful": []}

    async def send_message(self, **kwargs: Any) -> dict[str, Any]:
        self.sent.append(kwargs)
        return {"MessageId": f"sent-{len(self.sent)}", "SequenceNumber": str(len(self.sent))}

    async def send_message_batch(self, **kwargs: Any) -> dict[str, Any]:
        entries = kwargs["Entries"]
        self.send_batches.append(entries)
        if self.send_errors:
            raise self.send_errors.pop(0)
        return self._batch_answer(entries, lambda entry: self.fail_send(entry["MessageBody"]))

    async def publish(self, **kwargs: Any) -> dict[str, Any]:
        self.sent.append(kwargs)
        return {"MessageId": f"sent-{len(self.sent)}"}

    async def publish_batch(self, **kwargs: Any) -> dict[str, Any]:
        entries = kwargs["PublishBatchRequestEntries"]
        self.send_batches.append(entries)
        if self.send_errors:
            raise self.send_errors.pop(0)
        return self._batch_answer(entries, lambda entry: self.fail_send(entry["Message"]))

    @staticmethod
    def _batch_answer(
        entries: Sequence[dict[str, Any]],
        fault: Callable[[dict[str, Any]], dict[str, Any] | None],
    ) -> dict[str, Any]:
        faults = {entry["Id"]: fault(entry) for entry in entries}
        return {
            "Successful": [
                {"Id": name, "MessageId": f"sent-{name}"} for name, bad in faults.items() if not bad
            ],
            "Failed": [{"Id": name, **bad} for name, bad in faults.items() if bad],
        }

    def factory(self, _service: str) -> AbstractAsyncContextManager[Any]:
        @asynccontextmanager
        async def opened() -> AsyncIterator["FakeSqs"]:
            yield self
            self.closed = True

        return opened()


def broker_on(sqs: FakeSqs, **options: Any) -> SQSBroker:
    return SQSBroker(client_factory=sqs.factory, **{"logger": None, **options})
