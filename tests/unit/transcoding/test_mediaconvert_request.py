"""What MediaConvert is asked for, by botocore's own description of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

from adapters.outbound.transcoding.mediaconvert.captions import Text
from adapters.outbound.transcoding.mediaconvert.encodings import AUDIO_SELECTOR, fraction
from adapters.outbound.transcoding.mediaconvert.layout import outputs_below
from adapters.outbound.transcoding.mediaconvert.request import Facility, job_request
from commands.media.ports import Job
from domain.media.errors import JobRefused
from domain.media.ladder import LADDER, LOUDNESS
from tests.support.transcoding import BUCKET, PREFIX, job, source

FACILITY = Facility(
    bucket=BUCKET,
    role="arn:aws:iam::111122223333:role/films",
    queue="arn:aws:mediaconvert:eu-central-1:111122223333:queues/a",
    hop_queue="arn:aws:mediaconvert:eu-central-1:111122223333:queues/b",
    hop_after_minutes=3,
    priority=5,
)
TEXTS = (
    Text("en", "originals/ab.vtt"),
    Text("es-419", "originals/cd.vtt"),
    Text("und", "originals/ef.vtt"),
)
JOBS = {
    "film": job(),
    "portrait": job(source(width=720, height=1280, rotation=90)),
    "silent": job(source(audio_codec=None)),
    "interlaced": job(source(width=720, height=576, frame_rate=25.0, interlaced=True)),
    "hdr": job(source(width=3840, height=2160, hdr=True)),
    "slow": job(source(frame_rate=5.0)),
    "fast": job(source(frame_rate=119.88)),
    "small": job(source(width=200, height=112, duration_ms=400)),
}


def create_job() -> Shape:
    described = Loader().load_service_model("mediaconvert", "service-2")
    shape = ServiceModel(described, "mediaconvert").operation_model("CreateJob").input_shape
    assert shape is not None
    return shape


def request_of(wanted: Job, texts: tuple[Text, ...] = ()) -> dict[str, Any]:
    return dict(job_request(wanted, FACILITY, texts))


def outputs(request: dict[str, Any], group: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = request["Settings"]["OutputGroups"][group]["Outputs"]
    return found


def videos(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [one["VideoDescription"] for one in outputs(request, 0) if "VideoDescription" in one]


def h264s(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [one["CodecSettings"]["H264Settings"] for one in videos(request)]


def faults(value: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """What botocore leaves to the service: enumerations, patterns, upper limits."""
    metadata: dict[str, Any] = dict(shape.metadata)
    if isinstance(shape, StructureShape):
        for name, one in value.items():
            yield from faults(one, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for number, one in enumerate(value):
            yield from faults(one, shape.member, f"{path}[{number}]")  # type: ignore[attr-defined]
    elif shape.type_name == "map":
        for name, one in value.items():
            yield from faults(one, shape.value, f"{path}.{name}")  # type: ignore[attr-defined]
    elif shape.type_name == "string":
        if value not in metadata.get("enum", [value]):
            yield f"{path}: {value} is none of {metadata['enum']}"
        if not re.search(metadata.get("pattern", ""), value) or len(value) > metadata.get(
            "max", 2048
        ):
            yield f"{path}: {value} does not fit {metadata}"
    elif not metadata.get("min", value) <= value <= metadata.get("max", value):
        yield f"{path}: {value} is outside of {metadata}"


@pytest.mark.parametrize("texts", [(), TEXTS], ids=["uncaptioned", "captioned"])
@pytest.mark.parametrize("name", JOBS)
def test_every_request_is_one_that_the_service_describes(
    name: str, texts: tuple[Text, ...]
) -> None:
    shape = create_job()
    request = request_of(JOBS[name], texts)
    assert ParamValidator().validate(request, shape).generate_report() == ""
    assert list(faults(request, shape)) == []


def test_the_check_itself_finds_an_unknown_name_value_or_number() -> None:
    shape = create_job()
    request = request_of(job())
    request["StatusUpdateInterval"] = "SECONDS_11"
    request["Priority"] = 51
    request["Settings"]["OutputGroups"][0]["OutputGroupSettings"]["Type"] = "CMAF"
    assert [fault.partition(":")[0] for fault in faults(request, shape)] == [
        ".Priority",
        ".StatusUpdateInterval",
        ".Settings.OutputGroups[0].OutputGroupSettings.Type",
    ]
    request["Sttings"] = {}
    assert "Sttings" in ParamValidator().validate(request, shape).generate_report()


def test_a_job_says_whose_it_is_and_where_it_waits() -> None:
    request = request_of(job())
    assert request["ClientRequestToken"] == "crt_01.0a1b2c3d.1"
    assert request["UserMetadata"] == {
        "creative_id": "crt_01",
        "ladder": LADDER.version,
        "attempt": "1",
        "prefix": PREFIX,
        "token": "crt_01.0a1b2c3d.1",
    }
    assert (request["Queue"], request["Priority"]) == (FACILITY.queue, 5)
    assert request["HopDestinations"] == [{"Queue": FACILITY.hop_queue, "WaitMinutes": 3}]
    assert request["AccelerationSettings"] == {"Mode": "DISABLED"}


def test_without_a_second_queue_a_job_stays_where_it_is() -> None:
    facility = Facility(bucket=BUCKET, role=FACILITY.role, queue=FACILITY.queue)
    assert "HopDestinations" not in job_request(job(), facility)


@pytest.mark.parametrize("name", ["film", "portrait", "small", "interlaced"])
def test_every_rung_of_the_ladder_is_an_output_and_the_default_one_comes_first(name: str) -> None:
    wanted = LADDER.rungs(JOBS[name].source)
    found = videos(request_of(JOBS[name]))
    sizes = [(one["Width"], one["Height"]) for one in found]
    assert sorted(sizes) == sorted((rung.width, rung.height) for rung in wanted)
    (default,) = [rung for rung in wanted if rung.default]
    assert sizes[0] == (default.width, default.height)
    assert all(one["ScalingBehavior"] == "STRETCH_TO_OUTPUT" for one in found)
    names = [one["NameModifier"] for one in outputs(request_of(JOBS[name]), 0)]
    assert len(set(names)) == len(names)


def test_the_peak_is_at_most_twice_the_average_that_is_asked_for() -> None:
    for settings in h264s(request_of(job())):
        average = settings["QvbrSettings"]["MaxAverageBitrate"]
        assert average < settings["MaxBitrate"] <= 2 * average
        assert settings["RateControlMode"] == "QVBR"
        assert settings["QualityTuningLevel"] == "MULTI_PASS_HQ"


def test_of_two_rungs_of_one_size_the_higher_one_is_the_better_one_for_easy_films_too() -> None:
    levels: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for one in videos(request_of(job())):
        settings = one["CodecSettings"]["H264Settings"]
        level = (settings["MaxBitrate"], settings["QvbrSettings"]["QvbrQualityLevel"])
        levels.setdefault((one["Width"], one["Height"]), []).append(level)
    assert [level for _, level in sorted(levels[1280, 720])] == [8, 9]
    assert [level for _, level in sorted(levels[1920, 1080])] == [8, 9]
    assert [level for _, level in levels[960, 540]] == [7]


def test_key_pictures_come_every_two_seconds_at_the_same_times_in_all_rungs() -> None:
    for settings in h264s(request_of(job())):
        assert (settings["GopSize"], settings["GopSizeUnits"]) == (2, "SECONDS")
        assert settings["GopClosedCadence"] == 1
        assert settings["SceneChangeDetect"] == "DISABLED"
        assert settings["MinIInterval"] == 0


def test_one_set_of_fragments_serves_hls_and_dash() -> None:
    group = request_of(job())["Settings"]["OutputGroups"][0]["OutputGroupSettings"]
    settings = group["CmafGroupSettings"]
    assert (settings["WriteHlsManifest"], settings["WriteDashManifest"]) == ("ENABLED", "ENABLED")
    assert (settings["SegmentLength"], settings["SegmentLengthControl"]) == (6, "EXACT")
    assert (settings["FragmentLength"], settings["CodecSpecification"]) == (2, "RFC_6381")


def test_every_rung_has_a_playlist_of_its_key_pictures_and_the_shared_sound() -> None:
    for one in outputs(request_of(job()), 0):
        if "VideoDescription" in one:
            settings = one["ContainerSettings"]["CmfcSettings"]
            assert settings == {"AudioRenditionSets": "audio", "IFrameOnlyManifest": "INCLUDE"}


def test_sound_is_levelled_and_a_stream_of_its_own() -> None:
    (output,) = [one for one in outputs(request_of(job()), 0) if "AudioDescriptions" in one]
    assert "VideoDescription" not in output
    (audio,) = output["AudioDescriptions"]
    settings = audio["CodecSettings"]["AacSettings"]
    assert (settings["SampleRate"], settings["Bitrate"]) == (48_000, 128_000)
    assert audio["AudioNormalizationSettings"]["TargetLkfs"] == LOUDNESS
    assert audio["AudioNormalizationSettings"]["TruePeakLimiterThreshold"] == -2


def test_a_film_without_sound_names_a_selector_that_is_not_there_which_means_silence() -> None:
    request = request_of(job(source(audio_codec=None)))
    assert "AudioSelectors" not in request["Settings"]["Inputs"][0]
    for group in (0, 1):
        (output,) = [one for one in outputs(request, group) if "AudioDescriptions" in one]
        (audio,) = output["AudioDescriptions"]
        assert audio["AudioSourceName"] == AUDIO_SELECTOR
        assert "AudioNormalizationSettings" not in audio


def test_only_an_interlaced_film_is_deinterlaced() -> None:
    interlaced = request_of(JOBS["interlaced"])
    for group in (0, 1, 2):
        for one in outputs(interlaced, group):
            assert ("VideoPreprocessors" in one.get("VideoDescription", {})) is (
                "VideoDescription" in one
            )
    assert not any("VideoPreprocessors" in one for one in videos(request_of(job())))


def test_only_a_film_of_high_dynamic_range_is_mapped_to_the_standard_one() -> None:
    for group in (0, 1, 2):
        for one in outputs(request_of(JOBS["hdr"]), group):
            if "VideoDescription" in one:
                corrector = one["VideoDescription"]["VideoPreprocessors"]["ColorCorrector"]
                assert corrector["ColorSpaceConversion"] == "FORCE_709"
    assert not any("VideoPreprocessors" in one for one in videos(request_of(job())))


def test_the_frame_rate_is_that_of_the_film_unless_there_are_too_many_frames_or_too_few() -> None:
    assert {one["FramerateControl"] for one in h264s(request_of(job()))} == {
        "INITIALIZE_FROM_SOURCE"
    }
    for settings in h264s(request_of(JOBS["fast"])):
        rate = (settings["FramerateNumerator"], settings["FramerateDenominator"])
        assert (settings["FramerateControl"], rate) == ("SPECIFIED", (60_000, 1001))
    assert {one["FramerateNumerator"] for one in h264s(request_of(JOBS["slow"]))} == {10}


@pytest.mark.parametrize(
    ("rate", "wanted"),
    [(50.0, (50, 1)), (59.94, (60_000, 1001)), (23.976, (24_000, 1001)), (37.5, (37_500, 1000))],
)
def test_a_frame_rate_is_told_as_a_fraction(rate: float, wanted: tuple[int, int]) -> None:
    assert fraction(rate) == wanted


def test_captions_become_webvtt_in_the_languages_that_mediaconvert_can_name() -> None:
    request = request_of(job(), TEXTS)
    selectors = request["Settings"]["Inputs"][0]["CaptionSelectors"]
    sources = [one["SourceSettings"] for one in selectors.values()]
    assert {one["SourceType"] for one in sources} == {"WEBVTT"}
    assert [one["FileSourceSettings"]["SourceFile"] for one in sources] == [
        f"s3://{BUCKET}/{text.key}" for text in TEXTS
    ]
    found = [one for one in outputs(request, 0) if "CaptionDescriptions" in one]
    descriptions = [one["CaptionDescriptions"][0] for one in found]
    assert [one["CustomLanguageCode"] for one in descriptions] == ["en", "es", "und"]
    assert [one["CaptionSelectorName"] for one in descriptions] == list(selectors)
    assert {one["DestinationSettings"]["DestinationType"] for one in descriptions} == {"WEBVTT"}


def test_everything_is_written_encrypted_below_the_jobs_prefix() -> None:
    for group in request_of(job())["Settings"]["OutputGroups"]:
        (settings,) = [
            one for one in group["OutputGroupSettings"].values() if isinstance(one, dict)
        ]
        assert settings["Destination"].startswith(f"s3://{BUCKET}/{PREFIX}")
        encryption = settings["DestinationSettings"]["S3Settings"]["Encryption"]
        assert encryption == {"EncryptionType": "SERVER_SIDE_ENCRYPTION_S3"}


def test_the_preview_is_the_lowest_rung_with_sound_and_the_poster_a_third_of_the_film_in() -> None:
    request = request_of(job())
    (preview,), (poster,) = outputs(request, 1), outputs(request, 2)
    assert (preview["VideoDescription"]["Width"], len(preview["AudioDescriptions"])) == (416, 1)
    mp4 = preview["ContainerSettings"]["Mp4Settings"]
    assert mp4 == {"MoovPlacement": "PROGRESSIVE_DOWNLOAD"}
    capture = poster["VideoDescription"]["CodecSettings"]["FrameCaptureSettings"]
    seconds = capture["FramerateDenominator"] / capture["FramerateNumerator"]
    assert (seconds, capture["MaxCaptures"]) == (5.0, 2)
    assert outputs_below(PREFIX).poster == f"{PREFIX}poster.0000001.jpg"


@pytest.mark.parametrize(
    "wanted",
    [
        job(token=""),
        job(token="x" * 65),
        job(token="käse"),
        job(ladder="0ld1adde"),
        job(prefix="renditions/ab"),
        job(original="originals/" + "x" * 300),
        job(source(width=640, height=20)),
    ],
)
def test_what_mediaconvert_could_only_refuse_is_refused_before(wanted: Job) -> None:
    with pytest.raises(JobRefused):
        request_of(wanted)
