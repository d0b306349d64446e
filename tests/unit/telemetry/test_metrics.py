"""Metric lines are what CloudWatch's Embedded Metric Format asks for, and few."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.outbound.telemetry import metrics as module
from adapters.outbound.telemetry.metrics import EmbeddedMetrics
from tests.support.waiting import eventually


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def metrics(lines: list[dict[str, Any]]) -> EmbeddedMetrics:
    return EmbeddedMetrics(
        "relay", write=lambda line: lines.append(json.loads(line)), clock=lambda: 1_700_000_000.5
    )


def test_a_line_tells_cloudwatch_which_of_its_fields_are_metrics(
    metrics: EmbeddedMetrics, lines: list[dict[str, Any]]
) -> None:
    metrics.gauge("RelayLag", 2.5, "Seconds", context="devices")
    metrics.count("EventsPublished", 3, context="devices")
    metrics.flush()
    assert lines == [
        {
            "_aws": {
                "Timestamp": 1_700_000_000_500,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Homecast",
                        "Dimensions": [["service", "context"]],
                        "Metrics": [
                            {"Name": "RelayLag", "Unit": "Seconds"},
                            {"Name": "EventsPublished", "Unit": "Count"},
                        ],
                    }
                ],
            },
            "event": "metrics",
            "service": "relay",
            "context": "devices",
            "RelayLag": 2.5,
            "EventsPublished": 3,
        }
    ]


def test_counts_add_up_and_gauges_keep_the_highest(
    metrics: EmbeddedMetrics, lines: list[dict[str, Any]]
) -> None:
    for value in (1.0, 7.0, 3.0):
        metrics.gauge("RelayLag", value, "Seconds", context="devices")
        metrics.count("EventsPublished", context="devices")
    metrics.flush()
    assert (lines[0]["RelayLag"], lines[0]["EventsPublished"]) == (7.0, 3)


def test_each_set_of_dimensions_has_a_line(
    metrics: EmbeddedMetrics, lines: list[dict[str, Any]]
) -> None:
    for context in ("devices", "accounts", "devices"):
        metrics.count("EventsPublished", context=context)
    metrics.flush()
    assert {line["context"]: line["EventsPublished"] for line in lines} == {
        "devices": 2,
        "accounts": 1,
    }


def test_what_was_sent_is_not_sent_again(
    metrics: EmbeddedMetrics, lines: list[dict[str, Any]]
) -> None:
    metrics.count("EventsPublished")
    metrics.flush()
    metrics.flush()
    assert len(lines) == 1


async def test_lines_leave_regularly_and_at_the_end(
    metrics: EmbeddedMetrics, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.01)
    async with metrics.flushed():
        metrics.count("EventsPublished")
        await eventually(lambda: sent(lines), within=5)
        metrics.count("PublishRetries")
    assert lines[-1]["PublishRetries"] == 1


async def sent(lines: list[dict[str, Any]]) -> bool:
    return bool(lines)


def test_by_default_lines_go_where_the_log_goes(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = EmbeddedMetrics("relay")
    metrics.count("EventsPublished")
    metrics.flush()
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["EventsPublished"] == 1
