"""The stack under ``deploy/`` on the embedded AWS, by CloudFormation as in AWS."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.outbound.analytics.deliverer import PREFIX
from adapters.outbound.aws_stack import provision as provisioning
from adapters.outbound.aws_stack.mends import mend
from adapters.outbound.aws_stack.provision import (
    Place,
    StackFailed,
    describe,
    media_on_aws,
    provision,
)
from adapters.outbound.aws_stack.template import (
    RESOURCES,
    load_template,
    resources_of,
    variable_of,
)
from adapters.outbound.telemetry.metrics import NAMESPACE
from adapters.settings import CONTEXTS, Settings
from projections.media.statistics import COLUMNS, DAY
from tests.support.platform import Engines

ALL = ["All"]


@pytest.fixture
def place(shared_engines: Engines) -> Place:
    return shared_engines.engines.place


NAMING = (
    "_table", "_topic", "_queue", "_dead_letters", "_subscription", "_bucket", "kms_key",
    "_stream", "athena_database", "athena_work_group", "media_convert_role", "media_domain",
)  # fmt: skip


def test_each_output_is_a_setting_and_each_named_resource_in_the_settings_is_an_output() -> None:
    outputs = {variable_of(name) for name in load_template()["Outputs"]}
    named = {
        f"HOMECAST_{field}".upper() for field in Settings.model_fields if field.endswith(NAMING)
    }
    assert outputs == named


def test_serverless_yml_deploys_every_resource_file() -> None:
    root = RESOURCES.parent.parent
    included = yaml.safe_load((root / "serverless.yml").read_text())["resources"]
    files = {f"${{file({file.relative_to(root)})}}" for file in RESOURCES.glob("*.yml")}
    assert files <= set(included)


def test_the_linter_of_cloudformation_finds_nothing(tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    template.write_text(json.dumps(load_template()))
    linter = str(Path(sys.executable).with_name("cfn-lint"))
    command = [linter, "--regions", "eu-central-1", "--template", str(template)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_table_of_statistics_has_the_columns_of_a_record() -> None:
    [table] = resources_of(load_template(), "AWS::Glue::Table").values()
    described = table["TableInput"]["StorageDescriptor"]["Columns"]
    assert {one["Name"]: one["Type"] for one in described} == dict(COLUMNS)
    assert [one["Name"] for one in table["TableInput"]["PartitionKeys"]] == [DAY]
    conversion = json.dumps(resources_of(load_template(), "AWS::KinesisFirehose::DeliveryStream"))
    assert f"{PREFIX}{DAY}=!{{partitionKeyFromQuery:{DAY}}}/" in conversion


async def test_what_aws_does_for_statistics_is_not_asked_of_the_embedded_engine(
    place: Place, stack_environment: dict[str, str]
) -> None:
    prefix = stack_environment["HOMECAST_VAULT_TABLE"].removesuffix("-vault")
    async with place.client("firehose") as client:
        streams = (await client.list_delivery_streams())["DeliveryStreamNames"]
    async with place.client("kinesis") as client:
        found = await client.describe_stream_summary(
            StreamName=stack_environment["HOMECAST_STATISTICS_STREAM"]
        )
    assert not [name for name in streams if name.startswith(prefix)]
    mode = found["StreamDescriptionSummary"]["StreamModeDetails"]["StreamMode"]
    assert mode == "ON_DEMAND"
    assert media_on_aws(Place("eu-central-1")) == "true"


def alarms_on(metric: str) -> set[str]:
    """Logical names of the queues that an alarm on this metric looks at."""
    return {
        alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]
        for alarm in resources_of(load_template(), "AWS::CloudWatch::Alarm").values()
        if alarm["MetricName"] == metric
    }


def test_dead_letters_and_queues_that_nobody_empties_wake_an_operator() -> None:
    queues = resources_of(load_template(), "AWS::SQS::Queue")
    dead_letters = {name for name, wanted in queues.items() if "RedrivePolicy" not in wanted}
    assert alarms_on("ApproximateNumberOfMessagesVisible") == dead_letters
    # Retries of the outbox, and films, take their time by design.
    emptied = set(queues) - dead_letters - {"OutboxQueue", "FetchesQueue", "RendersQueue"}
    assert alarms_on("ApproximateAgeOfOldestMessage") == emptied


def test_the_lag_of_every_context_wakes_an_operator_after_an_hour() -> None:
    alarms = resources_of(load_template(), "AWS::CloudWatch::Alarm").values()
    lags = [alarm for alarm in alarms if alarm["MetricName"] == "RelayLag"]
    assert {one["Dimensions"][1]["Value"] for one in lags} == set(CONTEXTS)
    for one in lags:
        assert (one["Namespace"], one["Threshold"]) == (NAMESPACE, 3600)


async def test_the_alarms_are_created_on_the_queues_themselves(
    place: Place, stack_environment: dict[str, str]
) -> None:
    prefix = stack_environment["HOMECAST_VAULT_TABLE"].removesuffix("-vault")
    async with place.client("cloudwatch") as client:
        found = (await client.describe_alarms(AlarmNamePrefix=prefix, MaxRecords=100))[
            "MetricAlarms"
        ]
    wanted = resources_of(load_template(), "AWS::CloudWatch::Alarm")
    only_on_aws = {
        name for name in wanted if load_template()["Resources"][name].get("Condition") == "OnAws"
    }
    assert len(found) == len(wanted) - len(only_on_aws)
    (alarm,) = [one for one in found if one["AlarmName"] == f"{prefix}-devices-dead-letters"]
    dimension = {"Name": "QueueName", "Value": f"{prefix}-devices-dead-letters.fifo"}
    assert alarm["Dimensions"] == [dimension]
    assert alarm["AlarmActions"][0].endswith(f":{prefix}-operators")


async def test_a_second_provisioning_changes_nothing_and_keeps_the_items(place: Place) -> None:
    first = await provision(place, stack="twice", prefix="twice")
    table = first["HOMECAST_DEVICES_EVENTS_TABLE"]
    item = {"stream": {"S": "device-1"}, "version": {"N": "1"}}
    async with place.client("dynamodb") as client:
        await client.put_item(TableName=table, Item=item)
    assert await provision(place, stack="twice", prefix="twice") == first
    async with place.client("dynamodb") as client:
        assert (await client.get_item(TableName=table, Key=item))["Item"] == item


async def test_a_changed_template_updates_the_stack_in_place(place: Place) -> None:
    before = await provision(place, stack="changed", prefix="changed")
    changed = copy.deepcopy(load_template())
    changed["Resources"]["DevicesQueue"]["Properties"]["VisibilityTimeout"] = 45
    assert await provision(place, stack="changed", prefix="changed", template=changed) == before
    attributes = await queue_attributes(place, before["HOMECAST_DEVICES_QUEUE"])
    assert attributes["VisibilityTimeout"] == "45"
    assert (await topic_attributes(place, before))["FifoTopic"] == "true"


async def test_an_update_leaves_the_slots_as_a_rebuild_has_left_them(place: Place) -> None:
    names = await provision(place, stack="slots", prefix="slots")
    opened = {"category": ["device", "canary"]}
    arn = names["HOMECAST_DEVICES_GREEN_SUBSCRIPTION"]
    async with place.client("sns") as client:
        await client.set_subscription_attributes(
            SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue=json.dumps(opened)
        )
    changed = copy.deepcopy(load_template())
    changed["Resources"]["DevicesQueue"]["Properties"]["VisibilityTimeout"] = 45
    await provision(place, stack="slots", prefix="slots", template=changed)
    async with place.client("sns") as client:
        found = await client.get_subscription_attributes(SubscriptionArn=arn)
    assert json.loads(found["Attributes"]["FilterPolicy"]) == opened


async def test_a_template_that_cannot_be_created_says_which_resource_and_why(place: Place) -> None:
    broken = copy.deepcopy(load_template())
    broken["Resources"]["DevicesQueue"]["Properties"]["QueueName"] = "not-fifo"
    with pytest.raises(StackFailed, match=r"DevicesQueue: .*fifo"):
        await provision(place, stack="broken", prefix="broken", template=broken)


@pytest.mark.parametrize(
    ("category", "reached", "spared"),
    [
        ("device", "HOMECAST_DEVICES_QUEUE", "HOMECAST_REMOTE_COMMANDS_QUEUE"),
        ("lane", "HOMECAST_REMOTE_COMMANDS_QUEUE", "HOMECAST_DEVICES_QUEUE"),
    ],
)
async def test_an_event_reaches_the_queue_of_its_category_raw_and_with_its_group(
    place: Place, stack_environment: dict[str, str], category: str, reached: str, spared: str
) -> None:
    async with place.client("sns") as client:
        await client.publish(
            TopicArn=stack_environment["HOMECAST_DEVICES_TOPIC"],
            Message='{"specversion":"1.0"}',
            MessageGroupId=f"{category}-1",
            MessageDeduplicationId=f"1:{category}-1:1",
            MessageAttributes={"category": {"DataType": "String", "StringValue": category}},
        )
    (message,) = await receive(place, stack_environment[reached], wait=5)
    assert message["Body"] == '{"specversion":"1.0"}'
    assert message["Attributes"]["MessageGroupId"] == f"{category}-1"
    assert await receive(place, stack_environment[spared], wait=0) == []


async def test_every_queue_and_subscription_has_dead_letters_of_its_own(
    place: Place, stack_environment: dict[str, str]
) -> None:
    models = ("DEVICES", "REMOTE_COMMANDS")
    queues = [f"HOMECAST_{model}{slot}_QUEUE" for model in models for slot in ("", "_GREEN")]
    queues += [f"HOMECAST_{policy}_QUEUE" for policy in ("ALARMS", "ERASURE")]
    of_queue: dict[str, str] = {}
    for queue in queues:
        attributes = await queue_attributes(place, stack_environment[queue])
        redrive = json.loads(attributes["RedrivePolicy"])
        assert redrive["maxReceiveCount"] == 10
        assert attributes["DeduplicationScope"] == "messageGroup"
        assert attributes["FifoThroughputLimit"] == "perMessageGroupId"
        of_queue[attributes["QueueArn"]] = redrive["deadLetterTargetArn"]
    assert len(set(of_queue.values())) == len(queues)
    async with place.client("sns") as client:
        topic = stack_environment["HOMECAST_DEVICES_TOPIC"]
        listed = await client.list_subscriptions_by_topic(TopicArn=topic)
        for subscription in listed["Subscriptions"]:
            arn = subscription["SubscriptionArn"]
            answer = await client.get_subscription_attributes(SubscriptionArn=arn)
            redrive = json.loads(answer["Attributes"]["RedrivePolicy"])
            assert redrive["deadLetterTargetArn"] == of_queue.pop(subscription["Endpoint"])
    assert of_queue == {}


class TestMends:
    """When one of the first two fails, the engine has learned it: drop the mend and the test."""

    @pytest.fixture
    async def unmended(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        async def leave(*_: object) -> None: ...

        monkeypatch.setattr(provisioning, "mend", leave)
        return await provision(place, stack="unmended", prefix="unmended")

    async def test_the_engine_still_creates_standard_topics(
        self, place: Place, unmended: dict[str, str]
    ) -> None:
        found = await topic_attributes(place, unmended)
        assert "FifoTopic" not in found
        assert "FifoThroughputScope" not in found

    async def test_the_engine_still_ignores_times_to_live(
        self, place: Place, unmended: dict[str, str]
    ) -> None:
        assert await time_to_live(place, unmended["HOMECAST_VAULT_TABLE"]) == {
            "TimeToLiveStatus": "DISABLED"
        }

    async def test_mending_gives_what_the_template_asks_for(
        self, place: Place, stack_environment: dict[str, str]
    ) -> None:
        topic = await topic_attributes(place, stack_environment)
        assert (topic["FifoTopic"], topic["FifoThroughputScope"]) == ("true", "MessageGroup")
        for name, properties in resources_of(load_template(), "AWS::DynamoDB::Table").items():
            wanted = properties.get("TimeToLiveSpecification", {}).get("AttributeName")
            found = await time_to_live(place, stack_environment[variable_of(name)])
            assert found.get("AttributeName") == wanted

    async def test_mending_twice_is_harmless(
        self, place: Place, stack_environment: dict[str, str]
    ) -> None:
        stack = stack_environment["HOMECAST_VAULT_TABLE"].removesuffix("-vault")
        before = await topic_attributes(place, stack_environment)
        await mend(place, stack, load_template())
        assert await topic_attributes(place, stack_environment) == before


async def test_a_stack_that_is_not_there_is_described_as_none(place: Place) -> None:
    async with place.client("cloudformation") as client:
        assert await describe(client, "no-such-stack") is None


async def receive(place: Place, queue: str, *, wait: int) -> list[dict[str, Any]]:
    async with place.client("sqs") as client:
        answer = await client.receive_message(
            QueueUrl=queue, WaitTimeSeconds=wait, MessageSystemAttributeNames=ALL
        )
    return list(answer.get("Messages", []))


async def queue_attributes(place: Place, queue: str) -> Mapping[str, str]:
    async with place.client("sqs") as client:
        answer = await client.get_queue_attributes(QueueUrl=queue, AttributeNames=ALL)
    found: Mapping[str, str] = answer["Attributes"]
    return found


async def topic_attributes(place: Place, environment: dict[str, str]) -> dict[str, str]:
    async with place.client("sns") as client:
        answer = await client.get_topic_attributes(TopicArn=environment["HOMECAST_DEVICES_TOPIC"])
    found: dict[str, str] = answer["Attributes"]
    return found


async def time_to_live(place: Place, table: str) -> dict[str, str]:
    async with place.client("dynamodb") as client:
        answer = await client.describe_time_to_live(TableName=table)
    found: dict[str, str] = answer["TimeToLiveDescription"]
    return found
