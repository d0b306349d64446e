"""Macros in addresses, and the asset list of an HLS interstitial."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from adapters.vast import Asset, asset_list, assets_of, fill, resolve
from adapters.vast.macros import cachebusting, timestamp
from tests.support.vast import document, inline
from tests.support.vast_fetch import MEDIA, Brokers, all_ready


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("https://e/?c=[ERRORCODE]", "https://e/?c=407"),
        ("https://e/?c=%5BERRORCODE%5D", "https://e/?c=407"),
        ("https://e/?c=%5bERRORCODE%5d", "https://e/?c=407"),
        ("https://e/?c=%%ERRORCODE%%", "https://e/?c=407"),
        ("https://e/?u=[CLIENTUA]", "https://e/?u=a%2F1%20%26%20b%C3%A4"),
        ("https://e/?s=[PLAYERSIZE]", "https://e/?s=640,360"),
        ("https://e/?r=[REASON]", "https://e/?r=-1"),
        ("https://e/?i=[IFA]", "https://e/?i=-2"),
        ("https://e/?x=[OWNMACRO]&y=%%OWN%%", "https://e/?x=[OWNMACRO]&y=%%OWN%%"),
        ("https://[::1]/?a[]=1&b=%5B1%5D", "https://[::1]/?a[]=1&b=%5B1%5D"),
        ("https://e/?v=[SNEAKY]", "https://e/?v=%5BERRORCODE%5D"),
    ],
)
def test_macros(template: str, filled: str) -> None:
    values: dict[str, str | int | tuple[int, ...]] = {
        "ERRORCODE": 407,
        "CLIENTUA": "a/1 & bä",
        "PLAYERSIZE": (640, 360),
        "SNEAKY": "[ERRORCODE]",
    }
    assert fill(template, values, withheld={"IFA"}) == filled


def test_macros_can_be_left_for_the_player() -> None:
    assert fill("[ERRORCODE][ADPLAYHEAD]", {"ERRORCODE": 1}, leave=True) == "1[ADPLAYHEAD]"


def test_times_and_random_numbers_have_the_form_of_the_standard() -> None:
    moment = datetime(2016, 1, 17, 8, 15, 7, 127_000, tzinfo=UTC)
    assert timestamp(moment) == "2016-01-17T08:15:07.127+00:00"
    assert fill("[TIMESTAMP]", {"TIMESTAMP": timestamp(moment)}).startswith("2016-01-17T08%3A15")
    for number in (0, 7, 89_999_999, 2**64):
        assert len(cachebusting(number)) == 8


async def test_an_asset_list_is_an_object_of_the_ready_streams() -> None:
    ads = "".join(inline("4.2", n, sequence=n) for n in (1, 2, 3))
    found = await resolve(document("4.2", ads), Brokers({}))
    assets = assets_of(found, all_ready(found, ["ad-2"]))
    written = asset_list(assets)
    assert written is not None
    expected = {"URI": MEDIA.hls_url, "DURATION": 15.0}
    assert json.loads(written) == {"ASSETS": [expected, expected]}


def test_an_asset_list_is_never_empty() -> None:
    assert asset_list([]) is None
    filler = asset_list([], filler=Asset("https://own/slate.m3u8", 10.0))
    assert filler == b'{"ASSETS":[{"URI":"https://own/slate.m3u8","DURATION":10.0}]}'
