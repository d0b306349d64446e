"""The HTTP API as a function, for the command line: answers are queued, requests are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from adapters.inbound.cli.client import ApiClient
from adapters.inbound.cli.connection import Connection

TOKEN = "hc_" + "s" * 43
Json = dict[str, Any]
Answer = httpx.Response | httpx.TransportError


def device(name: str, device_id: str, *commands: str, **more: Any) -> Json:
    return {
        "id": device_id,
        "name": name,
        "kind": "on_off_light",
        "status": "CLAIMED",
        "online": True,
        "state": {"OnOff": {"on_off": False}},
        "commands": [{"name": command, "args": {}} for command in commands],
        "version": 3,
        **more,
    }


def command(*statuses: str, number: int = 7, **more: Any) -> Json:
    """After these steps, 10 ms apart."""
    history = [
        {"step": step, "status": status, "at": f"2026-11-23T10:00:00.{step}00000Z"}
        for step, status in enumerate(statuses, 1)
    ]
    return {
        "id": f"lamp.{number}",
        "device_id": "lamp",
        "number": number,
        "command": "OnOff.On",
        "args": {},
        "status": statuses[-1],
        "step": len(statuses),
        "accepted_at": history[0]["at"],
        "updated_at": history[-1]["at"],
        "result": None,
        "error": None,
        "detail": None,
        "late": False,
        "history": history,
        **more,
    }


def answer(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=named)


def problem(status: int, code: str, detail: str = "", **more: Any) -> httpx.Response:
    retry = {"Retry_After": str(more["retry_after"])} if "retry_after" in more else {}
    return answer({"title": code, "code": code, "detail": detail, **more}, status, **retry)


@dataclass
class ApiStub:
    """Two lamps and a heating; ``answers`` are given to all requests but the device list."""

    devices: list[Json] = field(
        default_factory=lambda: [
            device("Hall light", "lamp", "OnOff.On", "OnOff.Off"),
            device("Ceiling", "one", "OnOff.On"),
            device("ceiling", "two", "OnOff.On"),
        ]
    )
    answers: list[Answer] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    listed: httpx.Headers = field(default_factory=httpx.Headers)
    """Of the last request for the list."""

    def client(self) -> ApiClient:
        connection = Connection("http://127.0.0.1:1", TOKEN)
        transport = httpx.MockTransport(self._answer)
        return ApiClient(connection, transport=transport, sleep=self.pauses.append)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and request.url.path == "/v1/devices":
            self.listed = request.headers
            return answer({"items": self.devices, "next_cursor": None})
        self.requests.append(request)
        given = self.answers.pop(0)
        if isinstance(given, httpx.TransportError):
            raise given
        return given

    def bodies(self) -> list[Json]:
        return [json.loads(request.content) for request in self.requests if request.content]


Connect = Callable[[], ApiClient]
