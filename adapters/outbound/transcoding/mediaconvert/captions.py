"""Caption files beside a film → WebVTT renditions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from adapters.outbound.transcoding.mediaconvert.layout import caption_name
from domain.media.rendition import Caption

if TYPE_CHECKING:
    from types_aiobotocore_mediaconvert import type_defs as t

Format = Literal["SRT", "WEBVTT", "TTML"]
FORMATS: dict[str, Format] = {
    "application/srt": "SRT",
    "application/x-subrip": "SRT",
    "text/srt": "SRT",
    "text/vtt": "WEBVTT",
    "application/ttml+xml": "TTML",
    "application/ttaf+xml": "TTML",
}
"""By media type, as ads name it in ``ClosedCaptionFile``."""
ENDINGS: dict[Format, tuple[str, ...]] = {
    "SRT": (".srt",),
    "WEBVTT": (".vtt", ".webvtt"),
    "TTML": (".ttml", ".dfxp", ".xml"),
}
"""MediaConvert takes no file of another name."""
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z-]+)?")
"""Of the codes of BCP 47 those that MediaConvert takes: without digits."""
MOST = 20


def usable(captions: Sequence[Caption]) -> list[tuple[Caption, Format]]:
    """A file that MediaConvert cannot read is left out: the film goes without it, which is better
    than no film. Of one language the first one counts."""
    found: dict[str, tuple[Caption, Format]] = {}
    for caption in captions:
        kind = FORMATS.get(caption.media_type.partition(";")[0].strip().lower())
        if kind and caption.key.lower().endswith(ENDINGS[kind]):
            found.setdefault(caption.language.lower(), (caption, kind))
    return list(found.values())[:MOST]


def selectors_of(captions: Sequence[Caption], bucket: str) -> dict[str, t.CaptionSelectorTypeDef]:
    return {
        selector(number): {
            "SourceSettings": {
                "SourceType": kind,
                "FileSourceSettings": {"SourceFile": f"s3://{bucket}/{caption.key}"},
            }
        }
        for number, (caption, kind) in enumerate(usable(captions), start=1)
    }


def caption_outputs(captions: Sequence[Caption]) -> list[t.OutputTypeDef]:
    return [
        {
            "NameModifier": caption_name(number),
            "ContainerSettings": {"Container": "CMFC"},
            "CaptionDescriptions": [
                {
                    "CaptionSelectorName": selector(number),
                    "CustomLanguageCode": language_of(caption),
                    "LanguageDescription": caption.language,
                    "DestinationSettings": {
                        "DestinationType": "WEBVTT",
                        "WebvttDestinationSettings": {"StylePassthrough": "ENABLED"},
                    },
                }
            ],
        }
        for number, (caption, _) in enumerate(usable(captions), start=1)
    ]


def selector(number: int) -> str:
    return f"Captions Selector {number}"


def language_of(caption: Caption) -> str:
    """``es-419`` → ``es``; what is no language at all → ``und``."""
    for code in (caption.language, caption.language.partition("-")[0]):
        if LANGUAGE.fullmatch(code):
            return code
    return "und"
