"""What ``osls`` makes of ``serverless.yml``, without reaching AWS. Needs ``npm ci``."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from adapters.outbound.aws_stack.template import RESOURCES, load_template

ROOT = RESOURCES.parent.parent
OSLS = ROOT / "node_modules" / ".bin" / "osls"
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.slow
async def test_the_package_holds_the_resources_of_the_stage_and_needs_no_aws(
    tmp_path: Path,
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    osls = await asyncio.create_subprocess_exec(
        *(str(OSLS), "package", "--stage", "blue", "--package", str(tmp_path)),
        cwd=ROOT,
        env=kept | {"HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(osls.communicate(), 120)
    assert osls.returncode == 0, said.decode()
    packaged = read(tmp_path / "cloudformation-template-update-stack.json")
    ours = load_template()
    for section in ("Parameters", "Resources", "Outputs"):
        assert packaged[section].items() >= ours[section].items()
    provider = read(tmp_path / "serverless-state.json")["service"]["provider"]
    assert provider["stackParameters"] == [
        {"ParameterKey": "Prefix", "ParameterValue": "homecast-blue"}
    ]


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found
