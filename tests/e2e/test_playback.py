"""A rendition in a real player: hls.js in Chromium plays it to its end, rung after rung."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.outbound.transcoding.ffmpeg.render import FfmpegRenderer, Film
from adapters.outbound.transcoding.probe import Probe
from tests.support import film_host
from tests.support.browser import chromium, visit

pytestmark = pytest.mark.browser

PLAYER = Path(__file__).parents[2] / "node_modules" / "hls.js" / "dist" / "hls.min.js"
PAGE = """<!doctype html><title>player</title><video muted></video><script src="hls.js"></script>
<script>
const video = document.querySelector("video");
window.told = { levels: 0, errors: [], ended: false, played: [] };
const hls = new Hls({ startLevel: 0 });
hls.on(Hls.Events.ERROR, (_, data) => data.fatal && told.errors.push(data.details));
hls.on(Hls.Events.MANIFEST_PARSED, (_, data) => {
  told.levels = data.levels.length;
  video.play();
});
hls.on(Hls.Events.LEVEL_SWITCHED, (_, data) => told.played.push(data.level));
hls.on(Hls.Events.FRAG_CHANGED, (_, data) => {
  if (data.frag.sn >= 0) hls.nextLevel = (data.frag.level + 1) % told.levels;
});
video.addEventListener("ended", () => { told.ended = true; told.at = video.currentTime; });
hls.loadSource("film/main.m3u8");
hls.attachMedia(video);
</script>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if not PLAYER.exists():
        pytest.fail("hls.js is not installed: npm ci")
    folder = tmp_path / "site"
    folder.mkdir()
    shutil.copy(PLAYER, folder / "hls.js")
    (folder / "index.html").write_text(PAGE)
    return folder


@pytest.fixture
def host(folder: Path) -> Iterator[str]:
    with film_host.served(folder) as (host, _):
        yield host


async def test_hls_js_plays_a_rendition_to_its_end_over_all_rungs(
    tmp_path: Path, folder: Path, host: str
) -> None:
    original = film_host.make(tmp_path / "a.mp4", "testsrc2=size=640x360:rate=25", seconds=13)
    source = await Probe().probe(original)
    film = Film(original, source, tmp_path / "scratch", folder / "film", "")
    rendition = await FfmpegRenderer().render(film, lambda *_: None)
    async with chromium() as browser, visit(browser, f"http://{host}/index.html") as shown:
        await shown.page.wait_for_function(
            "window.told.ended || told.errors.length", timeout=60_000
        )
        told: dict[str, Any] = await shown.page.evaluate("window.told")
    assert told["errors"] == []
    assert told["levels"] == len(rendition.rungs) == 2
    assert set(told["played"]) == {0, 1}
    assert abs(told["at"] * 1000 - rendition.duration_ms) < 200
