"""URLs as strangers write them."""

from __future__ import annotations

import pytest

from adapters.outbound.web.errors import UrlRefused
from adapters.outbound.web.urls import MAX_URL, join, parse, place_of

HOSTILE = {
    "no scheme": "//ads.example/",
    "another scheme": "ftp://ads.example/",
    "a file": "file:///etc/passwd",
    "gopher": "gopher://ads.example:70/_x",
    "script": "javascript:alert(1)",
    "one slash": "http:/ads.example/",
    "no host": "http:///path",
    "only a port": "http://:80/",
    "credentials": "http://user:secret@ads.example/",
    "a user": "http://user@ads.example/",
    "credentials that look like the host": "http://ads.example:80@127.0.0.1/",
    "a backslash before the host": "http://ads.example\\@127.0.0.1/",
    "a backslash for the slash": "http://ads.example\\path",
    "an escaped host": "http://%31%32%37.0.0.1/",
    "an escaped sign": "http://ads.example%2f@127.0.0.1/",
    "one decimal number": "http://2130706433/",
    "octal": "http://0177.0.0.1/",
    "octal whole": "http://017700000001/",
    "hexadecimal": "http://0x7f000001/",
    "hexadecimal part": "http://127.0.0.0x1/",
    "empty hexadecimal": "http://127.0.0.0x/",
    "two parts": "http://127.1/",
    "three parts": "http://127.0.1/",
    "five parts": "http://127.0.0.0.1/",
    "over 255": "http://256.1.1.1/",
    "leading zeros": "http://127.000.000.001/",
    "full-width digits in two parts": "http://１２７.１/",
    "an empty label": "http://ads..example/",
    "a leading dot": "http://.ads.example/",
    "two trailing dots": "http://ads.example../",
    "only a dot": "http://./",
    "a hyphen first": "http://-ads.example/",
    "a long label": f"http://{'a' * 64}.example/",
    "a long name": f"http://{'.'.join(['a' * 60] * 5)}/",
    "a name without an end": "http://" + "ä" * 20_000,
    "brackets around a name": "http://[ads.example]/",
    "brackets around IPv4": "http://[127.0.0.1]/",
    "an open bracket": "http://[::1/",
    "something after the bracket": "http://[::1]x/",
    "IPv6 without brackets": "http://::1/",
    "a zone": "http://[fe80::1%25eth0]/",
    "a bare zone": "http://[fe80::1%eth0]/",
    "a future address": "http://[v1.x]/",
    "a space in the host": "http://ads.example /",
    "a space before the host": "http:// ads.example/",
    "a tab in the host": "http://ads\t.example/",
    "a line feed": "http://ads.example/\nHost: inside",
    "a return": "http://ads.example/\r\nX: y",
    "a null": "http://ads.example/\0",
    "a delete": "http://ads.example/\x7f",
    "a soft hyphen": "http://ads\u00ad.example/",
    "a mark of direction": "http://ads.example/\u202egpj",
    "a line separator": "http://ads.example/\u2028",
    "half a character": "http://ads.example/\ud800",
    "port zero": "http://ads.example:0/",
    "too high a port": "http://ads.example:65536/",
    "a long port": "http://ads.example:000080/",
    "a signed port": "http://ads.example:+80/",
    "a worded port": "http://ads.example:http/",
    "a port in other digits": "http://ads.example:８０/",
    "two ports": "http://ads.example:80:80/",
    "IDNA that cannot be": "http://\u0661.example-\u200d/",
    "too long": "http://ads.example/" + "a" * MAX_URL,
    "nothing": "",
}
NORMALISED = {
    "http://ads.example": "http://ads.example/",
    "  https://ads.example/x\n": "https://ads.example/x",
    "HTTP://ADS.Example:80/A?B": "http://ads.example/A?B",
    "http://ads.example./x": "http://ads.example/x",
    "http://ads.example:/x": "http://ads.example/x",
    "http://ads.example?x=1": "http://ads.example/?x=1",
    "http://ads.example/x#fragment": "http://ads.example/x",
    "http://bücher.example/ü?q=ü": "http://xn--bcher-kva.example/%C3%BC?q=%C3%BC",
    "http://１２７.0.0.1/": "http://127.0.0.1/",
    "http://ads。example/": "http://ads.example/",
    "http://[0:0:0:0:0:0:0:1]:8080/": "http://[::1]:8080/",
    "http://ads.example/a b?c=<d>": "http://ads.example/a%20b?c=%3Cd%3E",
    "http://ads.example/%7Ea/../b?x=[CACHEBUSTING]&y={z}|%5B": (
        "http://ads.example/%7Ea/../b?x=[CACHEBUSTING]&y={z}|%5B"
    ),
    "http://ads.example/?u=http://a:b@c/": "http://ads.example/?u=http://a:b@c/",
    "http://my_ads.example:8080/": "http://my_ads.example:8080/",
}


@pytest.mark.parametrize("url", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_spelling_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        parse(url)


@pytest.mark.parametrize(("url", "plain"), NORMALISED.items())
def test_an_unusual_spelling_becomes_the_plain_one_and_stays_it(url: str, plain: str) -> None:
    assert str(parse(url)) == plain
    assert parse(plain) == parse(url)


def test_what_is_sent_is_what_was_checked() -> None:
    target = parse("https://Ads.Example:8443/a?b=%20[c]")
    assert (target.host, target.port) == ("ads.example", 8443)
    assert (target.url.raw_host, target.url.port) == ("ads.example", 8443)
    assert target.url.raw_path_qs == "/a?b=%20[c]"


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/x", "https://ads.example/x"),
        ("x?y", "https://ads.example/a/x?y"),
        ("//other.example/x", "https://other.example/x"),
        ("http://other.example", "http://other.example/"),
        ("?z=1", "https://ads.example/a/b?z=1"),
    ],
)
def test_a_redirect_leads_where_it_says(location: str, leads_to: str) -> None:
    assert str(join(parse("https://ads.example/a/b?c"), location)) == leads_to


@pytest.mark.parametrize(
    "location",
    [
        "//u@127.0.0.1/",
        "http://127.1/",
        "ftp://a/",
        "/\t/127.0.0.1/",
        "http://[/",
        "//[x]/",
        "/" + "a" * MAX_URL,
        "\\\\inside\\x@",
    ],
)
def test_a_hostile_redirect_is_refused_or_stays_with_its_host(location: str) -> None:
    try:
        target = join(parse("https://ads.example/a/b"), location)
    except UrlRefused:
        return
    assert target.origin == ("https", "ads.example", 443)


def test_a_place_needs_host_and_port() -> None:
    assert place_of("127.0.0.1:9000") == ("127.0.0.1", 9000)
    assert place_of("[::1]:9000") == ("::1", 9000)
    assert place_of("Broker:80") == ("broker", 80)
    for wrong in ("127.0.0.1", "broker", "broker:", "http://broker:80", "127.1:80", "a b:80", ""):
        with pytest.raises(UrlRefused):
            place_of(wrong)
