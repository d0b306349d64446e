"""Caption files beside a film → WebVTT renditions.

MediaConvert tells kinds of captions by the ends of their names, and a job fails for a file that it
cannot read. Originals are named by their content alone, and brokers send anything under any media
type: so what they sent is read here, and written anew beside the original, as WebVTT.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from adapters.outbound.transcoding.captions.cues import webvtt
from adapters.outbound.transcoding.captions.files import MOST_BYTES, CaptionFile, cues_of
from adapters.outbound.transcoding.mediaconvert.layout import caption_name
from domain.kernel.errors import ContractError, InvalidInput
from domain.media.rendition import Caption

if TYPE_CHECKING:
    from types_aiobotocore_mediaconvert import type_defs as t

log = structlog.get_logger()

ENDING = ".vtt"
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z-]+)?")
"""Of the codes of BCP 47 those that MediaConvert takes: without digits."""
MOST = 20


@dataclass(frozen=True)
class Text:
    """``tag``: BCP 47. ``key``: of a WebVTT file in the media bucket."""

    tag: str
    key: str


class CaptionObjects(Protocol):
    """The media bucket, as far as it is needed here. Raises ``StoreUnavailable``."""

    async def get(self, key: str, *, limit: int) -> bytes | None:
        """None when there is none. Raises ``ContractError`` for one of over ``limit`` bytes."""

    async def put(self, key: str, body: bytes) -> None:
        """Replaces what is there."""


async def as_webvtt(captions: Sequence[Caption], objects: CaptionObjects) -> tuple[Text, ...]:
    """A file that cannot be read is left out: the film goes without it, which is better than no
    film. Of each language the first that is good. Raises ``StoreUnavailable``."""
    found: dict[str, Text] = {}
    for caption in captions:
        tag = CaptionFile(caption.language, Path()).tag
        if tag.lower() in found or len(found) == MOST:
            continue
        text = Text(tag, f"{caption.key}{ENDING}")
        try:
            if await _written(caption.key, text.key, objects):
                found[tag.lower()] = text
        except (ContractError, InvalidInput) as error:
            log.warning("captions left out", language=tag, why=error.detail)
    return tuple(found.values())


async def _written(key: str, target: str, objects: CaptionObjects) -> bool:
    """False when there is nothing to be read."""
    content = await objects.get(key, limit=MOST_BYTES)
    if content is None:
        return False
    text = await asyncio.to_thread(lambda: webvtt(cues_of(content)))
    await objects.put(target, text.encode())
    return True


def selectors_of(texts: Sequence[Text], bucket: str) -> dict[str, t.CaptionSelectorTypeDef]:
    return {
        selector(number): {
            "SourceSettings": {
                "SourceType": "WEBVTT",
                "FileSourceSettings": {"SourceFile": f"s3://{bucket}/{text.key}"},
            }
        }
        for number, text in enumerate(texts, start=1)
    }


def caption_outputs(texts: Sequence[Text]) -> list[t.OutputTypeDef]:
    return [
        {
            "NameModifier": caption_name(number),
            "ContainerSettings": {"Container": "CMFC"},
            "CaptionDescriptions": [
                {
                    "CaptionSelectorName": selector(number),
                    "CustomLanguageCode": language_of(text.tag),
                    "LanguageDescription": text.tag,
                    "DestinationSettings": {
                        "DestinationType": "WEBVTT",
                        "WebvttDestinationSettings": {"StylePassthrough": "ENABLED"},
                    },
                }
            ],
        }
        for number, text in enumerate(texts, start=1)
    ]


def selector(number: int) -> str:
    return f"Captions Selector {number}"


def language_of(tag: str) -> str:
    """``es-419`` → ``es``; what is no language at all → ``und``."""
    for code in (tag, tag.partition("-")[0]):
        if LANGUAGE.fullmatch(code):
            return code
    return "und"
