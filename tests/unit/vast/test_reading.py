"""What is read, however it is written, and what is refused."""

from __future__ import annotations

import pytest

from adapters.vast import (
    DocumentTooLarge,
    Limits,
    MarkupForbidden,
    NotVast,
    NotXml,
    ResolvedAd,
    VastError,
    VersionUnsupported,
    parse,
)
from tests.support.vast import NAMESPACE, document, inline

VERSIONS = ("2.0", "2.0.1", "3.0", "4.0", "4.1", "4.2", "4.3")


def ad_of(data: bytes) -> ResolvedAd:
    return ResolvedAd("0", parse(data).ads[0])


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_is_read(version: str) -> None:
    ad = ad_of(document(version, inline(version, 7)))
    assert (ad.ad_id, ad.title, ad.ad_system) == ("ad-7", "Ad 7", "broker")
    assert [one.width for one in ad.linears[0].media_files] == [640, 1280, 1920]
    assert ad.error_urls == ("https://broker.example/error?ad=7&code=[ERRORCODE]",)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace(f' xmlns="{NAMESPACE}"', ""), id="no namespace"),
        pytest.param(lambda text: text.replace(NAMESPACE, "urn:some-other"), id="other namespace"),
        pytest.param(lambda text: text.replace("InLine>", "Inline>"), id="Inline"),
        pytest.param(
            lambda text: text.replace("MediaFile ", "mediafile ").replace(
                "</MediaFile>", "</mediafile>"
            ),
            id="mediafile",
        ),
        pytest.param(lambda text: text.replace("<Ad id=", "<Ad ID="), id="ID"),
        pytest.param(lambda text: text.replace("<![CDATA[", "\n  <![CDATA["), id="space"),
        pytest.param(lambda text: "\ufeff" + text, id="byte order mark"),
        pytest.param(lambda text: "  \n" + text, id="space in front"),
        pytest.param(lambda text: text.replace("<InLine>", "<!-- x --><InLine>"), id="comment"),
        pytest.param(
            lambda text: (
                text.replace("<VAST ", "<v:VAST ")
                .replace("</VAST>", "</v:VAST>")
                .replace("xmlns=", "xmlns:v=")
            ),
            id="prefix on the root",
        ),
        pytest.param(lambda text: text.replace("<AdTitle>", "<x:Own/><AdTitle>"), id="undeclared"),
    ],
)
def test_odd_spellings_are_read_as_what_they_mean(change: object) -> None:
    assert callable(change)
    text = document("4.2", inline("4.2", 3)).decode()
    ad = ad_of(change(text).encode())
    assert ad.ad_id == "ad-3"
    assert ad.linears[0].media_files[0].url == "https://media.example/3/360.mp4"
    assert ad.linears[0].universal_ad_ids[0].value == "CNPA0484003H"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "iso-8859-1"])
def test_declared_encodings_are_read(encoding: str) -> None:
    text = document("3.0", inline("3.0")).decode().replace("Ad 0", "Äd 0")
    text = text.replace('encoding="UTF-8"', f'encoding="{encoding}"')
    assert ad_of(text.encode(encoding)).title == "Äd 0"


BOMB = '<!DOCTYPE VAST [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE VAST [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
PARAMETER = '<!DOCTYPE VAST [<!ENTITY % a SYSTEM "http://127.0.0.1/x"> %a;]>'


@pytest.mark.parametrize("attack", [BOMB, OUTSIDE, PARAMETER, "<!DOCTYPE VAST>"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("before", ["", "<!-- <VAST> -->", "<?x y?>\n "])
def test_a_document_type_is_refused(attack: str, encoding: str, before: str) -> None:
    data = f'{before}{attack}<VAST version="4.2"><Ad id="&a;"/></VAST>'.encode(encoding)
    with pytest.raises((MarkupForbidden, NotXml)):
        parse(data)


def test_html_in_a_resource_may_have_its_own_document_type() -> None:
    html = "<Ad><InLine><AdTitle><![CDATA[<!DOCTYPE html>]]></AdTitle></InLine></Ad>"
    assert ad_of(document("4.2", html)).title == "<!DOCTYPE html>"


REFUSED: list[tuple[bytes, type[VastError], int]] = [
    (b"", NotXml, 100),
    (b"no xml at all", NotXml, 100),
    (b"<VAST version='4.2'><Ad>", NotXml, 100),
    (b"<VAST version='4.2'>&nbsp;</VAST>", NotXml, 100),
    (b"<VAST version='4.2'>&#0;</VAST>", NotXml, 100),
    (b"<?xml version='1.0' encoding='no-such'?><VAST/>", NotXml, 100),
    (b"\xff\xfe<", NotXml, 100),
    (b"<VAST>" + b"<a>" * 300 + b"</a>" * 300 + b"</VAST>", NotXml, 100),
    (b"<VAST>" + b" " * 1_000_000 + b"</VAST>", DocumentTooLarge, 100),
    (b"<VAST>" + b"<a/>" * 45_000 + b"</VAST>", DocumentTooLarge, 100),
    (b"<html/>", NotVast, 101),
    (b"<Ad/>", NotVast, 101),
    (b"<VideoAdServingTemplate/>", VersionUnsupported, 102),
    (b"<VAST version='1.0'/>", VersionUnsupported, 102),
    (b"<VAST version='5.0'/>", VersionUnsupported, 102),
    (b"<VAST version='4.4'/>", VersionUnsupported, 102),
]


@pytest.mark.parametrize(("data", "error", "code"), REFUSED)
def test_what_cannot_be_read_is_refused_with_its_code(
    data: bytes, error: type[VastError], code: int
) -> None:
    with pytest.raises(error) as raised:
        parse(data)
    assert raised.value.vast_code == code


def test_limits_are_the_callers() -> None:
    data = document("4.2", inline("4.2"))
    with pytest.raises(DocumentTooLarge):
        parse(data, Limits(size=100))
    with pytest.raises(DocumentTooLarge):
        parse(data, Limits(elements=10))
