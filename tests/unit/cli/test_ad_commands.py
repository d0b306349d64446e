"""``homecast broker``, ``creative``, ``block``: what each asks of the API, and that it is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from adapters.inbound.cli import ad_commands
from adapters.inbound.cli.edge import Commands

CREATIVE: dict[str, Any] = {
    "id": "abcdefghijklmnopqrstuvwx23",
    "status": "QUARANTINED",
    "ad": {"title": "Spring\x1b[31m"},
    "media_url": "https://films.example/a.mp4",
    "progress": None,
    "error_words": "The film is broken.",
    "content": "",
    "linked_to": None,
    "reason": "undecodable",
    "detail": None,
    "rendition": {"hls_url": "h", "dash_url": "d", "preview_url": "p"},
    "history": [{"at": "2026-11-25T00:00:00Z", "event": "creative_discovered"}],
}
BROKER: dict[str, Any] = {
    "name": "acme",
    "status": "ACTIVE",
    "version": 3,
    "config": {"url": "https://ads.example/vast"},
    "health": {"status": "degraded", "requests": 7, "p95_ms": 812.0},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "GET /v1/brokers": {"items": [BROKER]},
    "GET /v1/brokers/acme": BROKER,
    "PUT /v1/brokers/acme": BROKER,
    "DELETE /v1/brokers/acme": {},
    "POST /v1/brokers/acme/keys": {"id": "K1", "key": "hcp_x"},
    "GET /v1/brokers/acme/keys": {"items": [{"id": "K1", "created_at": "now", "label": "tv"}]},
    "DELETE /v1/brokers/acme/keys/K1": {},
    "GET /v1/creatives": {"items": [CREATIVE]},
    "POST /v1/creatives": {"items": [CREATIVE]},
    "GET /v1/creatives/c": CREATIVE,
    **{
        f"POST /v1/creatives/c/{what}": CREATIVE
        for what in ("retry", "cancel", "quarantine", "release")
    },
    **{
        f"{method} /v1/blocklist": {"entries": [{"kind": "advertiser", "value": "Acme"}]}
        for method in ("GET", "POST", "DELETE")
    },
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def ask(method: str, path: str, **options: Any) -> dict[str, Any]:
        found.append((f"{method} {path}", options.get("json", options.get("params"))))
        return ANSWERS[f"{method} {path}"]

    monkeypatch.setattr(ad_commands, "ask", ask)
    return found


def run(*words: str) -> Result:
    app = typer.Typer(cls=Commands)
    ad_commands.register(app)
    return CliRunner().invoke(app, list(words))


ENTRY = {"kind": "advertiser", "value": "Acme"}


@pytest.mark.parametrize(
    ("words", "request_line", "sent", "shown"),
    [
        ("broker list", "GET /v1/brokers", None, "degraded"),
        ("broker show acme", "GET /v1/brokers/acme", None, "https://ads.example/vast"),
        ("broker retire acme", "DELETE /v1/brokers/acme", None, "retired"),
        ("broker key create acme --label tv", "POST /v1/brokers/acme/keys",
         {"label": "tv"}, "hcp_x"),
        ("broker key list acme", "GET /v1/brokers/acme/keys", None, "K1"),
        ("broker key revoke acme K1", "DELETE /v1/brokers/acme/keys/K1", None, "revoked"),
        ("creative list --status FAILED", "GET /v1/creatives",
         {"limit": "50", "status": "FAILED"}, "The film is broken."),
        ("creative show c", "GET /v1/creatives/c", None, "creative_discovered"),
        ("creative ingest https://f.example/1.mp4", "POST /v1/creatives",
         {"items": [{"media_url": "https://f.example/1.mp4"}]}, "Spring"),
        ("creative retry c", "POST /v1/creatives/c/retry", {}, "QUARANTINED"),
        ("creative cancel c", "POST /v1/creatives/c/cancel", {}, "QUARANTINED"),
        ("creative quarantine c --reason ugly", "POST /v1/creatives/c/quarantine",
         {"reason": "ugly"}, "QUARANTINED"),
        ("creative release c", "POST /v1/creatives/c/release", {}, "QUARANTINED"),
        ("block list", "GET /v1/blocklist", None, "Acme"),
        ("block add advertiser Acme", "POST /v1/blocklist", {"entry": ENTRY, "reason": ""}, "Acme"),
        ("block remove advertiser Acme", "DELETE /v1/blocklist", {"entry": ENTRY}, "Acme"),
    ],
)  # fmt: skip
def test_a_command_asks_the_api_and_shows_the_answer(
    asked: list[tuple[str, Any]], words: str, request_line: str, sent: Any, shown: str
) -> None:
    told = run(*words.split())
    assert told.exit_code == 0, told.output
    assert asked == [(request_line, sent)]
    assert shown in told.output
    assert "\x1b[31m" not in told.output, "titles come from brokers"
    json.loads(run(*words.split(), "--json").stdout)


def test_a_broker_is_configured_as_a_whole(asked: list[tuple[str, Any]]) -> None:
    told = run("broker", "set", "acme", "--url", "https://ads.example/vast", "--cpm", "8.50")
    assert told.exit_code == 0, told.output
    price = {"match": "any", "cpm": "8.50", "currency": "EUR"}
    config = {"url": "https://ads.example/vast", "format": "vast", "time_limit_ms": 3000}
    assert asked == [("PUT /v1/brokers/acme", config | {"prices": [price]})]
