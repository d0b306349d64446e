"""``homecast report``: what it asks, and how it shows the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from adapters.inbound.cli import report_commands
from adapters.inbound.cli.edge import Commands


@dataclass
class FakeApi:
    """``ApiClient``, as far as reports go."""

    truncated: bool = False
    rows: list[list[Any]] = field(default_factory=lambda: [["acme\x1b[31m", 7, 0.123456]])
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> FakeApi:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def reports(self) -> list[dict[str, Any]]:
        return [{"name": "fill-rate", "title": "Fill rate", "filters": ["broker"]}]

    def report(self, name: str, query: dict[str, str]) -> dict[str, Any]:
        self.asked.append((name, query))
        return {
            "name": name,
            "columns": ["broker", "requests", "fill_rate"],
            "rows": self.rows,
            "truncated": self.truncated,
        }


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    api = FakeApi()
    monkeypatch.setattr(report_commands, "connect", lambda: api)
    return api


def run(*words: str) -> Result:
    app = typer.Typer(cls=Commands)
    app.callback()(lambda: None)
    report_commands.register(app)
    return CliRunner().invoke(app, ["report", *words])


def test_a_report_is_shown_for_people_and_for_programs(api: FakeApi) -> None:
    days = ("--from", "2026-11-01", "--to", "2026-11-07")
    told = run("fill-rate", *days, "--broker", "acme")
    assert told.exit_code == 0, told.output
    assert "acme" in told.stdout
    assert "0.1235" in told.stdout
    assert "\x1b[31m" not in told.stdout, "names come from brokers"
    asked = {"from": "2026-11-01", "to": "2026-11-07", "limit": "1000", "broker": "acme"}
    assert api.asked == [("fill-rate", asked)]
    shown = json.loads(run("fill-rate", *days, "--json").stdout)
    assert shown["rows"] == api.rows


def test_more_rows_and_none_are_told(api: FakeApi) -> None:
    api.truncated = True
    assert "more than 3 rows" in run("latency", "--limit", "3").stderr
    api.truncated, api.rows = False, []
    assert "Nothing was recorded" in run("latency").stdout


def test_without_a_name_the_reports_are_listed(api: FakeApi) -> None:
    assert "--broker" in run().stdout
    assert json.loads(run("--json").stdout)[0]["name"] == "fill-rate"


def test_a_day_that_is_none_is_wrong_usage(api: FakeApi) -> None:
    assert run("latency", "--from", "yesterday").exit_code == 2
    assert not api.asked
