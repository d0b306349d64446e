"""How MediaConvert is told to encode: pure functions from numbers to parts of a job.

Bound to Apple's HLS authoring specification; clauses are its numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.media.errors import JobRefused
from domain.media.ladder import (
    AUDIO_RATE,
    GOP_SECONDS,
    LOUDNESS,
    TRUE_PEAK,
    Rendered,
    frame_rate,
)
from domain.media.rendition import Source

if TYPE_CHECKING:
    from types_aiobotocore_mediaconvert import type_defs as t

SMALLEST = 32
"""Pixels of a side that MediaConvert can encode."""
PEAK = 1.5
"""Of the average. The measured average may stay below the one asked for, and the measured peak must
be at most twice that (clause 1.30)."""
BEST = 10
AUDIO_SELECTOR = "Audio Selector 1"
CINEMA = 1.001
"""Films of 23.976, 29.97 and 59.94 frames a second are so much slower than the round number."""


def video_of(rung: Rendered, source: Source, below: int = 0) -> t.VideoDescriptionTypeDef:
    """``below``: so many lower rungs have the same size. Raises ``JobRefused`` for a picture too
    small to be encoded.

    The rung has the source's shape but for a pixel of rounding, so nothing is padded.
    """
    if min(rung.width, rung.height) < SMALLEST:
        raise JobRefused(f"the picture is smaller than {SMALLEST} pixels", width=rung.width)
    return picture(rung, source, {"Codec": "H_264", "H264Settings": h264(rung, source, below)})


def still_of(rung: Rendered, source: Source, captures: int) -> t.VideoDescriptionTypeDef:
    """So many pictures, the first at the beginning, the second a third of the film later."""
    wanted: t.FrameCaptureSettingsTypeDef = {
        "FramerateNumerator": 1000,
        "FramerateDenominator": max(1, source.duration_ms // 3),
        "MaxCaptures": captures,
        "Quality": 80,
    }
    codec: t.VideoCodecSettingsTypeDef = {"Codec": "FRAME_CAPTURE", "FrameCaptureSettings": wanted}
    return picture(rung, source, codec)


def picture(
    rung: Rendered, source: Source, codec: t.VideoCodecSettingsTypeDef
) -> t.VideoDescriptionTypeDef:
    video: t.VideoDescriptionTypeDef = {
        "Width": rung.width,
        "Height": rung.height,
        "ScalingBehavior": "STRETCH_TO_OUTPUT",
        "TimecodeInsertion": "DISABLED",
        "CodecSettings": codec,
    }
    if filters := filters_of(source):
        video["VideoPreprocessors"] = filters
    return video


def filters_of(source: Source) -> t.VideoPreprocessorTypeDef:
    """An interlaced film becomes progressive, one of high dynamic range SDR."""
    filters: t.VideoPreprocessorTypeDef = {}
    if source.interlaced:
        filters["Deinterlacer"] = {
            "Mode": "DEINTERLACE",
            "Algorithm": "INTERPOLATE",
            "Control": "NORMAL",
        }
    if source.hdr:
        filters["ColorCorrector"] = {
            "ColorSpaceConversion": "FORCE_709",
            "HdrToSdrToneMapper": "PRESERVE_DETAILS",
        }
    return filters


def h264(rung: Rendered, source: Source, below: int) -> t.H264SettingsTypeDef:
    """Key pictures at the same times in all rungs: GOPs of fixed length, closed, and none at a
    change of scene. Two passes, without which there is no limit to the average."""
    settings: t.H264SettingsTypeDef = {
        "CodecProfile": "HIGH",
        "CodecLevel": "AUTO",
        "RateControlMode": "QVBR",
        "QualityTuningLevel": "MULTI_PASS_HQ",
        "MaxBitrate": round(rung.rate * PEAK),
        "QvbrSettings": {"QvbrQualityLevel": quality(rung, below), "MaxAverageBitrate": rung.rate},
        "AdaptiveQuantization": "AUTO",
        "GopSize": float(GOP_SECONDS),
        "GopSizeUnits": "SECONDS",
        "GopClosedCadence": 1,
        "MinIInterval": 0,
        "SceneChangeDetect": "DISABLED",
        "InterlaceMode": "PROGRESSIVE",
        "ParControl": "SPECIFIED",
        "ParNumerator": 1,
        "ParDenominator": 1,
        "FramerateControl": "INITIALIZE_FROM_SOURCE",
    }
    if (rate := frame_rate(source)) != source.frame_rate:
        numerator, denominator = fraction(rate)
        settings["FramerateControl"] = "SPECIFIED"
        settings["FramerateConversionAlgorithm"] = "DUPLICATE_DROP"
        settings["FramerateNumerator"] = numerator
        settings["FramerateDenominator"] = denominator
    return settings


def quality(rung: Rendered, below: int) -> int:
    """Of ten. What AWS advises for delivery over the internet: 7 up to 540 lines, 8 above. One more
    than the rung of the same size below it: without, both are equal for films that need less than
    the rate of either."""
    return min(BEST, (8 if min(rung.width, rung.height) > 540 else 7) + below)


def fraction(rate: float) -> tuple[int, int]:
    """59.94 → 60000 / 1001."""
    if abs(rate - round(rate)) < 0.005:
        return round(rate), 1
    if abs(rate * CINEMA - round(rate * CINEMA)) < 0.005:
        return round(rate * CINEMA) * 1000, 1001
    return round(rate * 1000), 1000


def audio_of(source: Source) -> t.AudioDescriptionTypeDef:
    """AAC-LC. Without sound in the source, the name is that of a selector that is not there, for
    which MediaConvert inserts silence; levelling that would be paid for and do nothing."""
    audio: t.AudioDescriptionTypeDef = {
        "AudioSourceName": AUDIO_SELECTOR,
        "LanguageCodeControl": "FOLLOW_INPUT",
        "CustomLanguageCode": "und",
        "CodecSettings": {
            "Codec": "AAC",
            "AacSettings": {
                "CodecProfile": "LC",
                "RateControlMode": "CBR",
                "Bitrate": AUDIO_RATE,
                "SampleRate": 48_000,
                "CodingMode": "CODING_MODE_2_0",
                "Specification": "MPEG4",
            },
        },
    }
    if source.audio_codec is not None:
        audio["AudioNormalizationSettings"] = {
            "Algorithm": "ITU_BS_1770_3",
            "AlgorithmControl": "CORRECT_AUDIO",
            "LoudnessLogging": "DONT_LOG",
            "PeakCalculation": "TRUE_PEAK",
            "TargetLkfs": LOUDNESS,
            "TruePeakLimiterThreshold": TRUE_PEAK,
        }
    return audio
