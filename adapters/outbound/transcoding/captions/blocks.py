"""SubRip and WebVTT files: both are blocks of a time line and text, and both are read leniently."""

from __future__ import annotations

import re
from collections.abc import Iterator

from adapters.outbound.transcoding.captions.cues import Cue

TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
TIMES = re.compile(rf"^\s*{TIME}\s*-->\s*{TIME}")
TAG = re.compile(r"<(/?)([A-Za-z]+)[^<>]*>|</?>|\{\\[^{}]*\}")
KEPT = frozenset({"b", "i", "u"})
AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|nbsp|lrm|rlm|#\d+|#x[0-9a-fA-F]+);)")


def read_blocks(text: str) -> Iterator[Cue]:
    """Cues in the order of the file. Blocks without a time line (numbers, notes, styles) and cues
    that end before they begin are left out; so are settings of place."""
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.strip("\n").split("\n")
        for at, line in enumerate(lines[:2]):
            if found := TIMES.match(line):
                yield from _cue(found.groups(), lines[at + 1 :])
                break


def _cue(parts: tuple[str | None, ...], lines: list[str]) -> Iterator[Cue]:
    start, end = _milliseconds(parts[:4]), _milliseconds(parts[4:])
    body = "\n".join(line.strip() for line in lines if line.strip()).replace("-->", "→")
    if body and end > start:
        yield Cue(start, end, plain(body))


def plain(text: str) -> str:
    """Text as WebVTT takes it: tags other than b, i, u dropped, what looks like one escaped."""
    parts, after = [], 0
    for tag in TAG.finditer(text):
        parts.append(_escaped(text[after : tag.start()]))
        name = (tag.group(2) or "").lower()
        if name in KEPT:
            parts.append(f"<{tag.group(1)}{name}>")
        after = tag.end()
    return "".join([*parts, _escaped(text[after:])])


def _escaped(text: str) -> str:
    return AMPERSAND.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")


def _milliseconds(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, fraction = parts
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole * 1000 + int((fraction or "0").ljust(3, "0"))
