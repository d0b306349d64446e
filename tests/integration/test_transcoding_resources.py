"""The resources of transcoding on the embedded AWS, which knows no queue of MediaConvert."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from adapters.outbound.aws_stack.provision import Place, media_on_aws, provision
from adapters.outbound.aws_stack.template import RESOURCES, Template, load_template
from adapters.outbound.transcoding.job_events import JobEvents
from commands.media.ports import JobStatus
from tests.support.platform import Engines
from tests.support.transcoding import MediaInMemory, golden

QUEUE = "arn:aws:mediaconvert:eu-central-1:111122223333:queues/homecast-transcoding"
"""Of the golden events."""
HOP_QUEUE = f"{QUEUE}-hop"
SOURCE = "test.mediaconvert"
"""Nobody but AWS may put events of ``aws.…`` on a bus, in the embedded AWS neither."""
ONLY_IN_AWS = ("MEDIA_CONVERT_QUEUE", "MEDIA_CONVERT_HOP_QUEUE", "MEDIA_CONVERT_ROLE")


@pytest.fixture
def place(shared_engines: Engines) -> Place:
    return shared_engines.engines.place


def as_in_aws() -> Template:
    """The whole template, with what the engine cannot create replaced by what it would be."""
    template = load_template()
    films = yaml.safe_load((RESOURCES / "transcoding.yml").read_text())
    for section in ("Resources", "Outputs"):  # what else is on AWS alone stays away
        for name in films[section]:
            there = json.dumps(template[section][name]).replace('"OnAws"', '"Films"')
            template[section][name] = json.loads(there)
    template["Conditions"]["Films"] = {"Fn::Equals": ["a", "a"]}
    text = json.dumps(template)
    for name, arn in (("MediaConvertQueue", QUEUE), ("MediaConvertHopQueue", HOP_QUEUE)):
        text = text.replace(json.dumps({"Fn::GetAtt": [name, "Arn"]}), json.dumps(arn))
    made: Template = json.loads(text)
    template = made
    pattern = template["Resources"]["JobEventsRule"]["Properties"]["EventPattern"]
    assert pattern["source"] == ["aws.mediaconvert"]
    pattern["source"] = [SOURCE]
    for name in ("MediaConvertQueue", "MediaConvertHopQueue"):
        assert template["Resources"].pop(name)["Type"] == "AWS::MediaConvert::Queue"
    return template


@pytest.fixture
async def in_aws(place: Place) -> dict[str, str]:
    return await provision(place, stack="films", prefix="films", template=as_in_aws())


def test_only_real_aws_is_asked_for_mediaconvert() -> None:
    assert media_on_aws(Place("eu-central-1")) == "true"
    assert media_on_aws(Place("eu-central-1", endpoint_url="http://127.0.0.1:1")) == "false"


async def test_on_one_machine_there_are_a_bucket_and_a_queue_and_nothing_of_mediaconvert(
    place: Place, stack_environment: dict[str, str]
) -> None:
    for name in (*ONLY_IN_AWS, "MEDIA_DOMAIN"):
        assert stack_environment[f"HOMECAST_{name}"] == ""
    async with place.client("s3") as client:
        rules = (await client.get_bucket_cors(Bucket=stack_environment["HOMECAST_MEDIA_BUCKET"]))[
            "CORSRules"
        ]
    assert (rules[0]["AllowedMethods"], rules[0]["AllowedHeaders"]) == (["GET", "HEAD"], ["Range"])
    prefix = stack_environment["HOMECAST_VAULT_TABLE"].removesuffix("-vault")
    async with place.client("events") as client:
        assert (await client.list_rules(NamePrefix=prefix))["Rules"] == []


async def test_the_bucket_takes_nothing_without_tls(
    place: Place, stack_environment: dict[str, str]
) -> None:
    async with place.client("s3") as client:
        answer = await client.get_bucket_policy(Bucket=stack_environment["HOMECAST_MEDIA_BUCKET"])
    (statement,) = json.loads(answer["Policy"])["Statement"]
    assert (statement["Sid"], statement["Effect"]) == ("TlsOnly", "Deny")


def event(**detail: Any) -> dict[str, Any]:
    changed = {**golden("progressing"), "source": SOURCE}
    changed["detail"].update(detail)
    return changed


ELSEWHERE = {**golden("progressing")["detail"]["userMetadata"], "prefix": "somewhere/else/"}


async def test_events_of_our_jobs_reach_the_queue_and_no_others(
    place: Place, in_aws: dict[str, str]
) -> None:
    others = [
        event(queue="arn:aws:mediaconvert:eu-central-1:111122223333:queues/Default"),
        event(userMetadata={}),
        event(userMetadata=ELSEWHERE),
        {**event(), "detail-type": "MediaConvert Something Else"},
        {**event(), "source": "test.other"},
    ]
    wanted = [event(jobId="ours-1"), event(jobId="ours-2", queue=HOP_QUEUE)]
    entries = [
        {
            "Source": one["source"],
            "DetailType": one["detail-type"],
            "Detail": json.dumps(one["detail"]),
        }
        for one in [*others, *wanted]
    ]
    async with place.client("events") as client:
        assert (await client.put_events(Entries=entries))["FailedEntryCount"] == 0
    reader = JobEvents(MediaInMemory(), "media")
    received = [json.loads(body) for body in await bodies(place, in_aws)]
    assert {one["source"] for one in received} == {SOURCE}
    as_sent = [{**one, "source": "aws.mediaconvert"} for one in received]
    reports = [await reader.decode(one) for one in as_sent]
    found = sorted((one.job_id, one.status) for one in reports if one is not None)
    assert found == [("ours-1", JobStatus.PROGRESSING), ("ours-2", JobStatus.PROGRESSING)]


async def bodies(place: Place, names: dict[str, str]) -> list[str]:
    """Until a poll brings nothing."""
    found: list[str] = []
    async with place.client("sqs") as client:
        url = names["HOMECAST_JOB_EVENTS_QUEUE"]
        while True:
            answer = await client.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            if not (messages := answer.get("Messages", [])):
                return found
            found += [message["Body"] for message in messages]


async def test_renditions_are_delivered_by_https_compressed_and_kept_for_ever(
    place: Place, in_aws: dict[str, str]
) -> None:
    async with place.client("cloudfront") as client:
        listed = (await client.list_distributions())["DistributionList"]["Items"]
        domain = in_aws["HOMECAST_MEDIA_DOMAIN"]
        (summary,) = [one for one in listed if one["DomainName"] == domain]
        found = await client.get_distribution_config(Id=summary["Id"])
        behaviour = found["DistributionConfig"]["DefaultCacheBehavior"]
        assert (behaviour["ViewerProtocolPolicy"], behaviour["Compress"]) == ("https-only", True)
        headers = await client.get_response_headers_policy(Id=behaviour["ResponseHeadersPolicyId"])
        config = headers["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"]
        (header,) = config["CustomHeadersConfig"]["Items"]
        assert header["Value"] == "public, max-age=31536000, immutable"
        cache = await client.get_cache_policy(Id=behaviour["CachePolicyId"])
        parts = cache["CachePolicy"]["CachePolicyConfig"]
        key = parts["ParametersInCacheKeyAndForwardedToOrigin"]
        assert key["QueryStringsConfig"]["QueryStringBehavior"] == "none"
        assert (key["EnableAcceptEncodingGzip"], key["EnableAcceptEncodingBrotli"]) == (True, False)


async def test_only_the_distribution_reads_and_only_renditions(
    place: Place, in_aws: dict[str, str]
) -> None:
    async with place.client("s3") as client:
        answer = await client.get_bucket_policy(Bucket=in_aws["HOMECAST_MEDIA_BUCKET"])
    _, statement = json.loads(answer["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert statement["Action"] == "s3:GetObject"
    assert statement["Resource"].endswith(f"{in_aws['HOMECAST_MEDIA_BUCKET']}/renditions/*")
    assert ":distribution/" in statement["Condition"]["StringEquals"]["aws:SourceArn"]


def test_mediaconvert_reads_originals_writes_renditions_and_may_do_nothing_else() -> None:
    role = load_template()["Resources"]["MediaConvertRole"]["Properties"]
    (policy,) = role["Policies"]
    allowed = {
        (action, statement["Resource"]["Fn::Sub"].partition("/")[2])
        for statement in policy["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
    }
    assert allowed == {
        ("s3:GetObject", "originals/*"),
        ("s3:PutObject", "renditions/*"),
        ("s3:AbortMultipartUpload", "renditions/*"),
    }


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_queue_of_job_events_takes_them_from_the_rule_alone() -> None:
    policy = load_template()["Resources"]["JobEventsQueuesPolicy"]["Properties"]["PolicyDocument"]
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    source = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert source == {"Fn::GetAtt": ["JobEventsRule", "Arn"]}
