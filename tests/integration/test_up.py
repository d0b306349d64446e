"""``homecast up`` and ``deploy-local`` as a person runs them: in a terminal, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.inbound.cli.processes import command_of
from adapters.settings import read_environment

ROOT = Path(__file__).parents[2]
HOMECAST = (sys.executable, "-m", "adapters.inbound.cli")
UP = (*HOMECAST, "up", "--devices", "4")
DEPLOY_LOCAL = (*HOMECAST, "deploy-local", "--devices", "2")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await start(tmp_path)
    yield process
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 60)


async def start(directory: Path, command: tuple[str, ...] = UP) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOMECAST_")}
    return await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env=kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


@pytest.mark.slow
async def test_commands_flow_until_ctrl_c_and_the_same_home_is_there_the_next_time(
    tmp_path: Path, terminal: asyncio.subprocess.Process
) -> None:
    said = await read_until(terminal, "SUCCEEDED in")
    environment = read_environment(tmp_path / ".homecast" / "environment")
    home = json.loads((tmp_path / ".homecast" / "demo.json").read_text())
    assert (tmp_path / ".homecast" / "demo.json").stat().st_mode & 0o777 == 0o600
    token, public_url = home["token"], environment["HOMECAST_PUBLIC_URL"]
    assert f"{environment['HOMECAST_API_URL']}/#token={token}" in said
    assert f"{public_url}/account  (demo@homecast.example / {home['password']})" in said
    assert f"{public_url}/dev/outbox" in said
    pids = running(tmp_path)
    assert pids.keys() >= {"ministack", "redis", "api", "gateway", "relay", "projector", "devices"}

    second = await start(tmp_path)
    refused, _ = await asyncio.wait_for(second.communicate(), 60)
    assert second.returncode == 1
    assert f"running in this folder already (process {terminal.pid})" in refused.decode()

    terminal.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(terminal.wait(), 60) == 0
    assert {name: command_of(pid) for name, pid in pids.items()} == dict.fromkeys(pids)

    again = await start(tmp_path)
    said = await read_until(again, "SUCCEEDED in")
    assert f"#token={token}" in said
    assert f"(demo@homecast.example / {home['password']})" in said
    assert "4 devices come online" in said
    again.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(again.wait(), 60) == 0


@pytest.mark.slow
async def test_commands_flow_through_functions_on_an_engine_of_their_own_until_ctrl_c(
    tmp_path: Path,
) -> None:
    """Needs ``npm ci``."""
    deployed = await start(tmp_path, DEPLOY_LOCAL)
    said = await read_until(deployed, "SUCCEEDED in")
    assert "/_aws/execute-api/" in said
    pids = running(tmp_path / ".homecast" / "functions", ".")
    assert pids.keys() >= {"ministack", "redis", "gateway", "sweeper", "policies", "outbox"}
    assert not pids.keys() & {"api", "relay", "projector"}, "these are functions"
    deployed.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(deployed.wait(), 60) == 0
    assert {name: command_of(pid) for name, pid in pids.items()} == dict.fromkeys(pids)


def running(directory: Path, folder: str = ".homecast") -> dict[str, int]:
    files = (directory / folder / "run").glob("*.pid")
    return {file.stem: json.loads(file.read_text())["pid"] for file in files}


async def read_until(process: asyncio.subprocess.Process, wanted: str) -> str:
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(120):
        while wanted not in said:
            line = await process.stdout.readline()
            assert line, said
            said += line.decode()
    return said
