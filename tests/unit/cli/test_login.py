"""``homecast login`` and what comes after it, against a server on a real socket."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
import segno
from rich.console import Console
from typer.testing import CliRunner, Result

from adapters.inbound.cli import device_grant, login_commands, logins, main
from adapters.inbound.cli.client import ApiClient
from adapters.inbound.cli.connection import Connection, Trouble, find_connection
from adapters.inbound.cli.device_grant import AuthorizationServer, Tokens, require_safe
from adapters.inbound.cli.logins import Login, Logins, Renewal, login_of
from adapters.inbound.cli.render import Output
from tests.support.device_grant import DeviceGrantServer, Time


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a user without any settings, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("HOMECAST_TOKEN", "HOMECAST_API_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def platform() -> Iterator[DeviceGrantServer]:
    with DeviceGrantServer().running() as platform:
        yield platform


@pytest.fixture
def server(platform: DeviceGrantServer) -> Iterator[AuthorizationServer]:
    with server_of(platform)(platform.url) as server:
        yield server


def server_of(platform: DeviceGrantServer) -> Callable[[str], AuthorizationServer]:
    return partial(AuthorizationServer, sleep=platform.time.sleep, now=platform.time.now)


def code_of(caught: pytest.ExceptionInfo[Trouble]) -> str:
    return str(caught.value.problem["code"])


# --- the grant ------------------------------------------------------------------------------------


def test_it_waits_until_the_person_has_said_yes(
    platform: DeviceGrantServer, server: AuthorizationServer
) -> None:
    begun = server.begin(["devices:read"])
    platform.time.later(17, platform.approve)
    tokens = server.wait(begun)
    assert tokens.access_token in platform.access
    assert platform.time.slept == [5.0] * 4
    assert platform.requests[0][1] == {"client_id": "homecast-cli", "scope": "devices:read"}


def test_slow_down_means_five_seconds_more_from_then_on(
    platform: DeviceGrantServer, server: AuthorizationServer
) -> None:
    begun = server.begin()
    platform.faults = ["ok", "slow_down", "ok", "slow_down", "ok"]
    platform.time.later(41, platform.approve)
    server.wait(begun)
    assert platform.time.slept == [5.0, 5.0, 10.0, 10.0, 15.0]


def test_no_means_no(platform: DeviceGrantServer, server: AuthorizationServer) -> None:
    begun = server.begin()
    platform.time.later(9, platform.deny)
    with pytest.raises(Trouble) as caught:
        server.wait(begun)
    assert code_of(caught) == "access_denied"
    assert len(platform.time.slept) == 2


@pytest.mark.parametrize("lifetime", [12.0, 600.0])
def test_nobody_is_asked_for_ever(
    platform: DeviceGrantServer, server: AuthorizationServer, lifetime: float
) -> None:
    platform.lifetime = lifetime
    begun = server.begin()
    with pytest.raises(Trouble) as caught:
        server.wait(begun)
    assert code_of(caught) == "expired_token"
    assert sum(platform.time.slept) <= lifetime


def test_a_server_that_says_so_ends_it_too(
    platform: DeviceGrantServer, server: AuthorizationServer
) -> None:
    begun = server.begin()
    platform.lifetime = 0
    platform._codes = dict.fromkeys(platform._codes, 0.0)
    with pytest.raises(Trouble) as caught:
        server.wait(begun)
    assert code_of(caught) == "expired_token"
    assert len(platform.time.slept) == 1


def test_a_lost_connection_is_no_answer_and_makes_it_ask_more_seldom(
    platform: DeviceGrantServer, server: AuthorizationServer
) -> None:
    begun = server.begin()
    platform.faults = ["broken", "broken", "busy", "ok"]
    platform.approve()
    assert server.wait(begun).access_token in platform.access
    assert platform.time.slept == [5.0, 10.0, 20.0, 40.0]


def test_anything_else_ends_the_waiting(
    platform: DeviceGrantServer, server: AuthorizationServer
) -> None:
    begun = server.begin()
    platform._codes.clear()
    with pytest.raises(Trouble) as caught:
        server.wait(begun)
    assert code_of(caught) == "invalid_grant"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"<html>", b"{}", b'{"access_token": 1}', b'{"device_code": "x"}',
     b'{"access_token": "a", "token_type": "DPoP"}',
     b'{"access_token": "a", "token_type": "Bearer", "expires_in": "soon"}'],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 500])
def test_a_strange_answer_is_told_in_a_line(body: bytes, status: int) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    server = AuthorizationServer("http://127.0.0.1:1", transport=transport)
    for ask in (server.begin, lambda: server.refresh("hcr_x")):
        with pytest.raises(Trouble):
            ask()


@pytest.mark.parametrize("url", ["https://home.example/", "http://127.0.0.1:8080", "http://[::1]:1",
                                 "http://localhost:80"])  # fmt: skip
def test_safe_addresses(url: str) -> None:
    assert require_safe(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["http://home.example", "http://127.0.0.1.example", "ftp://home.example", "home.example", "",
     "https://", "https://me:secret@home.example", "https://home.example/?x=1"],
)  # fmt: skip
def test_addresses_where_others_could_listen_are_refused(url: str) -> None:
    with pytest.raises(Trouble) as caught:
        AuthorizationServer(url)
    assert caught.value.exit_code == 2


# --- the file -------------------------------------------------------------------------------------


def a_login(url: str, token: str = "hca_a", *, expires_at: float = 2e9) -> Login:
    return Login(api_url=url, access_token=token, refresh_token="hcr_a", expires_at=expires_at)


def test_a_login_is_kept_for_this_user_only(home: Path) -> None:
    store = Logins()
    store.save(a_login("https://home.example"))
    [file] = (home / "config" / "homecast" / "logins").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert store.find("https://home.example/") == a_login("https://home.example")
    assert store.find("https://other.example") is None
    store.remove("https://home.example")
    assert store.find("https://home.example") is None


def test_the_configuration_is_where_xdg_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert logins.folder() == home / "config" / "homecast" / "logins"
    monkeypatch.setenv("HOME", str(home))
    for given in ("", "relative/path"):
        monkeypatch.setenv("XDG_CONFIG_HOME", given)
        assert logins.folder() == home / ".config" / "homecast" / "logins"


def test_a_file_that_cannot_be_read_is_no_login(home: Path) -> None:
    store = Logins()
    store.save(a_login("https://home.example"))
    [file] = (home / "config" / "homecast" / "logins").iterdir()
    for content in (b"", b"{", b'{"api_url": 1}', b"\xff"):
        file.write_bytes(content)
        assert store.find("https://home.example") is None


def test_a_write_that_fails_leaves_the_login_as_it_was(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Logins()
    store.save(a_login("https://home.example"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.save(a_login("https://home.example", "hca_b"))
    assert store.find("https://home.example") == a_login("https://home.example")
    assert len(list((home / "config" / "homecast" / "logins").iterdir())) == 1


def test_tokens_are_in_no_representation() -> None:
    tokens = Tokens("hca_secret", "hcr_secret", 3600, "openid")
    for one in (tokens, login_of("https://home.example", tokens, 0.0)):
        assert "_secret" not in repr(one)


def test_a_lock_that_is_never_given_up_is_not_waited_for_for_ever() -> None:
    store, time = Logins(), Time()
    with store.locked("https://home.example", sleep=time.sleep):
        with (
            pytest.raises(Trouble) as caught,
            store.locked("https://home.example", seconds=1, sleep=time.sleep),
        ):
            raise AssertionError("both have it")
        with store.locked("https://other.example", seconds=0, sleep=time.sleep):
            pass
    assert code_of(caught) == "login_busy"
    assert sum(time.slept) == pytest.approx(1.0)


# --- renewing -------------------------------------------------------------------------------------


def signed_in(platform: DeviceGrantServer, *, expires_in: float = 3600) -> Renewal:
    _, told = platform._tokens("family")
    tokens = Tokens(told["access_token"], told["refresh_token"], expires_in, "")
    renewal = renewal_of(platform)
    renewal.logins.save(login_of(platform.url, tokens, platform.time.now()))
    return renewal


def renewal_of(platform: DeviceGrantServer) -> Renewal:
    return Renewal(platform.url, server=server_of(platform), now=platform.time.now)


def test_a_token_that_holds_is_used_as_it_is(platform: DeviceGrantServer) -> None:
    renewal = signed_in(platform)
    assert renewal.token() == renewal.token()
    assert platform.refreshes == 0


def test_a_token_is_renewed_before_it_ends_and_when_it_was_refused(
    platform: DeviceGrantServer,
) -> None:
    renewal = signed_in(platform)
    first = renewal.token()
    platform.time.at += 3545
    second = renewal.token()
    assert second != first
    third = renewal.token(second)
    assert third not in (first, second)
    assert renewal.token(second) == third, "somebody else has renewed it"
    assert platform.refreshes == 2
    assert not platform.reused


def test_two_commands_at_once_renew_it_once(platform: DeviceGrantServer) -> None:
    signed_in(platform, expires_in=0)
    platform.hold.clear()
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(renewal_of(platform).token) for _ in range(8)]
        threading.Timer(0.1, platform.hold.set).start()
        assert len({one.result() for one in running}) == 1
    assert (platform.refreshes, platform.reused) == (1, False)


def test_two_processes_at_once_renew_it_once(platform: DeviceGrantServer) -> None:
    signed_in(platform, expires_in=-1e6)
    environment = {**os.environ, "HOMECAST_API_URL": platform.url}
    command = [sys.executable, "-c", "from adapters.inbound.cli.main import app; app()", "whoami"]
    running = [
        subprocess.Popen(
            [*command, "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        for _ in range(2)
    ]
    told = [json.loads(one.communicate(timeout=60)[0]) for one in running]
    assert [one["id"] for one in told] == ["family"] * 2
    assert (platform.refreshes, platform.reused) == (1, False)


def test_a_login_that_has_ended_is_forgotten_and_said(platform: DeviceGrantServer) -> None:
    renewal = signed_in(platform, expires_in=0)
    platform._end("family")
    with pytest.raises(Trouble) as caught:
        renewal.token()
    assert code_of(caught) == "login_ended"
    assert renewal.logins.find(platform.url) is None


def test_a_platform_that_is_away_does_not_end_the_login(platform: DeviceGrantServer) -> None:
    renewal = signed_in(platform, expires_in=30)
    held = renewal.logins.find(platform.url)
    assert held is not None
    platform.faults = ["busy"] * 2
    assert renewal.token() == held.access_token, "it holds for half a minute"
    platform.time.at += 30
    with pytest.raises(Trouble):
        renewal.token()
    assert renewal.logins.find(platform.url) == held
    assert renewal.token() in platform.access


def test_a_refresh_that_did_not_arrive_is_sent_again(platform: DeviceGrantServer) -> None:
    renewal = signed_in(platform, expires_in=0)
    platform.faults = ["broken"]
    assert renewal.token() in platform.access
    assert not platform.reused


def test_a_lost_answer_to_a_refresh_ends_the_login_where_rotation_is_strict(
    platform: DeviceGrantServer,
) -> None:
    renewal = signed_in(platform, expires_in=0)
    platform.faults = ["lost"]
    with pytest.raises(Trouble) as caught:
        renewal.token()
    assert code_of(caught) == "login_ended"


def test_without_a_refresh_token_it_ends_with_its_access_token(
    platform: DeviceGrantServer,
) -> None:
    renewal = signed_in(platform)
    held = renewal.logins.find(platform.url)
    assert held is not None
    renewal.logins.save(held.model_copy(update={"refresh_token": None}))
    assert renewal.token() == held.access_token
    platform.time.at += 3600
    with pytest.raises(Trouble) as caught:
        renewal.token()
    assert code_of(caught) == "login_ended"


# --- the commands ---------------------------------------------------------------------------------


@pytest.fixture
def typed(platform: DeviceGrantServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Commands as they are typed, in the time of the platform."""
    monkeypatch.setattr(login_commands, "AuthorizationServer", server_of(platform))
    monkeypatch.setenv("HOMECAST_API_URL", platform.url)

    def run(*words: str) -> Result:
        result = CliRunner().invoke(main.app, list(words))
        assert "Traceback" not in result.output
        assert "hca_" not in result.output
        assert "hcr_" not in result.output
        return result

    return run


def test_a_login_shows_the_way_and_is_used_from_then_on(
    platform: DeviceGrantServer, typed: Callable[..., Result]
) -> None:
    platform.time.later(12, platform.approve)
    result = typed("login", "--json")
    assert result.exit_code == 0, result.output
    assert f"{platform.url}/device" in result.stderr
    assert "BCDF-GHJK" in result.stderr
    assert json.loads(result.stdout)["scopes"] == ["devices:read", "openid"]
    told = json.loads(typed("whoami", "--json").stdout)
    assert (told["api_url"], told["client_id"]) == (platform.url, "homecast-cli")
    assert "homecast-cli" in typed("whoami").stdout


@pytest.mark.parametrize("terminal", [True, False])
def test_a_code_to_be_scanned_is_for_terminals(terminal: bool) -> None:
    complete = "https://home.example/device?user_code=BCDF-GHJK"
    begun = device_grant.Begun("code", "BCDF-GHJK", "https://home.example/device", complete, 60, 5)
    code, output = io.StringIO(), Output()
    segno.make(complete, micro=False).terminal(out=code, compact=True)
    output.err = Console(stderr=True, file=io.StringIO(), force_terminal=terminal)
    login_commands.invite(output, begun)
    shown = output.err.file
    assert isinstance(shown, io.StringIO)
    assert "BCDF-GHJK" in shown.getvalue()
    assert (code.getvalue() in shown.getvalue()) is terminal


def test_a_new_login_ends_the_one_before(
    platform: DeviceGrantServer, typed: Callable[..., Result]
) -> None:
    platform.approve()
    assert typed("login").exit_code == 0
    [first] = platform.refresh
    assert typed("login").exit_code == 0
    assert first not in platform.refresh
    assert len(platform.refresh) == 1


def test_a_refused_login_leaves_what_there_was(
    platform: DeviceGrantServer, typed: Callable[..., Result]
) -> None:
    signed_in(platform)
    before = Logins().find(platform.url)
    platform.deny()
    result = typed("login")
    assert (result.exit_code, "refused" in result.stderr) == (1, True)
    assert Logins().find(platform.url) == before


def test_a_logout_ends_it_there_and_here(
    platform: DeviceGrantServer, typed: Callable[..., Result]
) -> None:
    signed_in(platform)
    assert typed("logout").exit_code == 0
    assert not platform.refresh
    assert not platform.access
    assert Logins().find(platform.url) is None
    again = typed("logout", "--json")
    assert json.loads(again.stdout)["was_logged_in"] is False
    assert typed("whoami").exit_code == 2


def test_a_logout_that_cannot_be_told_keeps_the_login_unless_forced(
    typed: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = "http://127.0.0.1:1"
    Logins().save(a_login(nowhere))
    result = typed("logout", "--api-url", nowhere)
    assert result.exit_code == 3
    assert "--force" in result.stderr
    assert Logins().find(nowhere) is not None
    assert typed("logout", "--api-url", nowhere, "--force").exit_code == 0
    assert Logins().find(nowhere) is None


def test_a_login_over_plain_http_is_refused(typed: Callable[..., Result]) -> None:
    result = typed("login", "--api-url", "http://home.example")
    assert result.exit_code == 2
    assert "HTTPS" in result.stderr


def test_a_token_of_the_environment_comes_before_a_login_and_that_before_the_demo(
    platform: DeviceGrantServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".homecast").mkdir()
    demo = {"account_id": "A", "token": "hc_demo", "api_url": platform.url}
    (home / ".homecast" / "demo.json").write_text(json.dumps(demo))
    assert find_connection() == Connection(platform.url, "hc_demo")
    Logins().save(a_login(platform.url))
    assert find_connection() == Connection(platform.url, "hca_a")
    assert "hca_a" not in repr(find_connection())
    monkeypatch.setenv("HOMECAST_TOKEN", "hc_mine")
    assert find_connection() == Connection(platform.url, "hc_mine")


def test_a_login_goes_to_no_other_address(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Logins().save(a_login("https://home.example"))
    monkeypatch.setenv("HOMECAST_API_URL", "https://elsewhere.example")
    with pytest.raises(Trouble):
        find_connection()


def test_a_token_that_ends_while_a_command_runs_is_renewed_in_it(
    platform: DeviceGrantServer,
) -> None:
    renewal = signed_in(platform)
    first = renewal.token()
    with ApiClient(Connection(platform.url, first, renewal.token)) as api:
        assert api.ask("GET", "/v1/token")["id"] == "family"
        platform.access.pop(first)
        assert api.ask("GET", "/v1/token")["id"] == "family"
        assert api.ask("GET", "/v1/token")["id"] == "family"
    assert platform.refreshes == 1


def test_a_token_that_cannot_be_renewed_is_tried_once(platform: DeviceGrantServer) -> None:
    with ApiClient(Connection(platform.url, "hc_wrong")) as api, pytest.raises(Trouble):
        api.ask("GET", "/v1/token")
    assert platform.asked()["/v1/token"] == 1


def test_the_way_is_shown_without_what_would_move_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    begun = device_grant.Begun("code", "AB\x1b[2J", "https://x\x07", None, 60, 5)
    login_commands.invite(Output(), begun)
    assert "\x1b[2J" not in capsys.readouterr().err
