"""The IAB's intro film, a film that we did not make, on its way to a rendition."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.outbound.transcoding.ffmpeg.render import Encoding, FfmpegRenderer, Film
from adapters.outbound.transcoding.probe import Probe
from domain.media.ladder import LADDER
from tests.conformance.samples import MISSING, ROOT

pytestmark = pytest.mark.slow

FILM = ROOT / "short-intro.mp4"


async def test_the_iabs_intro_film_is_rendered_within_its_own_size(tmp_path: Path) -> None:
    if not FILM.exists():
        pytest.skip(MISSING)
    source = await Probe().probe(FILM)
    assert (source.width, source.height) == (1280, 720)
    assert round(source.frame_rate, 2) == 29.97
    film = Film(FILM, source, tmp_path / "scratch", tmp_path / "out", "")
    rendition = await FfmpegRenderer(Encoding(preset="veryfast")).render(film, lambda *_: None)
    wanted = [(one.width, one.height) for one in LADDER.rungs(source)]
    assert [(one.width, one.height) for one in rendition.rungs] == wanted
    assert wanted[-1] == (1280, 720)
    assert abs(rendition.duration_ms - source.duration_ms) < 100
    for name in (rendition.hls, rendition.dash, rendition.preview, rendition.poster):
        assert (tmp_path / "out" / name).stat().st_size > 0
