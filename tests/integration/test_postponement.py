"""Messages that a function reports as failed: how long they stay away."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.bootstrap.process import aws
from adapters.outbound.messaging.postponement import SqsPostponement
from adapters.settings import Settings
from tests.support.platform import settings_from
from tests.support.waiting import eventually


@pytest.fixture
def settings(stack_environment: dict[str, str]) -> Settings:
    return settings_from(stack_environment)


async def test_a_message_comes_back_when_it_was_told_to(settings: Settings) -> None:
    """The queue's own time is 30 s; and a receipt that is none disturbs nobody."""
    url = settings.devices_queue
    async with (
        aws(settings).sqs() as client,
        SqsPostponement.opened(aws(settings), {"devices": url}) as postponement,
    ):
        await client.send_message(
            QueueUrl=url, MessageBody="one", MessageGroupId="a", MessageDeduplicationId="1"
        )

        async def received() -> Any:
            answer = await client.receive_message(QueueUrl=url)
            return next(iter(answer.get("Messages", [])), None)

        first = await eventually(received, within=5)
        assert await received() is None
        await postponement.hide("devices", [first["ReceiptHandle"], "no receipt"], 0)
        again = await eventually(received, within=5, what="the message, at once")
        assert again["MessageId"] == first["MessageId"]


async def test_a_queue_that_is_away_is_only_told_of(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"aws_endpoint_url": "http://127.0.0.1:9"})
    async with SqsPostponement.opened(aws(nowhere), {"devices": "http://127.0.0.1:9/q"}) as away:
        await away.hide("devices", ["receipt"], 30)
