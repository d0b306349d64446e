"""The handlers themselves, with golden events; what they open is on memory."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from mangum import Mangum

from adapters.inbound.aws_lambda import api, projector
from adapters.inbound.aws_lambda.queues import Queues
from adapters.inbound.aws_lambda.resident import Opening, Resident
from adapters.inbound.http.app import create_app
from tests.unit.aws_lambda.payloads import FakeContext, api_event, golden_event, payload
from tests.unit.aws_lambda.test_queues import Hidden
from tests.unit.http.world import DeviceKey, World

Json = dict[str, Any]
QUEUE = "homecast-dev-remote-commands.fifo"


@contextmanager
def resident(
    patch: pytest.MonkeyPatch, module: Any, opening: Opening[Any]
) -> Iterator[Resident[Any]]:
    """In place of the module's own, with an end."""
    kept = Resident(opening)
    patch.setattr(module, "resident", kept)
    try:
        yield kept
    finally:
        kept.close()


# --- api ------------------------------------------------------------------------------------------


class Leaving:
    def __init__(self) -> None:
        self.waited = 0

    async def settled(self) -> None:
        self.waited += 1


class ApiWorld(World):
    """The API's container, and how to call its function."""

    resident: Resident[api.Served]

    def __init__(self) -> None:
        super().__init__()
        self.unawaited = Leaving()
        self.opened = 0

    @asynccontextmanager
    async def opening(self) -> AsyncIterator[api.Served]:
        self.opened += 1
        app = create_app(self, lasting=False, time_limit=1.0)
        async with app.router.lifespan_context(app):
            mangum = Mangum(app, lifespan="off", text_mime_types=api.TEXT)
            yield api.Served(self, mangum)  # type: ignore[arg-type]

    def call(self, method: str = "GET", path: str = "/v1/devices", **more: Any) -> Json:
        return api.handler(api_event(method, path, **more), FakeContext())

    def signed_in(self, **headers: str) -> dict[str, str]:
        self.resident.take(FakeContext())
        return {"authorization": f"Bearer {self.resident.run(self.token())}"} | headers


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiWorld]:
    world = ApiWorld()
    with resident(monkeypatch, api, world.opening) as world.resident:
        yield world


def test_a_golden_request_is_answered_in_the_form_of_api_gateway(world: ApiWorld) -> None:
    answer = world.call(headers=world.signed_in())
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["items"] == []
    assert answer["isBase64Encoded"] is False
    assert answer["headers"]["x-correlation-id"] == "breakfast-42"
    assert answer["headers"]["cache-control"] == "no-store"


def test_a_body_of_base64_is_read(world: ApiWorld) -> None:
    key = DeviceKey()
    body = json.dumps({"proof": key.proof(), "name": "Lamp", "kind": "dimmable_light"}).encode()
    headers = world.signed_in(
        **{"content-type": "application/json", "content-length": str(len(body))}
    )
    encoded = base64.b64encode(body).decode()
    answer = world.call("POST", headers=headers, body=encoded, isBase64Encoded=True)
    assert answer["statusCode"] == 201, answer
    assert json.loads(answer["body"])["id"] == key.id


def test_a_problem_is_text_and_keeps_its_media_type(world: ApiWorld) -> None:
    answer = world.call()
    assert answer["statusCode"] == 401
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert json.loads(answer["body"])["code"] == "unauthenticated"
    assert answer["isBase64Encoded"] is False


def test_the_container_is_opened_once_and_hints_leave_with_every_answer(world: ApiWorld) -> None:
    for _ in range(3):
        world.call()
    assert world.opened == 1
    assert world.unawaited.waited == 3


def test_live_streams_are_refused_and_pages_are_not_there(world: ApiWorld) -> None:
    refused = world.call(path="/v1/live", headers=world.signed_in())
    assert (refused["statusCode"], json.loads(refused["body"])["code"]) == (
        501,
        "streams_elsewhere",
    )
    for path in ("/", "/docs"):
        assert world.call(path=path)["statusCode"] == 404
    assert world.call(path="/openapi.json")["statusCode"] == 200


def test_a_stranger_learns_nothing_of_live_streams(world: ApiWorld) -> None:
    assert world.call(path="/v1/live")["statusCode"] == 401


# --- projector ------------------------------------------------------------------------------------


class Inbox:
    def __init__(self) -> None:
        self.bodies: list[Any] = []

    async def receive(self, bodies: Sequence[Any]) -> None:
        self.bodies += bodies


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    inbox = Inbox()

    @asynccontextmanager
    async def opening() -> AsyncIterator[Queues]:
        yield Queues({QUEUE: inbox}, Hidden())

    with resident(monkeypatch, projector, opening):
        yield inbox


def test_a_golden_batch_goes_to_the_inbox_of_its_queue(inbox: Inbox) -> None:
    event = payload("sqs_fifo")
    body = golden_event("devices.lane_opened.v1")
    event["Records"][0]["body"] = json.dumps(body)
    assert projector.handler(event, FakeContext()) == {"batchItemFailures": []}
    assert inbox.bodies == [body]


def test_when_time_has_run_out_the_batch_comes_back(inbox: Inbox) -> None:
    event = payload("sqs_fifo")
    failed = {"itemIdentifier": event["Records"][0]["messageId"]}
    assert projector.handler(event, FakeContext(seconds=1.0)) == {"batchItemFailures": [failed]}


# --- what is kept ---------------------------------------------------------------------------------


def test_an_opening_that_fails_is_tried_anew() -> None:
    attempts = []

    @asynccontextmanager
    async def opening() -> AsyncIterator[str]:
        attempts.append(1)
        if len(attempts) == 1:
            raise ConnectionError("not yet")
        yield "open"

    kept = Resident(opening)
    with pytest.raises(ConnectionError):
        kept.take(FakeContext())
    assert [kept.take(FakeContext()) for _ in range(2)] == ["open", "open"]
    assert len(attempts) == 2
    kept.close()
