"""What ``osls`` makes of ``serverless.yml``, without reaching AWS. Needs ``npm ci``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.outbound.aws_stack.artifacts import build_code
from adapters.outbound.aws_stack.functions import osls
from adapters.outbound.aws_stack.template import load_template, variable_of

ENVIRONMENT_LIMIT = 4096
"""Bytes of a function's variables, all together."""
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.slow
async def test_the_package_holds_the_resources_of_the_stage_and_needs_no_aws(
    tmp_path: Path,
) -> None:
    nowhere = {"HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE}
    place = ("--stage", "blue", "--param", "archive=code", "--package", str(tmp_path))
    build_code()
    await osls("package", *place, environment=nowhere)
    packaged = read(tmp_path / "cloudformation-template-update-stack.json")
    ours = load_template()
    for section in ("Parameters", "Conditions", "Resources", "Outputs"):
        assert packaged[section].items() >= ours[section].items()
    provider = read(tmp_path / "serverless-state.json")["service"]["provider"]
    assert provider["stackParameters"] == [
        {"ParameterKey": "Prefix", "ParameterValue": "homecast-blue"},
        {"ParameterKey": "BackupCopyVaultArn", "ParameterValue": ""},
        {"ParameterKey": "MediaOnAws", "ParameterValue": "true"},
        {"ParameterKey": "MediaPriceClass", "ParameterValue": "PriceClass_100"},
    ]
    for name in ("Api", "Relay", "Projector"):
        function = packaged["Resources"][f"{name}LambdaFunction"]["Properties"]
        variables = function["Environment"]["Variables"]
        outputs = {variable_of(key): one["Value"] for key, one in ours["Outputs"].items()}
        assert {
            key: outputs[key] for key in variables if key in outputs
        }.items() <= variables.items()
        assert size_at_aws(variables, packaged["Resources"]) < ENVIRONMENT_LIMIT


def size_at_aws(variables: dict[str, Any], resources: dict[str, Any]) -> int:
    """About what they will take, with the account's number and region in URLs and ARNs."""
    prefix = "homecast-" + "s" * 12
    names = {
        "AWS::SQS::Queue": "https://sqs.ap-southeast-2.amazonaws.com/123456789012/",
        "AWS::SNS::Topic": "arn:aws:sns:ap-southeast-2:123456789012:",
        "AWS::DynamoDB::Table": "",
        "AWS::S3::Bucket": "",
    }
    total = 0
    for name, value in variables.items():
        size = len(str(value))
        if isinstance(value, dict) and (target := resources.get(value.get("Ref", ""))):
            (own,) = (v for k, v in target["Properties"].items() if k.endswith("Name"))
            head = names[target["Type"]]
            size = len(head) + len(own["Fn::Sub"].replace("${Prefix}", prefix))
        total += len(name) + size
    return total


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found
