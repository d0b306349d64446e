"""Every sample of the IAB in, every version out, judged by the IAB's own schemas."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from lxml import etree

from adapters.vast import VERSIONS, AdBreak, Version, parse, resolve, rewrite
from adapters.vast.macros import KNOWN
from adapters.vast.mend import Mender
from adapters.vast.schema import schema
from tests.conformance.samples import MISSING, ROOT, SAMPLES, iab_schema, lenient_schema
from tests.support.vast import document, inline
from tests.support.vast_fetch import Brokers, all_ready

pytestmark = pytest.mark.skipif(not SAMPLES, reason=MISSING)

CHECKOUT = Path(__file__).parents[2]
CLIENT = CHECKOUT / "node_modules/@dailymotion/vast-client"
READER = CHECKOUT / "tests/support/vast_client.mjs"


def read(sample: Path) -> AdBreak:
    return asyncio.run(resolve(sample.read_bytes(), Brokers({})))


def name(sample: Path) -> str:
    return f"{sample.parent.name}/{sample.stem}"


@pytest.mark.parametrize("sample", SAMPLES, ids=name)
def test_every_sample_is_read(sample: Path) -> None:
    document_ = parse(sample.read_bytes())
    found = read(sample)
    assert f"vast-{document_.version}" == sample.parent.name
    assert len(found.ads) + len(found.reports) == len(document_.ads)
    assert all(one.code == 301 and one.urls for one in found.reports), "a wrapper to nowhere"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("sample", SAMPLES, ids=name)
def test_every_answer_obeys_the_schema_of_the_iab(sample: Path, version: Version) -> None:
    found = read(sample)
    root = etree.fromstring(rewrite(found, all_ready(found), version=version))
    assert iab_schema(version).validate(root), iab_schema(version).error_log
    assert len(root) == len(found.ads)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("source", VERSIONS)
def test_documents_with_macros_obey_it_too(source: str, version: Version) -> None:
    found = asyncio.run(resolve(document(source, inline(source, 1, sequence=1)), Brokers({})))
    root = etree.fromstring(rewrite(found, all_ready(found), version=version))
    assert lenient_schema(version).validate(root), lenient_schema(version).error_log


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("sample", SAMPLES, ids=name)
def test_our_schema_takes_nothing_that_the_iabs_refuses(sample: Path, version: Version) -> None:
    """An ad that is changed in any one place is refused by both, or by ours alone."""
    found = read(sample)
    for ad in found.ads:
        made = Mender(version, lambda: "x").mend(ad.element)
        if made is None:
            continue
        for count, one in enumerate(list(made.iter())):
            if count and count % 3 == 0:
                one.tag = "Odd"
            elif count % 3 == 1:
                one.set("odd", "")
            else:
                continue
            theirs = etree.fromstring(_framed(made, version))
            assert not schema(version).validate(made) or lenient_schema(version).validate(theirs)
            break


def _framed(ad: etree._Element, version: str) -> bytes:
    namespace = b' xmlns="http://www.iab.com/VAST"' if version[0] == "4" else b""
    return b'<VAST%s version="1">%s</VAST>' % (namespace, etree.tostring(ad))


def test_every_macro_of_the_iab_is_known() -> None:
    listed = json.loads((ROOT / "macros-data.json").read_text())["macros"]
    assert {one["name"] for one in listed} == KNOWN


with_player = pytest.mark.slow
"""Needs node and `npm ci`, and fails without: nothing of the slow suite is left out unseen."""


def having(element: bytes) -> list[Any]:
    found = [one for one in SAMPLES if element in one.read_bytes()]
    return [pytest.param(one, marks=with_player, id=name(one)) for one in found]


def same_version(sample: Path) -> Version:
    version = parse(sample.read_bytes()).version
    return next(one for one in get_args(Version) if one == version)


@pytest.mark.parametrize("sample", having(b"<InLine"))
def test_a_player_reports_the_same_events_for_our_answer(sample: Path) -> None:
    found = read(sample)
    answer = rewrite(found, all_ready(found), version=same_version(sample))
    theirs, ours = played(sample.read_bytes()), played(answer)
    assert counted(theirs) == counted(ours)
    assert len(ours) == len(found.ads)


@pytest.mark.parametrize("sample", having(b"<Wrapper"))
def test_a_player_reports_the_same_events_whoever_follows_the_wrapper(
    sample: Path, tmp_path: Path
) -> None:
    version = same_version(sample)
    behind = tmp_path / "inline.xml"
    behind.write_bytes(document(version, inline(version, 1)))
    url = etree.fromstring(sample.read_bytes()).findtext(".//{*}VASTAdTagURI")
    assert url is not None
    brokers = Brokers({url.strip(): behind.read_bytes()})
    found = asyncio.run(resolve(sample.read_bytes(), brokers))
    answer = rewrite(found, all_ready(found), version=version)
    (theirs,), (ours,) = played(sample.read_bytes(), behind), played(answer)
    assert set(theirs["error"]) == set(found.ads[0].error_urls)
    if version == "3.0":  # its schema has one Error in an ad
        theirs["error"] = theirs["error"][-1:]
    assert counted([theirs]) == counted([ours])


def played(data: bytes, behind: Path | None = None) -> list[dict[str, Any]]:
    node = shutil.which("node")
    assert node is not None
    arguments: list[str | Path] = [node, READER, CLIENT.resolve(), *([behind] if behind else [])]
    ran = subprocess.run(arguments, input=data, capture_output=True, timeout=60, check=True)
    told: list[dict[str, Any]] = json.loads(ran.stdout)
    return told


def counted(ads: list[dict[str, Any]]) -> list[Counter[str]]:
    return [Counter(f"{kind} {url}" for kind, urls in ad.items() for url in urls) for ad in ads]
