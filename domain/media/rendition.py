"""What a film is before and after transcoding, in numbers that everybody shares."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class Caption(Facts):
    """A caption file that came with the ad. ``key``: in the media bucket, as it came."""

    language: str = Field(description="BCP 47, `und` where the ad does not say")
    media_type: str
    key: str


class CaptionLink(Facts):
    """Where a caption file of an ad is to be had (VAST ``ClosedCaptionFile``)."""

    language: str
    media_type: str
    url: str


class AdFacts(Facts):
    """What the first ad that carried the film said of itself; for people who look for it."""

    ad_id: str = ""
    ad_system: str = ""
    title: str = ""
    advertiser: str = ""
    campaign: str = ""
    duration_ms: int | None = None


class Source(Facts):
    """The original, as the probe sees it. ``width`` and ``height``: as shown, after rotation and
    with square pixels."""

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    duration_ms: int = Field(ge=1)
    frame_rate: float = Field(
        gt=0, allow_inf_nan=False, description="Frames a second, of the average"
    )
    video_codec: str
    audio_codec: str | None = Field(None, description="None: silence is added")
    rotation: int = Field(0, description="Degrees clockwise that a player turns it by")
    interlaced: bool = False
    hdr: bool = Field(False, description="Of high dynamic range, PQ or HLG: rendered as SDR")
    container: str = ""
    bit_rate: int = Field(0, ge=0, description="Bits a second, of the whole file")


class Rung(Facts):
    """One rendered size. ``bandwidth``: measured peak, ``average_bandwidth``: measured mean, both
    bits a second with audio, as HLS asks for (RFC 8216 section 4.3.4.2)."""

    width: int
    height: int
    bandwidth: int
    average_bandwidth: int
    codecs: str = Field(description="RFC 6381, of video and audio")
    frame_rate: float


class Rendition(Facts):
    """What is ready to be played. Keys are of the media bucket, below ``prefix``."""

    ladder: str = Field(description="Version of the ladder that it was made by")
    prefix: str
    hls: str = Field(description="Key of the HLS multivariant playlist")
    dash: str = Field(description="Key of the DASH manifest")
    preview: str = Field(description="Key of the lowest rung as one MP4 file with sound")
    poster: str = Field(description="Key of a still, JPEG")
    duration_ms: int
    rungs: tuple[Rung, ...] = Field(description="From the lowest to the highest")
    size: int = Field(0, description="Bytes of all files")
    captions: tuple[str, ...] = Field((), description="Languages of the WebVTT renditions")
