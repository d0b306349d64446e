"""Where a request goes: redirects, names that turn inside, TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.outbound.web import Documents, Guard, Web
from adapters.outbound.web.errors import (
    AddressForbidden,
    RedirectRefused,
    RemoteUnavailable,
    UrlRefused,
)
from domain.kernel.errors import HomecastError
from tests.support.misbehaving import (
    XML,
)
from tests.support.strangers import Stranger, answer, redirect
from tests.support.tls import certificate


async def test_redirects_are_followed_to_the_fifth(host: Stranger, documents: Documents) -> None:
    for step in range(6):
        host.routes[f"/{step}"] = redirect(f"/{step + 1}")
    host.routes["/6"] = answer(XML)
    assert (await documents.fetch(host.url("/1"))).url == host.url("/6")
    with pytest.raises(RedirectRefused):
        await documents.fetch(host.url("/0"))


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("http://127.0.0.1/", AddressForbidden),
        ("http://169.254.169.254/latest/meta-data/", AddressForbidden),
        ("http://[fd00:ec2::254]/latest/meta-data/", AddressForbidden),
        ("http://[::ffff:169.254.169.254]/", AddressForbidden),
        ("http://[::1]/", AddressForbidden),
        ("//10.0.0.1/", AddressForbidden),
        ("http://localhost/", AddressForbidden),
        ("http://127.1/", UrlRefused),
        ("http://127.0.0.1:6379/", UrlRefused),
        ("http://user@ads.example/", UrlRefused),
        ("file:///etc/passwd", UrlRefused),
        ("http://ads.example/" + "a" * 25_000, UrlRefused),
    ],
)
async def test_a_redirect_inside_is_refused(
    host: Stranger, documents: Documents, location: str, error: type[HomecastError]
) -> None:
    host.routes["/vast"] = redirect(location)
    with pytest.raises(error):
        await documents.fetch(host.url("/vast"))


async def test_credentials_do_not_follow_a_redirect_to_another_host(host: Stranger) -> None:
    async with Stranger() as other:
        web = Web(Guard(allowed=[host.place, other.place]))
        host.routes["/a"] = redirect("/b")
        host.routes["/b"] = redirect(other.url("/c"))
        other.routes["/c"] = answer(XML)
        headers = {"Authorization": "Bearer x", "X-Device-IP": "192.0.2.1"}
        await Documents(web).fetch(host.url("/a"), headers)
        await web.close()
    assert [asked.headers.get("authorization") for asked in host.asked] == ["Bearer x"] * 2
    assert "authorization" not in other.asked[0].headers
    assert other.asked[0].headers["x-device-ip"] == "192.0.2.1"


async def test_cookies_are_not_kept(host: Stranger, documents: Documents) -> None:
    host.routes["/vast"] = answer(XML, Set_Cookie="id=1; Path=/")
    await documents.fetch(host.url("/vast"))
    await documents.fetch(host.url("/vast"))
    assert "cookie" not in host.asked[1].headers


async def test_proxies_of_the_environment_are_ignored(
    host: Stranger, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    host.routes["/vast"] = answer(XML)
    assert (await documents.fetch(host.url("/vast"))).body == XML


class Rebinding:
    """A name server that says something public first, and this machine from then on."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return [self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]]


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """RFC 5737 and others leave no public address that surely answers: what is looked at is where
    the socket is made for."""
    made: list[Any] = []

    class Watched(Guard):
        def open_socket(self, info: tuple[Any, ...]) -> Any:
            made.append(info[4])
            super().open_socket(info).close()
            raise OSError("not connected in this test")

    lookup = Rebinding("8.8.8.8", "127.0.0.1")
    web = Web(Watched(lookup=lookup))
    with pytest.raises(RemoteUnavailable):
        await Documents(web).fetch("http://ads.example/")
    assert (lookup.asked, made) == (1, [("8.8.8.8", 80)])
    await web.close()


async def test_a_name_that_turns_inside_is_refused_at_its_next_connection() -> None:
    lookup = Rebinding("127.0.0.1")
    web = Web(Guard(lookup=lookup))
    for _ in range(2):
        with pytest.raises(AddressForbidden):
            await Documents(web).fetch("http://ads.example/")
    assert lookup.asked == 2
    await web.close()


async def test_many_requests_at_once_for_a_forbidden_name_all_fail() -> None:
    web = Web(Guard(lookup=Rebinding("10.0.0.1")))
    documents = Documents(web)
    fetches = [documents.fetch("http://ads.example/") for _ in range(20)]
    results = await asyncio.gather(*fetches, return_exceptions=True)
    assert all(isinstance(result, AddressForbidden) for result in results)
    await web.close()


# --- TLS


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return certificate(tmp_path_factory.mktemp("tls"), "ads.example")


async def test_host_and_sni_stay_the_name(tls: tuple[ssl.SSLContext, Path]) -> None:
    context, trusted = tls
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    async with Stranger(context) as host:
        host.routes["/vast"] = answer(XML)
        place = f"ads.example:{host.port}"
        guard = Guard(allowed=[place], lookup=Rebinding("127.0.0.1"))
        web = Web(guard, tls=ssl.create_default_context(cafile=trusted))
        assert (await Documents(web).fetch(f"https://{place}/vast")).body == XML
        await web.close()
    assert names == ["ads.example"]
    assert host.asked[0].headers["host"] == place


async def test_a_certificate_for_another_name_is_not_taken(
    tls: tuple[ssl.SSLContext, Path],
) -> None:
    context, trusted = tls
    context.sni_callback = None
    async with Stranger(context) as host:
        guard = Guard(allowed=[host.place])
        web = Web(guard, tls=ssl.create_default_context(cafile=trusted))
        with pytest.raises(RemoteUnavailable):
            await Documents(web).fetch(host.url("/vast"))
        await web.close()
    assert host.asked == []


@pytest.mark.parametrize("downgrade", [False, True])
async def test_a_redirect_from_https_to_http_is_followed_where_it_may(
    host: Stranger, tls: tuple[ssl.SSLContext, Path], downgrade: bool
) -> None:
    context, trusted = tls
    context.sni_callback = None
    async with Stranger(context) as secure:
        secure.routes["/vast"] = redirect(host.url("/vast"))
        host.routes["/vast"] = answer(XML)
        place = f"ads.example:{secure.port}"
        guard = Guard(allowed=[place, host.place], lookup=Rebinding("127.0.0.1"))
        web = Web(guard, tls=ssl.create_default_context(cafile=trusted))
        fetching = Documents(web, downgrade=downgrade).fetch(f"https://{place}/vast")
        if downgrade:
            assert (await fetching).url == host.url("/vast")
        else:
            with pytest.raises(RedirectRefused):
                await fetching
        await web.close()
