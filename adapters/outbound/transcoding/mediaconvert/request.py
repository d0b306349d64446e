"""What MediaConvert is asked for: a job → the request ``CreateJob``.

MediaConvert cannot set Cache-Control on what it writes: delivery does it, by the response headers
policy of CloudFront (deploy/resources/transcoding.yml).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.outbound.transcoding.mediaconvert.captions import Text, caption_outputs, selectors_of
from adapters.outbound.transcoding.mediaconvert.encodings import (
    AUDIO_SELECTOR,
    audio_of,
    still_of,
    video_of,
)
from adapters.outbound.transcoding.mediaconvert.layout import (
    AUDIO_NAME,
    CAPTURES,
    MAIN,
    POSTER,
    PREVIEW,
    rung_name,
)
from commands.media.ports import Job
from domain.media.errors import JobRefused
from domain.media.ladder import GOP_SECONDS, LADDER, SEGMENT_SECONDS, Rendered

if TYPE_CHECKING:
    from types_aiobotocore_mediaconvert import type_defs as t

TOKEN_LIMIT = 64
"""Characters."""
INPUT_LIMIT = 300
"""Characters of an input's address that MediaConvert can search for."""
AUDIO_GROUP = "audio"


@dataclass(frozen=True)
class Facility:
    """Where jobs run. ``role``, ``queue``, ``hop_queue``: ARNs. A job that has waited for so many
    minutes hops to the other queue, where there is one."""

    bucket: str
    role: str
    queue: str
    hop_queue: str = ""
    hop_after_minutes: int = 5
    priority: int = 0


def job_request(
    job: Job, facility: Facility, texts: Sequence[Text] = ()
) -> t.CreateJobRequestTypeDef:
    """``texts``: the job's captions. Raises ``JobRefused`` for what MediaConvert could only refuse,
    and for a ladder that is not the one it would be rendered by.

    Not accelerated: that pays for jobs of over ten minutes, and short ones end in error 1042.
    """
    if not (job.token.isascii() and 0 < len(job.token) <= TOKEN_LIMIT):
        raise JobRefused(f"a token has 1 to {TOKEN_LIMIT} ASCII characters")
    if job.ladder != LADDER.version:
        raise JobRefused(f"no ladder {job.ladder} here, only {LADDER.version}")
    if not job.prefix.endswith("/"):
        raise JobRefused("a prefix ends with a slash")
    request: t.CreateJobRequestTypeDef = {
        "ClientRequestToken": job.token,
        "Role": facility.role,
        "Queue": facility.queue,
        "Priority": facility.priority,
        "StatusUpdateInterval": "SECONDS_10",
        "AccelerationSettings": {"Mode": "DISABLED"},
        "BillingTagsSource": "JOB",
        "Tags": {"service": "homecast", "ladder": job.ladder},
        "UserMetadata": metadata_of(job),
        "Settings": job_settings(job, facility.bucket, texts),
    }
    if facility.hop_queue:
        wait = facility.hop_after_minutes
        request["HopDestinations"] = [{"Queue": facility.hop_queue, "WaitMinutes": wait}]
    return request


def metadata_of(job: Job) -> dict[str, str]:
    """Comes back in every event and every answer about the job."""
    return {
        "creative_id": job.creative_id,
        "ladder": job.ladder,
        "attempt": str(job.attempt),
        "prefix": job.prefix,
        "token": job.token,
    }


def job_settings(job: Job, bucket: str, texts: Sequence[Text]) -> t.JobSettingsTypeDef:
    return {
        "TimecodeConfig": {"Source": "ZEROBASED"},
        "Inputs": [input_of(job, bucket, texts)],
        "OutputGroups": [streams(job, bucket, texts), preview(job, bucket), poster(job, bucket)],
    }


def input_file(job: Job, bucket: str) -> str:
    """Raises ``JobRefused`` for a name that could not be searched for."""
    address = f"s3://{bucket}/{job.original}"
    if len(address) > INPUT_LIMIT:
        raise JobRefused(f"the original's address has over {INPUT_LIMIT} characters")
    return address


def input_of(job: Job, bucket: str, texts: Sequence[Text]) -> t.InputTypeDef:
    """Rotated as the file says, which MediaConvert by itself does not do."""
    wanted: t.InputTypeDef = {
        "FileInput": input_file(job, bucket),
        "TimecodeSource": "ZEROBASED",
        "VideoSelector": {"Rotate": "AUTO"},
        "CaptionSelectors": selectors_of(texts, bucket),
    }
    if job.source.audio_codec is not None:
        wanted["AudioSelectors"] = {
            AUDIO_SELECTOR: {"SelectorType": "TRACK", "Tracks": [1], "DefaultSelection": "DEFAULT"}
        }
    return wanted


def streams(job: Job, bucket: str, texts: Sequence[Text]) -> t.OutputGroupTypeDef:
    """One set of fragments for both manifests."""
    return {
        "Name": "CMAF",
        "OutputGroupSettings": {
            "Type": "CMAF_GROUP_SETTINGS",
            "CmafGroupSettings": {
                "Destination": f"s3://{bucket}/{job.prefix}{MAIN}",
                "DestinationSettings": encrypted(),
                "WriteHlsManifest": "ENABLED",
                "WriteDashManifest": "ENABLED",
                "CodecSpecification": "RFC_6381",
                "SegmentControl": "SEGMENTED_FILES",
                "SegmentLength": SEGMENT_SECONDS,
                "SegmentLengthControl": "EXACT",
                "FragmentLength": GOP_SECONDS,
                "ManifestDurationFormat": "FLOATING_POINT",
                "StreamInfResolution": "INCLUDE",
                "TargetDurationCompatibilityMode": "SPEC_COMPLIANT",
                # CloudFront compresses; objects that are compressed already would need a
                # Content-Encoding that players behind other caches may not see.
                "ManifestCompression": "NONE",
                "MpdManifestBandwidthType": "AVERAGE",
            },
        },
        "Outputs": [*rungs(job), sound(job), *caption_outputs(texts)],
    }


def rungs(job: Job) -> list[t.OutputTypeDef]:
    """The default one first (clause 1.32); each with a playlist of its key pictures (clause 6.1).

    Names count from the lowest.
    """
    ladder = LADDER.rungs(job.source)
    numbered = list(enumerate(ladder, start=1))
    numbered.sort(key=lambda one: not one[1].default)
    return [
        {
            "NameModifier": rung_name(number),
            "VideoDescription": video_of(rung, job.source, below(ladder, number)),
            "ContainerSettings": {
                "Container": "CMFC",
                "CmfcSettings": {
                    "AudioRenditionSets": AUDIO_GROUP,
                    "IFrameOnlyManifest": "INCLUDE",
                },
            },
        }
        for number, rung in numbered
    ]


def below(ladder: Sequence[Rendered], number: int) -> int:
    """How many rungs lower than this one have its size."""
    rung = ladder[number - 1]
    lower = ladder[: number - 1]
    return sum((one.width, one.height) == (rung.width, rung.height) for one in lower)


def sound(job: Job) -> t.OutputTypeDef:
    """A stream of its own (clause 9.5), as long as the pictures (clause 8.2)."""
    return {
        "NameModifier": AUDIO_NAME,
        "AudioDescriptions": [audio_of(job.source)],
        "ContainerSettings": {
            "Container": "CMFC",
            "CmfcSettings": {
                "AudioGroupId": AUDIO_GROUP,
                "AudioTrackType": "ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT",
                "AudioDuration": "MATCH_VIDEO_DURATION",
            },
        },
    }


def preview(job: Job, bucket: str) -> t.OutputGroupTypeDef:
    """The lowest rung, playable before it is there whole."""
    output: t.OutputTypeDef = {
        "VideoDescription": video_of(LADDER.rungs(job.source)[0], job.source),
        "AudioDescriptions": [audio_of(job.source)],
        "ContainerSettings": {
            "Container": "MP4",
            "Mp4Settings": {"MoovPlacement": "PROGRESSIVE_DOWNLOAD"},
        },
    }
    return files("Preview", f"s3://{bucket}/{job.prefix}{PREVIEW}", output)


def poster(job: Job, bucket: str) -> t.OutputGroupTypeDef:
    """A picture of a third of the film in, as large as the highest rung."""
    highest = LADDER.rungs(job.source)[-1]
    output: t.OutputTypeDef = {
        "VideoDescription": still_of(highest, job.source, CAPTURES),
        "ContainerSettings": {"Container": "RAW"},
    }
    return files("Poster", f"s3://{bucket}/{job.prefix}{POSTER}", output)


def files(name: str, destination: str, output: t.OutputTypeDef) -> t.OutputGroupTypeDef:
    return {
        "Name": name,
        "OutputGroupSettings": {
            "Type": "FILE_GROUP_SETTINGS",
            "FileGroupSettings": {
                "Destination": destination,
                "DestinationSettings": encrypted(),
            },
        },
        "Outputs": [output],
    }


def encrypted() -> t.DestinationSettingsTypeDef:
    return {"S3Settings": {"Encryption": {"EncryptionType": "SERVER_SIDE_ENCRYPTION_S3"}}}
