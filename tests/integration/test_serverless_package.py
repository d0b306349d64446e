"""What ``osls`` makes of ``serverless.yml``, without reaching AWS. Needs ``npm ci``."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from adapters.outbound.aws_stack.provision import describe
from adapters.outbound.aws_stack.template import RESOURCES, load_template
from adapters.outbound.embedded.ministack import CREDENTIALS
from tests.support.platform import Engines

ROOT = RESOURCES.parent.parent
OSLS = ROOT / "node_modules" / ".bin" / "osls"
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.slow
async def test_the_package_holds_the_resources_of_the_stage_and_needs_no_aws(
    tmp_path: Path,
) -> None:
    nowhere = {"HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE}
    await osls("package", "--stage", "blue", "--package", str(tmp_path), environment=nowhere)
    packaged = read(tmp_path / "cloudformation-template-update-stack.json")
    ours = load_template()
    for section in ("Parameters", "Conditions", "Resources", "Outputs"):
        assert packaged[section].items() >= ours[section].items()
    provider = read(tmp_path / "serverless-state.json")["service"]["provider"]
    assert provider["stackParameters"] == [
        {"ParameterKey": "Prefix", "ParameterValue": "homecast-blue"},
        {"ParameterKey": "BackupCopyVaultArn", "ParameterValue": ""},
    ]


@pytest.mark.slow
async def test_a_stage_deploys_with_the_outputs_that_the_settings_need(
    shared_engines: Engines,
) -> None:
    """To the embedded AWS, but by the road that leads to AWS."""
    here = {"AWS_ENDPOINT_URL": shared_engines.endpoint_url, "NO_PROXY": "127.0.0.1"}
    await osls("deploy", "--stage", "green", environment=here | CREDENTIALS)
    async with shared_engines.engines.place.client("cloudformation") as client:
        stack = await describe(client, "homecast-green")
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    assert outputs.keys() >= load_template()["Outputs"].keys()
    assert outputs["DevicesEventsTable"] == "homecast-green-devices-events"


async def osls(*arguments: str, environment: dict[str, str]) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    process = await asyncio.create_subprocess_exec(
        *(str(OSLS), *arguments),
        cwd=ROOT,
        env=kept | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, said.decode()


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found
