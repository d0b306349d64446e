"""What the page of ads decides: where a creative belongs, what lists say, when to ask (Node.js)."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from adapters.inbound.dashboard import ASSETS
from domain.media.creative import CreativeStatus

pytestmark = pytest.mark.slow  # as all that needs Node.js
STATUSES = [one.value for one in CreativeStatus]


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs a script beside the page's modules; gives what it prints, as JSON."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for path in ASSETS.glob("*.js"):
        shutil.copy(path, tmp_path)

    def run(script: str) -> Any:
        (tmp_path / "script.js").write_text(script)
        command = ["node", str(tmp_path / "script.js")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return json.loads(done.stdout)

    return run


def test_every_status_has_its_place_its_words_and_its_acts(run: Any) -> None:
    found = run(f"""
        import {{ STATUSES, columnOf, actsFor }} from "./creatives.js";
        import {{ STATUS, stageWords }} from "./adwords.js";
        const all = {json.dumps(STATUSES)};
        console.log(JSON.stringify({{
            listed: [...STATUSES].sort(),
            words: all.filter((status) => !STATUS[status]),
            columns: Object.fromEntries(all.map((status) => [status, columnOf({{ status }})])),
            acts: Object.fromEntries(all.map((status) => [status, actsFor({{ status }})])),
        }}));
    """)
    assert found["listed"] == sorted(STATUSES)
    assert found["words"] == []
    assert found["columns"] == {
        "DISCOVERED": "way", "FETCHED": "way", "SUBMITTED": "way", "PROGRESSING": "way",
        "COMPLETE": "ready", "LINKED": "ready", "RELEASED": "way",
        "FAILED": "trouble", "QUARANTINED": "trouble", "CANCELED": "trouble",
    }  # fmt: skip
    assert found["acts"]["FAILED"] == ["retry", "quarantine"]
    assert found["acts"]["PROGRESSING"] == ["cancel", "quarantine"]
    assert found["acts"]["QUARANTINED"] == ["release"]
    assert found["acts"]["COMPLETE"] == ["quarantine"]


def test_a_list_that_lags_takes_nothing_back_and_a_creative_is_gone_when_missed_twice(
    run: Any,
) -> None:
    assert run("""
        import { Creatives } from "./creatives.js";
        const known = new Creatives();
        const one = (status, at) => ({ id: "a", status, updated_at: `2026-11-24T10:00:0${at}Z` });
        const seen = [];
        const note = () => seen.push(known.get("a")?.status ?? null);
        known.take("PROGRESSING", { items: [one("PROGRESSING", 1)] }); note();
        known.takeOne(one("COMPLETE", 2)); note();
        known.take("PROGRESSING", { items: [one("PROGRESSING", 1)] }); note();
        known.take("COMPLETE", { items: [] }); note();
        known.take("COMPLETE", { items: [one("COMPLETE", 2)] });
        known.take("COMPLETE", { items: [] }); note();
        known.take("COMPLETE", { items: [] }); note();
        console.log(JSON.stringify(seen));
    """) == ["PROGRESSING", "COMPLETE", "COMPLETE", "COMPLETE", "COMPLETE", None]


def test_what_is_beyond_the_first_page_is_not_missed(run: Any) -> None:
    assert run("""
        import { Creatives } from "./creatives.js";
        const known = new Creatives();
        const one = (id) => ({ id, status: "COMPLETE", updated_at: `2026-11-24T10:00:0${id}Z` });
        known.take("COMPLETE", { items: [one("9"), one("8")], next_cursor: "x" });
        known.take("COMPLETE", { items: [one("2")], next_cursor: null }, false);
        for (let round = 0; round < 3; round += 1) {
            known.take("COMPLETE", { items: [one("9"), one("8")], next_cursor: "x" });
        }
        console.log(JSON.stringify([known.all().map(({ id }) => id), known.hasMore(["COMPLETE"])]));
    """) == [["9", "8", "2"], True]


POLLER = """
    import { Poller } from "./poller.js";
    globalThis.document = Object.assign(new EventTarget(), { hidden: false });
    const waits = [];
    globalThis.setTimeout = (resume, milliseconds) => {
        waits.push(Math.round(milliseconds));
        if (waits.length < ROUNDS) queueMicrotask(resume);
    };
    const states = [];
    const poller = new Poller({
        look: async () => { LOOK },
        pause: () => 1000,
        onState: (state) => states.push(state),
    });
    Math.random = () => 1;
    process.on("exit", () => console.log(JSON.stringify({ waits, states })));
    poller.run();
"""


def test_pauses_grow_while_looks_fail_and_are_bounded(run: Any) -> None:
    look = "throw Object.assign(new Error(), { status: 503 });"
    found = run(POLLER.replace("ROUNDS", "8").replace("LOOK", look))
    assert found["waits"] == [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]
    assert set(found["states"]) == {"lost"}


def test_the_platform_says_how_long_to_wait(run: Any) -> None:
    look = "throw Object.assign(new Error(), { status: 429, retryAfter: 45 });"
    assert run(POLLER.replace("ROUNDS", "1").replace("LOOK", look))["waits"] == [45_000]


def test_a_token_without_the_scope_is_not_tried_again(run: Any) -> None:
    look = "throw Object.assign(new Error(), { status: 403 });"
    found = run(POLLER.replace("ROUNDS", "5").replace("LOOK", look))
    assert found == {"waits": [], "states": ["refused"]}


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("/media/a.mp4", "https://page.example/media/a.mp4"),
        ("https://films.example/a.mp4", "https://films.example/a.mp4"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("http://[", None),
        ("", None),
        (None, None),
    ],
)
def test_only_addresses_of_the_web_become_links(
    run: Any, url: str | None, link: str | None
) -> None:
    assert (
        run(f"""
        import {{ webAddress }} from "./adwords.js";
        globalThis.location = {{ href: "https://page.example/ads" }};
        console.log(JSON.stringify(webAddress({json.dumps(url)})));
    """)
        == link
    )
