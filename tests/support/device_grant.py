"""A platform on a real socket that behaves as RFC 8628, 6749 and 7009 say, with strict rotation.

Its time is that of ``Time``, which passes when a client sleeps.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
Answer = tuple[int, dict[str, Any]]


class Time:
    """``slept``: how long each pause was. ``when``: what happens once a moment has come."""

    def __init__(self) -> None:
        self.at = 1_000_000.0
        self.slept: list[float] = []
        self.when: list[tuple[float, Any]] = []

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
        for moment, act in list(self.when):
            if moment <= self.at:
                self.when.remove((moment, act))
                act()

    def later(self, seconds: float, act: Any) -> None:
        self.when.append((self.at + seconds, act))


class DeviceGrantServer:
    """``faults``: what happens to the next requests for tokens: ``lost`` (done, and the answer does
    not arrive), ``broken`` (not even done), ``busy`` (503), ``slow_down``, ``ok``."""

    def __init__(self, time: Time | None = None) -> None:
        self.time = time or Time()
        self.decision = "authorization_pending"
        self.interval, self.lifetime = 5.0, 600.0
        self.access_lifetime = 3600
        self.faults: list[str] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.refreshes = 0
        self.reused = False
        self.hold = threading.Event()
        """Cleared: refreshes wait."""
        self.hold.set()
        self._lock = threading.Lock()
        self._codes: dict[str, float] = {}
        self._asked_at: float | None = None
        self.access: dict[str, str] = {}
        self.refresh: dict[str, str] = {}
        self.superseded: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[DeviceGrantServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.hold.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def asked(self) -> Counter[str]:
        return Counter(path for path, _ in self.requests)

    def approve(self) -> None:
        self.decision = "approved"

    def deny(self) -> None:
        self.decision = "access_denied"

    # --- what it does -----------------------------------------------------------------------------

    def post(self, path: str, form: dict[str, str]) -> Answer:
        self.requests.append((path, form))
        if form.get("client_id") != "homecast-cli":
            return _error("invalid_client", 401)
        if path == "/oauth2/device_authorization":
            return self._begin()
        if path == "/oauth2/revoke":
            return self._revoke(form["token"])
        if form["grant_type"] == DEVICE:
            return self._poll(form["device_code"])
        self.hold.wait(10)
        with self._lock:
            return self._refresh(form["refresh_token"])

    def _begin(self) -> Answer:
        code = secrets.token_urlsafe(16)
        self._codes[code] = self.time.now() + self.lifetime
        self._asked_at = self.time.now()
        return 200, {
            "device_code": code,
            "user_code": "BCDF-GHJK",
            "verification_uri": f"{self.url}/device",
            "verification_uri_complete": f"{self.url}/device?user_code=BCDF-GHJK",
            "expires_in": self.lifetime,
            "interval": self.interval,
        }

    def _poll(self, code: str) -> Answer:
        now, until = self.time.now(), self._codes.get(code)
        if until is None:
            return _error("invalid_grant")
        if until <= now:
            return _error("expired_token")
        too_soon = self._asked_at is not None and now - self._asked_at < self.interval
        self._asked_at = now
        if too_soon:
            self.interval += 5
            return _error("slow_down")
        if self.decision != "approved":
            return _error(self.decision)
        del self._codes[code]
        return self._tokens(secrets.token_hex(4))

    def _refresh(self, token: str) -> Answer:
        self.refreshes += 1
        if token in self.superseded:
            self.reused = True
            self._end(self.superseded[token])
        family = self.refresh.pop(token, None)
        if family is None:
            return _error("invalid_grant")
        self.superseded[token] = family
        return self._tokens(family)

    def _tokens(self, family: str) -> Answer:
        access, refresh = f"hca_{secrets.token_hex(8)}", f"hcr_{secrets.token_hex(8)}"
        self.access[access] = self.refresh[refresh] = family
        return 200, {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": self.access_lifetime,
            "scope": "devices:read openid",
        }

    def _revoke(self, token: str) -> Answer:
        family = self.refresh.get(token) or self.access.get(token)
        if family:
            self._end(family)
        return 200, {}

    def _end(self, family: str) -> None:
        for held in (self.access, self.refresh):
            for token in [one for one, its in held.items() if its == family]:
                del held[token]

    def get(self, path: str, authorization: str) -> Answer:
        self.requests.append((path, {"authorization": authorization}))
        family = self.access.get(authorization.removeprefix("Bearer "))
        if family is None:
            return 401, {"code": "invalid_token", "detail": "no"}
        if path != "/v1/token":
            return 404, {"code": "route_not_found", "detail": "no"}
        return 200, {
            "kind": "grant",
            "id": family,
            "account_id": "01JDEMQ0000000000000000001",
            "client_id": "homecast-cli",
            "scopes": ["devices:read", "openid"],
            "expires_at": "2026-11-23T13:00:00+00:00",
        }

    # --- on the wire ------------------------------------------------------------------------------

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                faulty = server.faults and self.path == "/oauth2/token"
                fault = server.faults.pop(0) if faulty else "ok"
                if fault in ("busy", "slow_down"):
                    server.requests.append((self.path, form))
                    self._say(_error(fault, 503 if fault == "busy" else 400))
                elif fault == "broken":
                    server.requests.append((self.path, form))
                    self.close_connection = True
                else:
                    answer = server.post(self.path, form)
                    if fault == "lost":
                        self.close_connection = True
                    else:
                        self._say(answer)

            def do_GET(self) -> None:
                self._say(server.get(self.path, self.headers.get("authorization", "")))

            def _say(self, answer: Answer) -> None:
                body = json.dumps(answer[1]).encode()
                self.send_response(answer[0])
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        return Handler


def _error(code: str, status: int = 400) -> Answer:
    return status, {"error": code, "error_description": f"it is {code}"}
