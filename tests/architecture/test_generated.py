"""Generated documents and declared dependencies do not drift."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.inbound.cli import docs
from adapters.outbound.dynamodb.codec import EVENT_TYPES
from adapters.settings import Settings

ROOT = Path(__file__).parents[2]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_generated_documents_are_up_to_date() -> None:
    done = run(sys.executable, "-m", "adapters.inbound.cli.docs", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_drift_is_found_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = {name: docs.PAGES[name] for name in ("settings.md", "events.md", "state-machines.md")}
    monkeypatch.setattr(docs, "PAGES", ours)
    assert set(docs.drifted(tmp_path)) == set(ours), "what is missing has drifted"
    docs.write(tmp_path)
    assert docs.drifted(tmp_path) == []
    (tmp_path / "events.md").write_text("old")
    assert docs.drifted(tmp_path) == ["events.md"]
    monkeypatch.setattr(docs, "drifted", lambda: ["events.md"])
    assert docs.main(["--check"]) == 1
    assert "events.md" in capsys.readouterr().out


def test_every_event_is_documented_with_its_version() -> None:
    page = docs.events()
    for event_type in EVENT_TYPES.values():
        assert f"### {event_type.TOPIC} ({event_type.class_version})\n" in page


def test_every_setting_is_documented() -> None:
    page = docs.settings()
    for name in Settings.model_fields:
        assert f"`HOMECAST_{name.upper()}`" in page


def test_the_pictures_show_all_machines() -> None:
    page = docs.state_machines()
    assert page.count("```mermaid") == 10
    assert "ACCEPTED --> SENT: gateway" in page


def test_dependencies_are_declared_and_used() -> None:
    done = run(str(Path(sys.executable).parent / "deptry"), ".")
    assert done.returncode == 0, done.stderr


def test_an_undeclared_dependency_is_found(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    package = tmp_path / "domain"
    package.mkdir()
    (package / "__init__.py").write_text("import pytest_asyncio\nimport numpy\n")
    command = [str(Path(sys.executable).parent / "deptry"), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "'numpy' imported but missing" in done.stderr
