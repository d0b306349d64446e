"""The HTTP API as the command line uses it: repeats what is safe to repeat, reads live events."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from adapters.inbound.cli.connection import Connection, Trouble, on_this_machine, trouble

LONGEST_WAIT = 25
"""Seconds that one request may wait for an outcome."""
LONGEST_PAUSE = 30.0
REPORT_TIMEOUT = httpx.Timeout(45.0, connect=5.0)
SILENCE = 40.0
"""Seconds without a word on the live stream, which says something every 15 s."""
CONSISTENCY = "Consistency-Token"
FINAL = frozenset(
    ("SUCCEEDED", "FAILED", "REJECTED", "TIMED_OUT", "EXPIRED", "CANCELED", "SUPERSEDED")
)

Json = dict[str, Any]


@dataclass(frozen=True)
class LiveEvent:
    type: str
    id: str
    data: Json


class BearerToken(httpx.Auth):
    """The token of a connection; one that was refused is renewed once, where that can be."""

    def __init__(self, connection: Connection) -> None:
        self._token = connection.token
        self._renew = connection.renew

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        used = self._token
        request.headers["Authorization"] = f"Bearer {used}"
        answer = yield request
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._renew is not None:
            if used == self._token:  # nobody has done it meanwhile
                self._token = self._renew(used)
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request


class ApiClient:
    """``with ApiClient(connection) as api``. Failures arrive as ``Trouble``."""

    def __init__(
        self,
        connection: Connection,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = connection.api_url
        self._sleep = sleep
        self._last_write = ""
        """What later reads of this client may not lag behind."""
        self._http = httpx.Client(
            base_url=connection.api_url,
            auth=BearerToken(connection),
            timeout=httpx.Timeout(10.0, connect=5.0),
            transport=transport,
            trust_env=not on_this_machine(connection.api_url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def ask(self, method: str, path: str, **options: Any) -> Json:
        """One request of the API's, repeated when it is a GET; nothing of a 204."""
        return self._ask(method, path, tries=2 if method == "GET" else 1, **options)

    def devices(self) -> list[Json]:
        items: list[Json] = []
        cursor: str | None = None
        while True:
            query = {"limit": "50"} | ({"cursor": cursor} if cursor else {})
            page = self._ask("GET", "/v1/devices", params=query, tries=2)
            items += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return items

    def submit(self, device_id: str, body: Json, *, key: str, wait: float = 0) -> Json:
        """The command as it is after at most ``wait`` seconds; repeated safely under its key."""
        seconds = min(wait, LONGEST_WAIT)
        return self._ask(
            "POST",
            f"/v1/devices/{device_id}/commands",
            params={"wait": f"{seconds:g}"} if seconds else {},
            json=body,
            headers={"Idempotency-Key": key},
            timeout=httpx.Timeout(seconds + 10, connect=5),
            tries=5,
        )

    def command(self, device_id: str, number: int) -> Json:
        return self._ask("GET", f"/v1/devices/{device_id}/commands/{number}", tries=3)

    def commands(self, device_id: str, *, status: str, limit: int) -> list[Json]:
        query = {"status": status, "limit": str(limit)}
        page = self._ask("GET", f"/v1/devices/{device_id}/commands", params=query, tries=2)
        return list(page["items"])

    def cancel(self, device_id: str, number: int) -> Json:
        return self._ask("POST", f"/v1/devices/{device_id}/commands/{number}/cancel", tries=3)

    def rename(self, device_id: str, name: str, version: int) -> Json:
        headers = {"If-Match": f'"{version}"'}
        return self._ask("PATCH", f"/v1/devices/{device_id}", json={"name": name}, headers=headers)

    def release(self, device_id: str) -> None:
        self._ask("DELETE", f"/v1/devices/{device_id}")

    def reports(self) -> list[Json]:
        return list(self._ask("GET", "/v1/reports", tries=2)["items"])

    def report(self, name: str, query: dict[str, str]) -> Json:
        path = f"/v1/reports/{quote(name, safe='')}"
        return self._ask("GET", path, params=query, timeout=REPORT_TIMEOUT, tries=2)

    def follow(self, command: Json, *, seconds: float) -> Iterator[Json]:
        """The command whenever a step was added, until it is final or the time is over."""
        deadline = time.monotonic() + seconds
        pause, step = 0.1, command["step"]
        while command["status"] not in FINAL and time.monotonic() < deadline:
            self._sleep(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(pause * 1.2, 1.0)
            command = self.command(command["device_id"], command["number"])
            if command["step"] > step:
                step = command["step"]
                yield command

    def live(self, last_event_id: str = "") -> Iterator[LiveEvent]:
        """One connection to the live stream, until it ends."""
        headers = {"Accept": "text/event-stream", **self._consistency("GET")}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        timeout = httpx.Timeout(10.0, read=SILENCE)
        try:
            with self._http.stream("GET", "/v1/live", headers=headers, timeout=timeout) as answer:
                if not answer.is_success:
                    answer.read()
                    raise refusal(answer)
                yield from parse_events(answer.iter_bytes())
        except httpx.TransportError as error:
            raise unreachable(self._url, error) from error

    def _ask(self, method: str, path: str, *, tries: int = 1, **options: Any) -> Json:
        """Try again after a lost connection and where the platform says so."""
        headers = {**options.pop("headers", {}), **self._consistency(method)}
        for round_ in range(1, tries + 1):
            last = round_ == tries
            try:
                answer = self._http.request(method, path, headers=headers, **options)
            except httpx.TransportError as error:
                if last:
                    raise unreachable(self._url, error) from error
                self._sleep(pause_after(None, round_))
                continue
            self._last_write = answer.headers.get(CONSISTENCY, self._last_write)
            if answer.is_success:
                return dict(answer.json()) if answer.content else {}
            if last or answer.status_code not in (429, 503):
                raise refusal(answer)
            self._sleep(pause_after(answer, round_))
        raise AssertionError("unreachable")

    def _consistency(self, method: str) -> dict[str, str]:
        return {CONSISTENCY: self._last_write} if method == "GET" and self._last_write else {}


def pause_after(answer: httpx.Response | None, round_: int) -> float:
    """What ``Retry-After`` says, else longer each time, with jitter."""
    asked = answer.headers.get("Retry-After", "") if answer is not None else ""
    if asked.isdigit():
        return min(float(asked), LONGEST_PAUSE)
    return float(0.3 * 2 ** (round_ - 1) * random.uniform(0.7, 1.3))  # noqa: S311 jitter


HINTS = {
    "unauthenticated": "Run `homecast login`, or set HOMECAST_TOKEN.",
    "invalid_token": "Run `homecast login`, or set HOMECAST_TOKEN to another token.",
    "insufficient_scope": "Make a token with more scopes: `homecast token create --scope …`.",
    "rate_limited": "Too many requests for this token: wait a little.",
    "lane_full": "The device has 100 open commands; see `homecast commands DEVICE --open`.",
    "command_not_cancelable": "Only a command that was not sent yet can be cancelled.",
    "read_model_behind": "It is stored and will be shown soon; see `homecast doctor`.",
    "precondition_failed": "Somebody changed it at the same time; try again.",
}


def refusal(answer: httpx.Response) -> Trouble:
    """Whatever the answer holds: something between us and the platform may have written it."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"title": f"The platform answered {answer.status_code}", "code": "bad_answer"}
    problem.setdefault("status", answer.status_code)
    return Trouble(problem, hint=HINTS.get(str(problem.get("code")), ""))


def unreachable(url: str, error: httpx.TransportError) -> Trouble:
    why = str(error) or type(error).__name__
    return trouble(
        "unreachable",
        f"cannot reach the platform at {url}: {why}",
        hint="Is `homecast up` running? Otherwise set HOMECAST_API_URL.",
        exit_code=3,
    )


def parse_events(chunks: Iterator[bytes]) -> Iterator[LiveEvent]:
    """Server-sent events; one that is cut off at the end is dropped."""
    buffer, kind, event_id = b"", "message", ""
    data: list[str] = []
    for chunk in chunks:
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.rstrip(b"\r").decode().partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            elif name == "id":
                event_id = value
            elif not line.strip(b"\r"):
                if data or kind != "message":
                    yield LiveEvent(kind, event_id, json.loads("\n".join(data) or "{}"))
                kind, data = "message", []
