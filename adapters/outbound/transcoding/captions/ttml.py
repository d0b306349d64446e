"""TTML (W3C): the paragraphs of a document with their times. Styles and places are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from adapters.outbound.transcoding.captions.blocks import plain
from adapters.outbound.transcoding.captions.cues import Cue

CLOCK = re.compile(r"^(\d{2,}):(\d{2}):(\d{2})(?:\.(\d+)|:(\d{2,})(?:\.\d+)?)?$")
OFFSET = re.compile(r"^(\d+(?:\.\d+)?)(h|ms|m|s|f|t)$")
SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
PARAMETER = "{http://www.w3.org/ns/ttml#parameter}"
TIMED = frozenset({"body", "div"})


@dataclass(frozen=True)
class Rates:
    """Frames and ticks a second."""

    frames: float
    ticks: float


def read_ttml(content: bytes) -> Iterator[Cue]:
    """Raises ``ValueError`` for what is no TTML document. Entities and the network are not used."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError("not XML") from error
    if _name(root) != "tt":
        raise ValueError("not TTML")
    rates = _rates(root)
    for element in root.iter():
        if _name(element) == "p":
            yield from _paragraph(element, rates)


def _paragraph(element: etree._Element, rates: Rates) -> Iterator[Cue]:
    """Times are relative to the begin of what contains it."""
    start = _seconds(element.get("begin", "0s"), rates)
    if end := element.get("end"):
        length = _seconds(end, rates) - start
    elif lasting := element.get("dur"):
        length = _seconds(lasting, rates)
    else:
        return
    around = [one for one in element.iterancestors() if _name(one) in TIMED]
    start += sum(_seconds(one.get("begin", "0s"), rates) for one in around)
    text = plain("\n".join(line for line in _text(element).split("\n") if line.strip()))
    if text and length > 0:
        yield Cue(round(start * 1000), round((start + length) * 1000), text)


def _text(element: etree._Element) -> str:
    """White space is one space, ``br`` a new line."""
    parts = [_spaced(element.text)]
    for child in element:
        name = _name(child)
        parts.append("\n" if name == "br" else _text(child) if name == "span" else "")
        parts.append(_spaced(child.tail))
    return "".join(parts)


def _spaced(text: str | None) -> str:
    return re.sub(r"\s+", " ", (text or "").replace("<", "‹").replace("-->", "→"))


def _seconds(value: str, rates: Rates) -> float:
    if found := CLOCK.match(value.strip()):
        hours, minutes, seconds, fraction, frames = found.groups()
        whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        return whole + float(f"0.{fraction or 0}") + int(frames or 0) / rates.frames
    if found := OFFSET.match(value.strip()):
        amount, unit = float(found.group(1)), found.group(2)
        if unit == "f":
            return amount / rates.frames
        return amount / rates.ticks if unit == "t" else amount * SECONDS[unit]
    raise ValueError(f"not a time: {value[:40]}")


def _rates(root: etree._Element) -> Rates:
    frames = float(root.get(f"{PARAMETER}frameRate", "30"))
    times = (root.get(f"{PARAMETER}frameRateMultiplier") or "1 1").split()
    if len(times) == 2 and float(times[1]):
        frames *= float(times[0]) / float(times[1])
    ticks = float(root.get(f"{PARAMETER}tickRate", "1"))
    if frames <= 0 or ticks <= 0:
        raise ValueError("a rate of nothing")
    return Rates(frames, ticks)


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""
