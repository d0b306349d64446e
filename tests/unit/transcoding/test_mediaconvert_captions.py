"""Captions on their way to MediaConvert, from originals as the fetcher stores them."""

from __future__ import annotations

import pytest
from aiobotocore.session import get_session

from adapters.outbound.dynamodb.client import client_config
from adapters.outbound.transcoding.captions.files import MOST_BYTES
from adapters.outbound.transcoding.mediaconvert.captions import MOST, Text, as_webvtt, language_of
from adapters.outbound.transcoding.mediaconvert.request import Facility
from adapters.outbound.transcoding.mediaconvert.transcoder import MediaConvertTranscoder
from domain.kernel.errors import StoreUnavailable
from domain.media.errors import TranscoderUnavailable
from domain.media.rendition import Caption
from tests.support.mediaconvert import FakeMediaConvert
from tests.support.transcoding import BUCKET, MediaInMemory, job

SRT = "1\n00:00:01,000 --> 00:00:02,500\nGrüße & <i>Küsse</i>\n".encode()
VTT = b"WEBVTT\n\n00:01.000 --> 00:02.500\nhello\n"
TTML = (
    b'<tt xmlns="http://www.w3.org/ns/ttml"><body><div>'
    b'<p begin="1s" end="2.5s">hola</p></div></body></tt>'
)
FACILITY = Facility(bucket=BUCKET, role="arn:aws:iam::111122223333:role/r", queue="arn:queues/a")


def caption(name: str, language: str = "en", media_type: str = "text/vtt") -> Caption:
    """Originals are named by their content: no ending tells what they are."""
    return Caption(language=language, media_type=media_type, key=f"originals/{name}")


def bucket(**contents: bytes) -> MediaInMemory:
    media = MediaInMemory()
    media.objects = {f"originals/{name}": body for name, body in contents.items()}
    return media


async def test_captions_of_every_kind_lie_as_webvtt_under_names_that_mediaconvert_takes() -> None:
    media = bucket(a=SRT, b=VTT, c=TTML)
    captions = (caption("a", "de"), caption("b", "en"), caption("c", "es-419", "text/plain"))
    assert await as_webvtt(captions, media) == (
        Text("de", "originals/a.vtt"),
        Text("en", "originals/b.vtt"),
        Text("es-419", "originals/c.vtt"),
    )
    for name, said in (("a", "Grüße &amp; <i>Küsse</i>"), ("b", "hello"), ("c", "hola")):
        written = media.objects[f"originals/{name}.vtt"].decode()
        assert written == f"WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n{said}\n"


@pytest.mark.parametrize("broken", [b"", b"no cues", b"<tt", b"x" * (MOST_BYTES + 1), None])
async def test_what_is_no_caption_file_is_left_out_and_another_of_its_language_counts(
    broken: bytes | None,
) -> None:
    media = bucket(good=VTT) if broken is None else bucket(bad=broken, good=VTT)
    captions = (caption("bad"), caption("good"), caption("good", "EN"))
    assert await as_webvtt(captions, media) == (Text("en", "originals/good.vtt"),)


async def test_there_is_an_end_to_languages() -> None:
    captions = [caption("a", f"a{chr(97 + number)}") for number in range(MOST + 2)]
    assert len(await as_webvtt(captions, bucket(a=VTT))) == MOST


@pytest.mark.parametrize(
    ("language", "wanted"),
    [("en", "en"), ("pt-BR", "pt-BR"), ("es-419", "es"), ("abcd", "und"), ("und", "und")],
)
def test_a_language_is_named_as_mediaconvert_takes_it(language: str, wanted: str) -> None:
    assert language_of(language) == wanted


async def test_what_a_broker_calls_a_language_comes_into_no_playlist() -> None:
    captions = (caption("a", 'en",URI="https://evil.example'),)
    assert await as_webvtt(captions, bucket(a=VTT)) == (Text("und", "originals/a.vtt"),)


class Away(MediaInMemory):
    async def get(self, key: str, *, limit: int) -> bytes | None:
        raise StoreUnavailable("S3 is away")


@pytest.mark.parametrize("away", [False, True], ids=["bucket there", "bucket away"])
async def test_a_job_is_submitted_with_its_captions_or_later(away: bool) -> None:
    service, media = FakeMediaConvert(), Away() if away else bucket(a=SRT)
    wanted = job(captions=(caption("a", "de", "application/x-subrip"),))
    async with (
        service.listening() as url,
        get_session().create_client(
            "mediaconvert",
            region_name="eu-central-1",
            endpoint_url=url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=client_config(4),
        ) as client,
    ):
        transcoder = MediaConvertTranscoder(client, FACILITY, media)
        if away:
            with pytest.raises(TranscoderUnavailable):
                await transcoder.submit(wanted)
            assert service.jobs == {}
            return
        settings = service.jobs[await transcoder.submit(wanted)]["settings"]
    (selector,) = settings["inputs"][0]["captionSelectors"].values()
    source = selector["sourceSettings"]["fileSourceSettings"]["sourceFile"]
    assert source == f"s3://{BUCKET}/originals/a.vtt"
