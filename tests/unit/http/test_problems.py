from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from adapters.inbound.http import bodies
from adapters.inbound.http.edge import Edge, trace_of
from adapters.inbound.http.problems import STATUS, leaves, page, problem
from adapters.inbound.http.problems_page import PAGE, import_all
from adapters.inbound.http.rehints import Rehints
from adapters.outbound.system.clock import Ulids
from adapters.outbound.telemetry.tracing import NullTracer
from domain.kernel.errors import HomecastError
from tests.unit.http.test_devices import code_of
from tests.unit.http.world import Client, DeviceKey, World

ROOT = "Root=1-67891233-abcdef012345678912345678"
TRACE = f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1"
import_all()
LEAVES = sorted(
    {one for one in leaves() if not one.__module__.startswith("tests")}, key=lambda one: one.code
)


def test_every_leaf_has_a_status_and_a_code_of_its_own() -> None:
    codes = Counter(leaf.code for leaf in LEAVES)
    assert not set(codes) - set(STATUS), "errors without a status"
    assert not set(STATUS) - set(codes), "statuses without an error"
    assert {code for code, times in codes.items() if times > 1} == set()


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.code)
def test_every_error_is_a_problem_document(leaf: type[HomecastError]) -> None:
    response = problem(leaf("for people", retry_after=3))
    content = orjson.loads(response.body)
    assert response.status_code == STATUS[leaf.code] == content["status"]
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "3"
    assert content["type"] == f"/problems/{leaf.code}"
    assert content["code"] == leaf.code
    assert content["retryable"] is leaf.retryable
    assert content["title"]
    assert content["detail"] == "for people"


def test_the_page_of_problems_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


async def test_an_unknown_address_is_a_problem(client: Client) -> None:
    for path in ("/v1/nothing", "/nothing", "/v1/devices/"):
        response = await client.get(path)
        assert (response.status_code, code_of(response)) == (404, "route_not_found")


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(client: Client) -> None:
    response = await client.http.put("/v1/devices")
    assert (response.status_code, code_of(response)) == (405, "method_not_allowed")
    assert response.headers["allow"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"nonsense", "body"),
        (b'{"command": 7}', "body.command"),
        (b'{"command": "OnOff.On", "more": 1}', "body.more"),
        (b'{"command": "OnOff.On", "ttl": 0}', "body.ttl"),
        (b'{"command": "OnOff.On", "execution_timeout": 1e9}', "body.execution_timeout"),
        (b'{"command": "OnOff.On", "args": []}', "body.args"),
        (b'{"command": "OnOff.On", "args": {"a": "\\ud800"}}', "body.args"),
        (b'{"command": "OnOff.On", "args": {"\\ud800": 1}}', "body.args"),
        (b'{"command": "OnOff.On", "args": {"a": 99999999999999999999}}', "body.args"),
        (b'{"command": "OnOff.On", "args": {"a": NaN}}', "body.args"),
        (b'{"command": "OnOff.On", "args": {"a": %s1%s}}' % (b"[" * 20, b"]" * 20), "body.args"),
        (b'{"command": "OnOff.On", "args": {"a": %s1%s}}' % (b"[" * 9999, b"]" * 9999), "body"),
    ],
)
async def test_a_body_that_does_not_fit_is_said_where(
    client: Client, lamp: DeviceKey, body: bytes, field: str
) -> None:
    response = await client.http.post(
        f"/v1/devices/{lamp.id}/commands",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    code = code_of(response)
    assert (response.status_code, code) in {(422, "invalid_input"), (400, "malformed_request")}
    if code == "invalid_input":
        assert response.json()["errors"][0]["field"].startswith(field)


async def test_what_was_sent_is_not_sent_back(client: Client, lamp: DeviceKey) -> None:
    response = await client.submit(lamp.id, ttl="hunter2")
    assert response.status_code == 422
    assert "hunter2" not in response.text


async def test_a_large_body_is_refused_before_it_is_parsed(client: Client) -> None:
    too_large = b'{"name": "' + b"x" * bodies.LIMIT
    announced = await client.http.post("/v1/devices", content=too_large)
    assert (announced.status_code, code_of(announced)) == (413, "too_large")


async def test_a_large_body_is_refused_while_it_streams(client: Client) -> None:
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b"x" * 1024

    response = await client.http.post("/v1/devices", content=pieces())
    assert (response.status_code, code_of(response)) == (413, "too_large")
    assert sent <= bodies.LIMIT / 1024 + 2


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def never(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("not reached")

    limited = bodies.Bodies(never, time_limit=0.01)
    response = await call(
        Edge(limited, ids=Ulids(), tracer=NullTracer()), headers=[(b"content-length", b"5")]
    )
    assert response[0]["status"] == 408


async def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    async def stuck(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    response = await call(Edge(stuck, ids=Ulids(), tracer=NullTracer(), time_limit=0.01))
    assert response[0]["status"] == 504
    assert orjson.loads(response[1]["body"])["code"] == "deadline_exceeded"


async def call(app: Any, headers: Any = ()) -> list[Any]:
    """One request whose body never comes."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/devices",
        "headers": list(headers),
        "query_string": b"",
    }
    async with asyncio.timeout(5):
        await app(scope, asyncio.Event().wait, send)
    return sent


async def test_a_defect_is_a_problem_without_its_cause_and_is_logged(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.store.broken = True
    with capture_logs() as lines:
        response = await client.get(f"/v1/devices/{lamp.id}")
    content = response.json()
    assert (response.status_code, content["code"]) == (500, "internal_error")
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    assert content["correlation_id"] == response.headers["x-correlation-id"]
    [line] = [one for one in lines if one["event"] == "unexpected"]
    assert line["correlation"] == content["correlation_id"]
    assert isinstance(line["exc_info"], RuntimeError)


async def test_a_store_that_is_away_is_worth_a_retry(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.store.away = True
    response = await client.submit(lamp.id)
    assert (response.status_code, code_of(response)) == (503, "store_unavailable")
    assert response.json()["retryable"] is True


async def test_the_loss_of_redis_fails_no_submit(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.presence.away = world.counters.away = True
    world.hinting = False
    assert (await client.submit(lamp.id)).status_code == 202
    assert (await client.get("/v1/devices")).json()["items"][0]["online"] is None


# --- the edge -------------------------------------------------------------------------------------


async def test_a_sane_correlation_id_comes_back_and_goes_into_the_events(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    response = await client.http.post(
        f"/v1/devices/{lamp.id}/lost",
        headers={"X-Correlation-ID": "abc-123", "X-Amzn-Trace-Id": f"Self=1-x;{TRACE}"},
    )
    assert response.headers["x-correlation-id"] == "abc-123"
    context = (await world.store.read(f"device-{lamp.id}"))[-1].context
    assert (context.correlation_id, context.trace) == ("abc-123", TRACE)
    assert context.principal.startswith("token:")
    assert len(context.causation_id) == 26


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (TRACE, TRACE),
        (ROOT, ROOT),
        (f" Sampled=? ; {ROOT};Lineage=a:1", f"{ROOT};Sampled=?"),
        (f"Self=1-67891234-12456789abcdef012345678;{ROOT}", ROOT),
        (None, None),
        ("", None),
        ("Root=1-abc;Sampled=1", None),
        ("Sampled=1", None),
        (f"{ROOT};Sampled=2", None),
        (f"{ROOT};Parent=53995C3F42CD8AD8", None),
        (f"{ROOT};Parent=", None),
        (f"{ROOT}\n", ROOT),
        (f"{ROOT};" + "x" * 500, None),
    ],
)
def test_of_a_tracing_header_what_is_well_formed_is_taken(
    given: str | None, taken: str | None
) -> None:
    assert trace_of(given) == taken


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "ü", 'a"b', "<b>"])
async def test_any_other_correlation_id_is_replaced(client: Client, given: str) -> None:
    header = {b"x-correlation-id": given.encode()}
    response = await client.http.get("/v1/devices", headers=header)
    assert len(response.headers["x-correlation-id"]) == 26


async def test_answers_of_the_api_are_not_kept_sniffed_or_framed(client: Client) -> None:
    for path in ("/v1/devices", "/v1/nothing"):
        headers = (await client.get(path)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "access-control-allow-origin" not in headers


async def test_the_page_keeps_its_own_policy(client: Client) -> None:
    response = await client.get("/")
    assert response.status_code == 200
    assert "script-src 'self'" in response.headers["content-security-policy"]


async def test_one_line_a_request_and_nothing_secret_in_it(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    secrets = ["hunter2", "Kinderzimmer", "my-key", client.http.headers["authorization"][7:]]
    with capture_logs() as lines:
        await client.submit(lamp.id, args={"pin": "hunter2"}, key="my-key")
        await client.claim(DeviceKey(), name="Kinderzimmer")
        await client.get("/v1/devices", token=secrets[-1])
        await client.get(f"/v1/{secrets[-1]}")
    assert [line["event"] for line in lines] == ["request"] * 4
    assert not [secret for secret in secrets if secret in str(lines)]
    submit, _, _, nowhere = lines
    assert submit["route"] == "/v1/devices/{device_id}/commands"
    assert (submit["method"], submit["status"], submit["code"]) == ("POST", 422, "invalid_input")
    assert submit["principal"].startswith("token:")
    assert submit["ms"] >= 0
    assert nowhere["route"] == "-"


async def test_the_documentation_shows_every_route(client: Client) -> None:
    document = (await client.get("/openapi.json")).json()
    assert set(document["paths"]) >= {
        "/v1/devices",
        "/v1/devices/{device_id}",
        "/v1/devices/{device_id}/lost",
        "/v1/devices/{device_id}/commands",
        "/v1/devices/{device_id}/commands/{number}",
        "/v1/devices/{device_id}/commands/{number}/cancel",
        "/v1/live",
    }
    assert "/" not in document["paths"]


async def test_health_tells_what_is_away(world: World, app: FastAPI) -> None:
    nobody = Client(app, None)
    assert (await nobody.get("/health/live")).json() == {"status": "ok"}
    ready = await nobody.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ok")
    world.presence.away = True
    app.state.readiness._until = 0
    degraded = await nobody.get("/health/ready")
    assert (degraded.status_code, degraded.json()["checks"]["hints"]) == (200, "degraded")
    world.store.away = True
    assert (await nobody.get("/health/ready")).status_code == 200, "an answer holds a second"
    app.state.readiness._until = 0
    failed = await nobody.get("/health/ready")
    assert (failed.status_code, failed.json()["checks"]["store"]) == (503, "failed")


async def test_a_store_that_hangs_makes_it_not_ready_in_time(
    world: World, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: Any, **__: Any) -> list[Any]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr("adapters.inbound.http.health.TIME_LIMIT", 0.01)
    monkeypatch.setattr(world.store, "read", hang)
    async with asyncio.timeout(5):
        response = await Client(app, None).get("/health/ready")
    assert response.status_code == 503


# --- re-hints -------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.inbound.http.rehints.AFTER", (0.0, 0.0, 0.0))


@pytest.mark.usefixtures("quick")
async def test_an_unsent_command_is_hinted_three_times(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    number = (await client.submit(lamp.id)).json()["number"]
    world.presence.here.add(lamp.id)
    rehints = Rehints(world)
    rehints.submitted(lamp.id, number)
    for _ in range(5):
        await rehints.tick()
    assert world.lanes.nudged == [lamp.id] * 3
    assert not rehints._pending
    assert not rehints._queue


@pytest.mark.usefixtures("quick")
async def test_a_command_of_a_device_that_is_not_online_is_left_to_its_connecting(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    number = (await client.submit(lamp.id)).json()["number"]
    rehints = Rehints(world)
    rehints.submitted(lamp.id, number)
    await rehints.tick()
    assert not world.lanes.nudged
    assert not rehints._pending


@pytest.mark.usefixtures("quick")
async def test_a_command_that_was_seen_to_be_sent_is_not_hinted(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.presence.here.add(lamp.id)
    seen = (await client.submit(lamp.id)).json()["number"]
    missed = (await client.submit(lamp.id)).json()["number"]
    rehints = Rehints(world, size=2)
    for number in (seen, missed, 99):
        rehints.submitted(lamp.id, number)
    assert len(rehints._pending) == 2, "bounded"
    await world.send(lamp.id, seen)
    await world.send(lamp.id, missed)
    for one in await world.store.read(f"lane-{lamp.id}"):
        if getattr(one.event, "number", None) == seen:
            rehints.observe(one)
    assert list(rehints._pending) == [(lamp.id, missed)]
    await rehints.tick()
    assert not world.lanes.nudged


# --- starting -------------------------------------------------------------------------------------


async def test_every_part_is_used_once_before_the_first_request(world: World) -> None:
    async with world.app():
        assert world.commands.listed == 1
        assert world.store.reads == 1
        assert world.counters.calls == 1
        assert world.presence.asked


async def test_what_is_away_or_hangs_does_not_keep_the_api_from_starting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("adapters.inbound.http.warmup.TIME_LIMIT", 0.01)
    monkeypatch.setattr(world.vault, "get", hang)
    world.store.away = world.presence.away = world.counters.away = True
    async with asyncio.timeout(5), world.app() as app:
        assert (await Client(app, None).get("/health/live")).status_code == 200
