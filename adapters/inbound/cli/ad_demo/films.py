"""The films of the demo's ads: short, small, made once, and odd in the ways that films are odd."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg

SECONDS = 6
SMALL = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bitexact")
TONE = ("-f", "lavfi", "-i", f"sine=frequency=330:duration={SECONDS}", "-c:a", "aac")
ODD_SOUND = ("-f", "lavfi", "-i", f"sine=frequency=523:duration={SECONDS}", "-c:a", "aac")
CAPTIONS = """1
00:00:00,500 --> 00:00:02,500
Every film once,

2
00:00:03,000 --> 00:00:05,500
in one format for all.
"""
TIME_LIMIT = 120


def source(picture: str) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"{picture}:duration={SECONDS}:rate=25")


RECIPES: dict[str, Sequence[str]] = {
    "wide.mp4": (*source("testsrc2=size=1280x720"), *TONE, *SMALL),
    "silent.mp4": (*source("smptehdbars=size=640x360"), *SMALL),
    "four-three.mp4": (*source("testsrc=size=640x480"), *ODD_SOUND, *SMALL),
    "mezzanine.mp4": (*source("rgbtestsrc=size=960x540"), *TONE, *SMALL, "-b:v", "4M"),
    "low.mp4": (*source("rgbtestsrc=size=320x180"), *TONE, *SMALL),
    "tiny.mp4": (*source("yuvtestsrc=size=160x90"), *ODD_SOUND, *SMALL),
    "captioned.mp4": (*source("smptebars=size=640x360"), *TONE, *SMALL),
    "slate.mp4": (*source("color=color=0x20242a:size=640x360"), *SMALL),
}
"""What ffmpeg is told, by file."""


def make_films(folder: Path) -> None:
    """Those that are missing. About ten seconds at the first start."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, recipe in RECIPES.items():
        if not (folder / name).exists():
            made(folder, name, recipe)
    upright = folder / "turned.mp4"
    if not upright.exists():  # a phone's film: lying on its side, with a word about it
        turn = ("-display_rotation", "90", "-i", str(folder / "four-three.mp4"), "-c", "copy")
        made(folder, upright.name, turn)
    copy, broken = folder / "same-as-wide.mp4", folder / "broken.mp4"
    if not copy.exists():
        copy.write_bytes((folder / "wide.mp4").read_bytes())
    if not broken.exists():
        broken.write_bytes((folder / "tiny.mp4").read_bytes()[:3_000])
    (folder / "captions.srt").write_text(CAPTIONS)


def made(folder: Path, name: str, recipe: Sequence[str]) -> None:
    """Under another name first: what is there is whole."""
    partial = folder / f"partial-{name}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *recipe]
    subprocess.run([*command, str(partial)], check=True, timeout=TIME_LIMIT)  # noqa: S603 ours alone
    partial.replace(folder / name)
