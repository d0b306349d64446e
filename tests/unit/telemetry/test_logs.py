"""Log lines say what was handled and never what it said."""

from __future__ import annotations

import json

import pytest
import structlog

from adapters.outbound.telemetry.logs import SECRET_NAMES, configure_logging, redact


@pytest.fixture(autouse=True)
def default_logging_afterwards() -> object:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize("name", sorted(SECRET_NAMES))
def test_a_field_with_a_secrets_name_leaves_without_its_value(name: str) -> None:
    assert redact(None, "info", {name.upper(): "hc_hidden"}) == {name.upper(): "[redacted]"}


def test_a_line_is_one_json_object_with_process_level_and_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("api")
    structlog.get_logger().info("handled", stream="lane-x", token="hc_hidden")
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "handled"
    assert line["process"] == "api"
    assert line["level"] == "info"
    assert line["stream"] == "lane-x"
    assert line["token"] == "[redacted]"
    assert line["timestamp"].endswith("Z")
