"""The commands as they are typed: what they print, what they ask, and their exit codes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from adapters.inbound.cli import main
from tests.support.api_stub import TOKEN, ApiStub, answer, command, device, problem


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> ApiStub:
    stub = ApiStub()
    monkeypatch.setattr(main, "connect", stub.client)
    return stub


def run(*words: str, given: str = "") -> Result:
    result = CliRunner().invoke(main.app, list(words), input=given)
    assert TOKEN not in result.output
    assert "Traceback" not in result.output
    return result


def test_devices_are_listed_for_people_and_for_programs(stub: ApiStub) -> None:
    text = run("devices").stdout
    assert "Hall light" in text
    assert "on off light" in text
    assert "online" in text
    assert "OnOff.On, OnOff.Off" in text
    listed = json.loads(run("devices", "--json").stdout)
    assert [one["name"] for one in listed] == ["Ceiling", "ceiling", "Hall light"]
    assert {"id", "name", "kind", "online", "state", "commands"} <= listed[0].keys()


def test_escape_sequences_in_a_name_do_not_reach_the_terminal(stub: ApiStub) -> None:
    stub.devices = [device("\x1b[31mred\x07", "lamp")]
    text = run("devices").stdout
    assert "\x1b" not in text
    assert "\x07" not in text


@pytest.mark.parametrize("name", ["lamp", "Hall light", "HALL LIGHT"])
def test_send_finds_the_device_by_id_or_name(stub: ApiStub, name: str) -> None:
    stub.answers = [answer(command("ACCEPTED"), 202)]
    result = run("send", name, "on", "--arg", "level=12", "--arg", "mode=Heat", "--ttl", "5")
    assert result.exit_code == 0, result.output
    assert stub.requests[0].url.path == "/v1/devices/lamp/commands"
    body = {"command": "OnOff.On", "args": {"level": 12, "mode": "Heat"}, "ttl": 5}
    assert stub.bodies() == [body]
    assert stub.requests[0].headers["Idempotency-Key"]


def test_each_step_is_shown_while_waiting(stub: ApiStub) -> None:
    stub.answers = [
        answer(command("ACCEPTED"), 202),
        answer(command("ACCEPTED")),
        answer(command("ACCEPTED", "SENT")),
        answer(command("ACCEPTED", "SENT", "SUCCEEDED", result={"level": 4})),
    ]
    result = run("send", "lamp", "OnOff.On", "--wait", "8")
    assert result.exit_code == 0
    shown = [line for line in result.stdout.splitlines() if "ms" in line]
    assert [line.split()[3] for line in shown] == ["ACCEPTED", "SENT", "SUCCEEDED"]
    assert '{"level": 4}' in result.stdout


def test_programs_get_the_outcome_of_one_waiting_request(stub: ApiStub) -> None:
    stub.answers = [answer(command("ACCEPTED", "SENT", "SUCCEEDED", result={}))]
    result = run("send", "lamp", "OnOff.On", "--wait", "8", "--json")
    assert result.exit_code == 0
    assert stub.requests[0].url.params["wait"] == "8"
    told = json.loads(result.stdout)
    assert (told["id"], told["status"], told["result"]) == ("lamp.7", "SUCCEEDED", {})
    assert len(told["history"]) == 3


@pytest.mark.parametrize("status", ["FAILED", "REJECTED", "TIMED_OUT", "EXPIRED", "CANCELED"])
def test_waiting_for_anything_but_success_is_a_failure(stub: ApiStub, status: str) -> None:
    stub.answers = [answer(command("ACCEPTED", status, error="jammed", detail="a sock"))]
    result = run("send", "lamp", "OnOff.On", "--wait", "8")
    assert result.exit_code == 1
    assert "jammed: a sock" in result.stdout


def test_an_outcome_that_does_not_come_in_time_is_a_failure(stub: ApiStub) -> None:
    stub.answers = [answer(command("ACCEPTED"), 202) for _ in range(9)]
    result = run("send", "lamp", "OnOff.On", "--wait", "0.000001")
    assert result.exit_code == 1
    assert "Still ACCEPTED" in result.stderr


def test_a_lost_answer_is_asked_for_again_with_the_same_key(stub: ApiStub) -> None:
    stub.answers = [
        httpx.ReadError("gone"),
        problem(503, "busy", retry_after=2),
        problem(429, "rate_limited"),
        answer(command("ACCEPTED"), 202),
    ]
    result = run("send", "lamp", "OnOff.On", "--idempotency-key", "mine")
    assert result.exit_code == 0
    assert [request.headers["Idempotency-Key"] for request in stub.requests] == ["mine"] * 4
    assert stub.pauses[1] == 2.0


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (("send", "celing", "on"), 1, "Did you mean ceiling?"),
        (("send", "CEILING", "on"), 2, "one, two"),
        (("send", "lamp", "onn"), 2, "OnOff.On, OnOff.Off"),
        (("send", "lamp", "on", "--arg", "level"), 2, "NAME=VALUE"),
        (("send", "lamp"), 2, "COMMAND"),
        (("dance",), 2, "dance"),
    ],
)
def test_what_cannot_be_meant_is_told_with_a_hint(
    stub: ApiStub, words: tuple[str, ...], exit_code: int, said: str
) -> None:
    result = run(*words)
    assert result.exit_code == exit_code
    assert said in result.output
    assert stub.requests == []


def test_a_refusal_is_one_line_or_the_problem_itself(stub: ApiStub) -> None:
    errors = [{"field": "level", "reason": "too high"}]
    stub.answers = [problem(422, "invalid_input", "the arguments do not fit", errors=errors)] * 2
    result = run("send", "lamp", "on")
    assert result.exit_code == 1
    assert "the arguments do not fit. level: too high" in result.stderr
    result = run("send", "lamp", "on", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["code"] == "invalid_input"


def test_a_platform_out_of_reach_is_exit_code_3(stub: ApiStub) -> None:
    stub.answers = [httpx.ConnectError("refused") for _ in range(10)]
    result = run("send", "lamp", "on")
    assert result.exit_code == 3
    assert "cannot reach the platform" in result.stderr
    assert "homecast up" in result.stderr


def test_an_answer_that_is_no_problem_is_told_all_the_same(stub: ApiStub) -> None:
    stub.answers = [httpx.Response(502, text="<html>")]
    result = run("commands", "lamp")
    assert result.exit_code == 1
    assert "502" in result.stderr


def test_commands_and_cancel(stub: ApiStub) -> None:
    stub.answers = [
        answer({"items": [command("ACCEPTED", "FAILED", error="jam")], "next_cursor": None}),
        answer(command("ACCEPTED", "CANCELED")),
        problem(409, "command_not_cancelable", "it was sent"),
    ]
    listed = run("commands", "lamp", "--open").stdout
    assert "FAILED" in listed
    assert "jam" in listed
    assert stub.requests[0].url.params["status"] == "open"
    assert "CANCELED" in run("cancel", "hall light", "7").stdout
    assert stub.requests[1].url.path == "/v1/devices/lamp/commands/7/cancel"
    refused = run("cancel", "lamp", "7")
    assert refused.exit_code == 1
    assert "it was sent" in refused.stderr


def test_rename_names_the_version_it_saw(stub: ApiStub) -> None:
    stub.answers = [answer(device("Attic", "lamp"))]
    assert "Attic" in run("rename", "Hall light", "Attic").stdout
    assert stub.requests[0].headers["If-Match"] == '"3"'
    assert stub.bodies() == [{"name": "Attic"}]


def test_release_asks_first(stub: ApiStub) -> None:
    assert run("release", "lamp", given="n\n").exit_code == 1
    assert stub.requests == []
    stub.answers = [httpx.Response(204)]
    assert run("release", "lamp", given="y\n").exit_code == 0
    assert stub.requests[0].method == "DELETE"


LIVE = b"".join(
    (
        b"retry: 1000\n\n",
        b'event: snapshot\nid: a-1\ndata: {"devices": [{"id": "lamp", "name": "Hall light",',
        b' "online": true}], "commands": []}\n\n: here\n\n',
        b'event: presence\nid: a-2\ndata: {"device_id": "lamp", "online": false}\n\n',
        b'event: twin\nid: a-3\ndata: {"device_id": "lamp", "state": {"OnOff": {"on_off": true}}}',
        b"\n\nevent: cut-off\ndata: {",
    )
)


def test_watch_tells_events_by_name_and_goes_on_where_it_was(
    stub: ApiStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", stub.pauses.append)
    stub.answers = [
        httpx.Response(200, content=LIVE),
        httpx.ConnectError("refused"),
        problem(401, "invalid_token", "the token was revoked"),
    ]
    result = run("watch")
    assert "1 devices, 1 online" in result.stdout
    assert "Hall light offline" in result.stdout
    assert "Hall light on" in result.stdout
    assert [one.headers.get("Last-Event-ID") for one in stub.requests] == [None, "a-3", "a-3"]
    assert stub.pauses == [1.0, 2.0]
    assert result.exit_code == 1


def test_watch_for_programs_is_an_object_a_line(
    stub: ApiStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", stub.pauses.append)
    stub.answers = [httpx.Response(200, content=LIVE), problem(401, "invalid_token")]
    lines = [json.loads(line) for line in run("watch", "--json").stdout.splitlines()[:3]]
    assert [line["event"] for line in lines] == ["snapshot", "presence", "twin"]
    assert lines[1] == {
        "event": "presence",
        "id": "a-2",
        "data": {"device_id": "lamp", "online": False},
    }


def test_the_unexpected_is_a_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(main, "connect", broken)
    monkeypatch.delenv("HOMECAST_DEBUG", raising=False)
    result = run("devices")
    assert result.exit_code == 1
    assert "unexpected ZeroDivisionError: oh" in result.stderr


def test_without_a_platform_the_hint_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOMECAST_TOKEN", "HOMECAST_API_URL", "HOMECAST_VAULT_TABLE"):
        monkeypatch.delenv(name, raising=False)
    result = run("devices")
    assert result.exit_code == 2
    assert "HOMECAST_TOKEN" in result.stderr
    result = run("token", "list")
    assert result.exit_code == 2
    assert "HOMECAST_VAULT_TABLE" in result.stderr


@pytest.mark.parametrize("name", ["up", "doctor", "simulate"])
def test_commands_of_other_modules_have_their_own_help(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"{name} [OPTIONS]" in result.stdout


def test_help_lists_every_command() -> None:
    text = run("--help").stdout
    for name in ("up", "doctor", "devices", "send", "watch", "simulate", "token", "release"):
        assert f" {name} " in text


def test_a_read_after_a_write_shows_the_write(stub: ApiStub) -> None:
    with stub.client() as api:
        stub.answers = [answer(device("Hall", "lamp"), Consistency_Token="t1")]
        stub.answers += [answer(command("ACCEPTED"))] * 2
        assert "Consistency-Token" not in stub.listed
        api.rename("lamp", "Hall", 3)
        api.devices()
        assert stub.listed["Consistency-Token"] == "t1"
        api.command("lamp", 7)
        assert stub.requests[-1].headers["Consistency-Token"] == "t1"


def test_a_read_model_that_is_behind_is_asked_again(stub: ApiStub) -> None:
    behind = problem(503, "read_model_behind", "1 event behind", retry_after=1)
    stub.answers = [answer(command("ACCEPTED"), Consistency_Token="t1"), behind]
    stub.answers.append(answer(command("ACCEPTED")))
    with stub.client() as api:
        api.cancel("lamp", 7)
        assert api.command("lamp", 7)["number"] == 7
    assert stub.pauses == [1.0]
