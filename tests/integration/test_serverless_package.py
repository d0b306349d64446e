"""What ``osls`` makes of ``serverless.yml``, without reaching AWS. Needs ``npm ci``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.outbound.aws_stack.functions import osls
from adapters.outbound.aws_stack.template import load_template

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.slow
async def test_the_package_holds_the_resources_of_the_stage_and_needs_no_aws(
    tmp_path: Path,
) -> None:
    nowhere = {"HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE}
    place = ("--stage", "blue", "--param", "libraries=none", "--package", str(tmp_path))
    await osls("package", *place, environment=nowhere)
    packaged = read(tmp_path / "cloudformation-template-update-stack.json")
    ours = load_template()
    for section in ("Parameters", "Conditions", "Resources", "Outputs"):
        assert packaged[section].items() >= ours[section].items()
    provider = read(tmp_path / "serverless-state.json")["service"]["provider"]
    assert provider["stackParameters"] == [
        {"ParameterKey": "Prefix", "ParameterValue": "homecast-blue"},
        {"ParameterKey": "BackupCopyVaultArn", "ParameterValue": ""},
    ]


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found
