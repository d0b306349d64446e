from __future__ import annotations

import pytest

from adapters.inbound.http.identity import LONGEST, DeviceIdentity

DEVICE, PROXY, STITCHER = "198.51.100.7", "10.0.0.5", "10.0.0.9"
IDENTITY = DeviceIdentity(["10.0.0.0/8"])


def address(peer: str, forwarded: str = "", said: str = "", query: str = "") -> str | None:
    headers = {"x-forwarded-for": forwarded, "x-device-ip": said}
    return IDENTITY.address(headers, {"deviceip": query}, peer=peer)


def test_the_broker_hears_of_the_device_and_of_the_server() -> None:
    headers = {
        "user-agent": "TV/1.0",
        "referer": "https://app.example/",
        "accept-language": "de",
        "cookie": "secret=1",
        "authorization": "Bearer secret",
        "connection": "keep-alive",
        "x-forwarded-for": DEVICE,
    }
    assert IDENTITY.headers(headers, {}, peer=PROXY) == {
        "X-Device-IP": DEVICE,
        "X-Forwarded-For": DEVICE,
        "X-Device-User-Agent": "TV/1.0",
        "X-Device-Referer": "https://app.example/",
        "X-Device-Accept-Language": "de",
        "User-Agent": "homecast",
    }


def test_what_a_stitching_server_says_of_its_device_goes_before_its_own() -> None:
    headers = {
        "user-agent": "stitcher",
        "x-device-user-agent": "TV/1.0",
        "referer": "https://stitcher.example/",
        "x-device-referer": "https://app.example/",
        "x-device-accept-language": "fr",
        "x-device-ip": DEVICE,
    }
    made = IDENTITY.headers(headers, {}, peer=STITCHER)
    assert made["X-Device-User-Agent"] == "TV/1.0"
    assert made["X-Device-Referer"] == "https://app.example/"
    assert made["X-Device-Accept-Language"] == "fr"
    assert made["X-Device-IP"] == made["X-Forwarded-For"] == DEVICE


def test_the_devices_agent_can_be_passed_on_as_the_agent() -> None:
    passing = DeviceIdentity(user_agent=None)
    made = passing.headers({"user-agent": "TV/1.0"}, {}, peer=DEVICE)
    assert made["User-Agent"] == made["X-Device-User-Agent"] == "TV/1.0"
    assert "User-Agent" not in passing.headers({}, {}, peer=DEVICE)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (address(DEVICE), DEVICE),
        (address(DEVICE, forwarded="1.1.1.1", said="1.1.1.1", query="1.1.1.1"), DEVICE),
        (address(PROXY, forwarded=DEVICE), DEVICE),
        (address(PROXY, forwarded=f"1.1.1.1, {DEVICE}"), DEVICE),
        (address(PROXY, forwarded=f"1.1.1.1, {DEVICE}, 10.0.0.6"), DEVICE),
        (address(PROXY, forwarded=DEVICE, said="1.1.1.1", query="1.1.1.1"), DEVICE),
        (address(PROXY, forwarded=STITCHER, said=DEVICE), DEVICE),
        (address(PROXY, forwarded=STITCHER, query=DEVICE), DEVICE),
        (address(PROXY, forwarded=f"{DEVICE}, nonsense"), PROXY),
        (address(PROXY, forwarded=f"{DEVICE}:8080"), PROXY),
        (address(PROXY, said="nonsense"), PROXY),
        (address(f"::ffff:{PROXY}", forwarded=f"::ffff:{DEVICE}"), DEVICE),
        (address("2001:db8::1"), "2001:db8::1"),
        (address("fe80::1%eth0"), None),
        (address("unix:"), None),
    ],
)
def test_the_address_is_that_of_the_first_hop_which_is_not_trusted(
    found: str | None, expected: str | None
) -> None:
    assert found == expected


@pytest.mark.parametrize(
    "value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\x7fb", "a\u2028b", "ä", "x" * (LONGEST + 1), " "]
)
def test_a_value_that_could_be_read_as_more_than_one_is_left_out(value: str) -> None:
    made = IDENTITY.headers(
        {"user-agent": value, "referer": value, "accept-language": value, "x-device-ip": value},
        {"deviceua": value, "deviceip": value},
        peer=DEVICE,
    )
    assert made == {
        "X-Device-IP": DEVICE,
        "X-Forwarded-For": DEVICE,
        "User-Agent": "homecast",
    }


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        DeviceIdentity(["nonsense"])
