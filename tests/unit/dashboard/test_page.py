"""The web pages' files as they are served: policy, caching, and nothing from elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from adapters.inbound.dashboard import ASSETS, PAGES, mount, origin_of, read_release

SOURCES = sorted(path for path in ASSETS.rglob("*") if path.suffix in {".js", ".css", ".html"})
MODULES = [path for path in SOURCES if path.suffix == ".js"]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    mount(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        yield client


def addresses(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="(/[^"]+)"', page)


def policy_of(answer: httpx.Response) -> dict[str, str]:
    parts = answer.headers["content-security-policy"].split("; ")
    return dict(one.split(" ", 1) for one in parts)


OWN_FILES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


@pytest.mark.parametrize(
    ("path", "allowed"), [("/", OWN_FILES), ("/ads", OWN_FILES | {"media-src": "'self'"})]
)
async def test_a_page_allows_nothing_but_its_own_files(
    client: httpx.AsyncClient, path: str, allowed: dict[str, str]
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert policy_of(answer) == allowed
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_films_and_posters_may_come_from_where_they_are_served() -> None:
    app = FastAPI()
    mount(app, media_url="https://films.example/media")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as one:
        allowed = policy_of(await one.get("/ads"))
        assert allowed["media-src"] == "'self' https://films.example"
        assert allowed["img-src"] == "'self' https://films.example data:"
        assert policy_of(await one.get("/")) == OWN_FILES


@pytest.mark.parametrize(
    "url", ["films.example", "https://a b", "https://a;script-src *", "data:video/mp4", "https://"]
)
def test_what_is_no_address_never_gets_into_a_policy(url: str) -> None:
    with pytest.raises(ValueError, match="http address"):
        origin_of(url)


@pytest.mark.parametrize("path", PAGES)
async def test_whatever_a_page_names_is_there_and_kept_for_ever(
    client: httpx.AsyncClient, path: str
) -> None:
    page = (await client.get(path)).text
    assert "{{" not in page
    named = [address for address in addresses(page) if address.startswith("/assets/")]
    assert len(named) > 10
    for address in named:
        answer = await client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_every_module_is_loaded_ahead_by_the_pages_that_need_it(
    client: httpx.AsyncClient,
) -> None:
    named = {path: (await client.get(path)).text for path in PAGES}
    ahead = {path: set(re.findall(r"/([\w-]+\.js)", text)) for path, text in named.items()}
    assert set.union(*ahead.values()) == {path.name for path in MODULES}
    assert "dom.js" in ahead["/"] & ahead["/ads"]
    assert "home.js" not in ahead["/ads"]
    assert "board.js" not in ahead["/"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_asked_for_again_and_not_sent_twice(
    client: httpx.AsyncClient, path: str
) -> None:
    first = await client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await client.head(path)
    assert (head.status_code, head.headers["etag"]) == (200, first.headers["etag"])


async def test_an_asset_of_another_release_is_served_but_not_kept(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/assets/0123456789abcdef/app.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..%2f__init__.py"])
async def test_only_assets_are_served(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/assets/0123456789abcdef/{name}")).status_code == 404


def test_the_digest_changes_with_any_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("assets")
    (folder / "parts").mkdir()
    (folder / "parts" / "top.html").write_text("<b>")
    (folder / "a.html").write_text('{{part top}}\n{{preloads}}\n<script src="{{assets}}/a.js">')
    (folder / "a.js").write_text('import { x } from "./b.js";')
    (folder / "b.js").write_text("1")
    digests = set()
    for name in ("b.js", "a.js", "parts/top.html", "a.html"):
        release = read_release(folder, {"/": "a.html"})
        assert f"/assets/{release.digest}/b.js".encode() in release.pages["/"]
        digests.add(release.digest)
        path = folder / name
        path.write_text(path.read_text() + " ")
    assert len(digests) == 4


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere_and_no_text_becomes_markup(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    foreign = [url for url in re.findall(r"https?://[^\s\"')]+", text) if "w3.org" not in url]
    assert foreign == []
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert forbidden not in text
    assert not re.search(r"\sstyle=|\son[a-z]+=\"|<style|<script(?![^>]*\ssrc=)", text)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_what_a_module_imports_is_exported_where_it_says(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for names, module in re.findall(r'import \{([^}]+)\} from "\./([\w.]+)"', text):
        exported = (ASSETS / module).read_text(encoding="utf-8")
        for name in (one.strip() for one in names.split(",") if one.strip()):
            assert re.search(rf"export (?:async )?(?:const|class|function) {name}\b", exported), (
                name
            )


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


TEXT_ON_GROUND = [
    (ink, ground)
    for ground in ("ground", "card")
    for ink in ("ink", "soft", "accent", "good", "bad")
] + [
    ("accent-ink", "accent"),
    ("accent", "tint"),
    ("glow-ink", "glow"),
    ("warn", "warn-tint"),
    ("ink", "bad-tint"),
    ("ink", "sunken"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT_ON_GROUND)
def test_text_is_readable_in_both_schemes(scheme: str, ink: str, ground: str) -> None:
    light, dark, *_ = re.findall(
        r":root \{(.*?)\}", (ASSETS / "app.css").read_text(), flags=re.DOTALL
    )
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light if scheme == "light" else dark))
    assert contrast(colours[ink], colours[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("part", ["edge", "accent", "good", "bad"])
def test_what_shows_a_state_stands_out(scheme: str, part: str) -> None:
    light, dark, *_ = re.findall(
        r":root \{(.*?)\}", (ASSETS / "app.css").read_text(), flags=re.DOTALL
    )
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light if scheme == "light" else dark))
    assert contrast(colours[part], colours["card"]) >= 3


SCRIPT = """
import { Api } from "./api.mjs";
const requests = [];
const answers = [
  [202, {}, { "Consistency-Token": "t1" }], [200, {}], [503, { code: "read_model_behind" }],
  [200, {}],
];
globalThis.fetch = async (path, { headers }) => {
  requests.push(headers["Consistency-Token"] ?? null);
  const [status, body, more] = answers.shift();
  return new Response(JSON.stringify(body), { status, headers: more });
};
const session = { token: async () => "token", renewed: async () => null };
const api = new Api(session, () => {});
await api.submit("lamp", {}, "key");
await api.command("lamp", 1);
await api.live(null, "", null).catch(() => {});
await api.live(null, "", null);
console.log(JSON.stringify(requests));
"""


@pytest.mark.slow
def test_what_was_just_sent_is_asked_for_until_it_cannot_be_had(tmp_path: Path) -> None:
    """In Node.js, which has what the module needs of a browser."""
    (tmp_path / "api.mjs").write_text((ASSETS / "api.js").read_text())
    (tmp_path / "script.mjs").write_text(SCRIPT)
    command = ["node", str(tmp_path / "script.mjs")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [None, "t1", "t1", None]
