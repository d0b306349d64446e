"""The main journey: a command from an app to a device and back, in real processes."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from adapters.inbound.cli.client import ApiClient
from adapters.inbound.cli.connection import Connection
from adapters.inbound.cli.device_client import connect_token, signed
from adapters.inbound.cli.simulator import Member, claim_body
from domain.devices.capabilities import DeviceKind
from tests.support.household import Household, Json, connected
from tests.support.platform import Platform
from tests.support.tables import SESSION
from tests.support.waiting import eventually
from tests.support.wayward import WaywardDevice

TRACE = "Root=1-69060000-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"


@asynccontextmanager
async def online_device(
    household: Household, name: str = "Lamp", **options: Any
) -> AsyncIterator[tuple[Member, WaywardDevice]]:
    member, device = await household.new_device(name, **options)
    async with connected(device):
        await has_session(device)
        yield member, device


async def has_session(device: WaywardDevice) -> None:
    async def welcomed() -> bool:
        return device.session is not None

    await eventually(welcomed, within=10, what="a session")


async def has_status(household: Household, command: Json, status: str) -> Json:
    async def reached() -> Json | None:
        now = await household.command(command["device_id"], command["number"])
        return now if now["status"] == status else None

    found: Json = await eventually(reached, within=15, what=status)
    return found


async def test_a_command_reaches_its_device_and_the_answer_comes_back(
    household: Household,
) -> None:
    async with online_device(household) as (member, device):
        level = {"level": 77, "transition_time": 0}
        answer = await household.submit(
            device.device_id, "LevelControl.MoveToLevel", level, wait=10
        )
        assert answer.status_code == 200, answer.text
        command = answer.json()
        assert command["status"] == "SUCCEEDED"
        assert answer.headers["Location"].endswith(f"/commands/{command['number']}")
        assert device.executed == [command["number"]]
        assert member.device.state()["LevelControl"]["current_level"] == 77

        read_back = await has_status(household, command, "SUCCEEDED")
        way = [entry["status"] for entry in read_back["history"]]
        assert way == ["ACCEPTED", "SENT", "SUCCEEDED"]

        async def reported() -> bool:
            seen = (await household.device(device.device_id)).json()
            return bool(seen["online"] and seen["state"]["LevelControl"]["current_level"] == 77)

        await eventually(reported, within=10, what="the device's new state")


async def test_the_same_key_gives_the_same_command(household: Household) -> None:
    async with online_device(household) as (_, device):
        key = {"Idempotency-Key": "once"}
        first = await household.submit(device.device_id, "OnOff.On", wait=10, headers=key)
        again = await household.submit(device.device_id, "OnOff.On", wait=10, headers=key)
        other = await household.submit(device.device_id, "OnOff.Off", headers=key)
        assert again.json()["number"] == first.json()["number"]
        assert other.status_code == 409
        assert device.executed == [first.json()["number"]]


async def test_a_command_that_was_canceled_before_it_was_sent_never_reaches_the_device(
    household: Household,
) -> None:
    _, device = await household.new_device("Asleep")
    accepted = (await household.submit(device.device_id, "OnOff.On")).json()
    commands = f"/v1/devices/{device.device_id}/commands"
    canceled = await household.api.post(f"{commands}/{accepted['number']}/cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "CANCELED")
    later = (await household.submit(device.device_id, "OnOff.Off")).json()
    async with connected(device):
        await has_status(household, later, "SUCCEEDED")
    assert [one["number"] for one in device.received] == [later["number"]]
    too_late = await household.api.post(f"{commands}/{later['number']}/cancel")
    assert too_late.status_code == 409


async def test_a_command_for_a_device_that_stays_away_expires(household: Household) -> None:
    _, device = await household.new_device("Away")
    accepted = (await household.submit(device.device_id, "OnOff.On", ttl=1)).json()
    await has_status(household, accepted, "EXPIRED")
    async with connected(device):
        await has_session(device)
        answer = await household.submit(device.device_id, "OnOff.Off", wait=10)
    assert answer.json()["status"] == "SUCCEEDED"
    assert [one["number"] for one in device.received] == [answer.json()["number"]]


async def test_whoever_writes_reads_it_in_the_next_list(household: Household) -> None:
    """Ten times, each at once after the write, over queue, gate and index."""
    await household.new_device("Lamp")

    async def is_listed() -> bool:
        return bool((await household.api.get("/v1/devices")).json()["items"])

    await eventually(is_listed, within=10, what="the claimed device")
    connection = Connection(str(household.api.base_url), household.token)

    def write_and_read() -> None:
        with ApiClient(connection) as api:
            for round_ in range(10):
                [before] = api.devices()
                renamed = api.rename(before["id"], f"Lamp {round_}", before["version"])
                assert [one["name"] for one in api.devices()] == [renamed["name"]]
                number = api.submit(before["id"], {"command": "OnOff.On"}, key=f"k{round_}")
                [newest] = api.commands(before["id"], status="all", limit=1)
                assert newest["number"] == number["number"]
                assert api.cancel(before["id"], newest["number"])["status"] == "CANCELED"
                assert api.commands(before["id"], status="open", limit=5) == []
            api.release(before["id"])
            assert api.devices() == []

    await asyncio.to_thread(write_and_read)


async def test_live_events_show_the_way_of_a_command(household: Household) -> None:
    async with online_device(household) as (_, device), household.watching() as events:
        number = (await household.submit(device.device_id, "OnOff.On", wait=10)).json()["number"]
        way: list[tuple[int, str]] = []
        async with asyncio.timeout(10):
            while "SUCCEEDED" not in (status for _, status in way):
                kind, data = await events.get()
                if kind == "command" and data["number"] == number:
                    way.append((data["step"], data["status"]))
    assert list(dict.fromkeys(way)) == [(1, "ACCEPTED"), (2, "SENT"), (3, "SUCCEEDED")]


async def test_trace_and_correlation_go_from_the_request_to_the_device_and_the_queue(
    platform: Platform, household: Household
) -> None:
    headers = {"X-Amzn-Trace-Id": TRACE, "X-Correlation-Id": "breakfast-42"}
    async with listening_queue(platform) as receive, online_device(household) as (_, device):
        answer = await household.submit(device.device_id, "OnOff.On", wait=10, headers=headers)
        assert answer.headers["X-Correlation-Id"] == "breakfast-42"
        (command,) = device.received
        assert command["correlation_id"] == "breakfast-42"
        assert command["trace"] == TRACE

        taken: dict[str, Json] = {}

        async def complete() -> bool:
            for event in await receive():
                if event["subject"] == f"lane-{device.device_id}":
                    taken[event["type"]] = event
            return len(taken) >= 4

        await eventually(complete, within=15, what="the lane's four events on a queue")
    causes = {"accepted": "breakfast-42", "sent": "breakfast-42", "succeeded": "breakfast-42"}
    for name, correlation in causes.items():
        event = taken[f"devices.remote_command_{name}"]
        assert (event["correlationid"], event["awstraceheader"]) == (correlation, TRACE)
    sent = taken["devices.remote_command_sent"]
    assert sent["causationid"] == taken["devices.remote_command_accepted"]["id"]


@asynccontextmanager
async def listening_queue(platform: Platform) -> AsyncIterator[Any]:
    """A queue of the test's own on the topic; gives a function that takes what is there."""
    async with client(platform, "sqs") as sqs, client(platform, "sns") as sns:
        made = await sqs.create_queue(QueueName="tap.fifo", Attributes={"FifoQueue": "true"})
        url = made["QueueUrl"]
        got = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        subscribed = await sns.subscribe(
            TopicArn=platform.settings.devices_topic,
            Protocol="sqs",
            Endpoint=got["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
            ReturnSubscriptionArn=True,
        )

        async def receive() -> list[Json]:
            answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            for message in messages:
                await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return [json.loads(message["Body"]) for message in messages]

        yield receive
        await sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
        await sqs.delete_queue(QueueUrl=url)


def client(platform: Platform, service: str) -> Any:
    return SESSION.create_client(
        service,  # type: ignore[call-overload]
        region_name=platform.settings.aws_region,
        endpoint_url=platform.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


async def test_a_released_device_is_cut_off_and_its_next_owner_finds_nothing_queued(
    platform: Platform, household: Household
) -> None:
    async with online_device(household, "Handed on") as (member, device):
        session = device.session
        released = await household.api.delete(f"/v1/devices/{device.device_id}")
        assert released.status_code == 204

        async def cut() -> bool:
            return device.session is None

        await eventually(cut, within=5, what="the end of the session")
        assert session is not None
    assert (await household.device(device.device_id)).status_code == 404
    async with await Household.found(platform.settings, platform.endpoint_url) as next_owner:
        await next_owner.claim(member)
        page = await next_owner.api.get(f"/v1/devices/{device.device_id}/commands")
        assert page.json()["items"] == []
        async with connected(device):
            await has_session(device)
            answer = await next_owner.submit(device.device_id, "OnOff.On", wait=10)
        assert answer.json()["status"] == "SUCCEEDED"
        assert device.executed == [answer.json()["number"]]


async def test_what_was_queued_is_canceled_when_its_device_is_released(
    platform: Platform, household: Household
) -> None:
    member, device = await household.new_device("Queued")
    queued = (await household.submit(device.device_id, "OnOff.On", ttl=600)).json()
    await household.api.delete(f"/v1/devices/{device.device_id}")
    async with await Household.found(platform.settings, platform.endpoint_url) as next_owner:
        await next_owner.claim(member)
        async with connected(device):
            await has_session(device)
            answer = await next_owner.submit(device.device_id, "OnOff.Off", wait=10)
        assert [one["number"] for one in device.received] == [answer.json()["number"]]
        earlier = f"/v1/devices/{device.device_id}/commands/{queued['number']}"
        assert (await next_owner.api.get(earlier)).status_code == 404


async def test_without_the_right_credential_nobody_gets_in(
    platform: Platform, household: Household
) -> None:
    member, device = await household.new_device("Guarded")
    stranger, _ = await household.new_device("Stranger")
    forged = {"Authorization": f"Bearer hc_{'A' * 43}"}
    for headers in (forged, {"Authorization": "Basic eDp5"}):
        answer = await household.api.get("/v1/devices", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"].startswith("application/problem+json")
    wrong_audience = signed(member.key, "homecast:claim")
    other_key = connect_token(stranger.key, device.device_id)
    for token in (wrong_audience, other_key, "nonsense"):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(
                platform.gateway_url,
                additional_headers={"Authorization": f"Bearer {token}"},
                proxy=None,
            ):
                pass
        assert refused.value.response.status_code == 401


async def test_another_account_finds_nothing(platform: Platform, household: Household) -> None:
    member, device = await household.new_device("Private")
    command = (await household.submit(device.device_id, "OnOff.On")).json()
    path = f"/v1/devices/{device.device_id}"
    async with await Household.found(platform.settings, platform.endpoint_url) as other:
        submitted = await other.submit(device.device_id, "OnOff.On")
        answers = [
            await other.device(device.device_id),
            await other.api.get(f"{path}/commands/{command['number']}"),
            await other.api.get(f"{path}/commands"),
            await other.api.post(f"{path}/commands/{command['number']}/cancel"),
            await other.api.delete(path),
            submitted,
        ]
        assert [answer.status_code for answer in answers] == [404] * len(answers)
        taken = await other.api.post("/v1/devices", json=claim_body(member))
        assert taken.status_code == 409
        assert (await other.api.get("/v1/devices")).json()["items"] == []


async def test_a_claim_needs_the_devices_own_proof(household: Household) -> None:
    member, _ = await household.new_device("Proved", DeviceKind.DOOR_LOCK)
    body = claim_body(member)
    head, _, signature = body["proof"].rpartition(".")
    broken = base64.urlsafe_b64encode(b"x" * 64).rstrip(b"=").decode()
    assert broken != signature
    answer = await household.api.post("/v1/devices", json=body | {"proof": f"{head}.{broken}"})
    assert 400 <= answer.status_code < 500
