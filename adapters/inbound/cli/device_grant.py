"""The command line as an OAuth client: the device authorization grant (RFC 8628), and what follows.

It is a public client: it keeps no secret, and shows nothing but the tokens that it was given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from adapters.inbound.cli.client import refusal, unreachable
from adapters.inbound.cli.connection import Trouble, on_this_machine, trouble

CLIENT_ID = "homecast-cli"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL = 5.0
"""Seconds between two questions where the answer names none, and what ``slow_down`` adds."""
LONGEST_PAUSE = 60.0
TIMEOUT = httpx.Timeout(10.0, connect=5.0)
BUSY = (429, 500, 502, 503, 504)
ENDED = "invalid_grant"


@dataclass(frozen=True)
class Begun:
    """What a person has to do, and what to ask with until it is done. ``expires_in``: seconds."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    expires_in: float
    interval: float


@dataclass(frozen=True)
class Tokens:
    """``expires_in``: seconds that the access token holds."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: float
    scope: str


def require_safe(api_url: str) -> str:
    """The address without a slash at its end. Raises ``Trouble`` where others could listen."""
    parts = urlsplit(api_url)
    if parts.scheme == "https" or (parts.scheme == "http" and on_this_machine(api_url)):
        if parts.hostname and parts.username is None and not parts.query and not parts.fragment:
            return api_url.rstrip("/")
        raise trouble("invalid_address", "that is no address of a platform", exit_code=2)
    raise trouble(
        "https_required",
        "tokens go over HTTPS only, except on this machine",
        hint="Give an address that begins with https://.",
        exit_code=2,
    )


class AuthorizationServer:
    """``with AuthorizationServer(api_url) as server``. Failures arrive as ``Trouble``."""

    def __init__(
        self,
        api_url: str,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = require_safe(api_url)
        self._sleep = sleep
        self._now = now
        self._http = httpx.Client(
            base_url=self.url,
            timeout=TIMEOUT,
            transport=transport,
            trust_env=not on_this_machine(self.url),
        )

    def __enter__(self) -> AuthorizationServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def begin(self, scopes: Sequence[str] = ()) -> Begun:
        """Without scopes: all that the client may have."""
        wanted = {"scope": " ".join(scopes)} if scopes else {}
        answer = self._reached("/oauth2/device_authorization", wanted)
        try:
            told = _successful(answer)
            return Begun(
                device_code=str(told["device_code"]),
                user_code=str(told["user_code"]),
                verification_uri=str(told["verification_uri"]),
                verification_uri_complete=told.get("verification_uri_complete"),
                expires_in=float(told["expires_in"]),
                interval=float(told.get("interval", INTERVAL)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _strange() from error

    def wait(self, begun: Begun) -> Tokens:
        """Until the person has decided. A lost connection is no answer: it is asked more seldom
        (RFC 8628 section 3.5)."""
        form = {"grant_type": DEVICE_CODE, "device_code": begun.device_code}
        until, interval = self._now() + begun.expires_in, max(1.0, begun.interval)
        pause = interval
        while self._now() + pause < until:
            self._sleep(pause)
            try:
                answer = self._post("/oauth2/token", form)
            except httpx.TransportError:
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            if answer.is_success:
                return _tokens(answer)
            if answer.status_code in BUSY:
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            interval = _next_interval(answer, interval)
            pause = interval
        raise _expired()

    def refresh(self, refresh_token: str) -> Tokens:
        """Raises ``Trouble`` with code ``invalid_grant`` when the login has ended.

        Where the answer was lost it is asked once more at once: what the token was replaced by is
        then given again, if the platform allows for that, and nothing else could be done.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        try:
            answer = self._post("/oauth2/token", form)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise unreachable(self.url, error) from error
        except httpx.TransportError:
            answer = self._reached("/oauth2/token", form)
        return _tokens(answer)

    def revoke(self, token: str) -> None:
        """RFC 7009; nothing to be done about a token that is over."""
        form = {"token": token, "token_type_hint": "refresh_token"}
        answer = self._reached("/oauth2/revoke", form)
        if not answer.is_success and _error_of(answer) != ENDED:
            raise refused(answer)

    def _reached(self, path: str, form: dict[str, str]) -> httpx.Response:
        try:
            return self._post(path, form)
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error

    def _post(self, path: str, form: dict[str, str]) -> httpx.Response:
        headers = {"Accept": "application/json"}
        return self._http.post(path, data={"client_id": CLIENT_ID, **form}, headers=headers)


def _next_interval(answer: httpx.Response, interval: float) -> float:
    """Raises ``Trouble`` unless it is still to be waited."""
    match _error_of(answer):
        case "authorization_pending":
            return interval
        case "slow_down":
            return interval + INTERVAL
        case "access_denied":
            raise trouble("access_denied", "the login was refused")
        case "expired_token":
            raise _expired()
        case _:
            raise refused(answer)


def _expired() -> Trouble:
    hint = "Run `homecast login` again."
    return trouble("expired_token", "nobody has entered the code in time", hint=hint)


def _strange() -> Trouble:
    return trouble("bad_answer", "the platform's answer is none of an authorization server")


def _successful(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise refused(answer)
    told = answer.json()
    if not isinstance(told, dict):
        raise _strange()
    return told


def _tokens(answer: httpx.Response) -> Tokens:
    try:
        told = _successful(answer)
        if str(told["token_type"]).lower() != "bearer":
            raise _strange()
        refresh_token = told.get("refresh_token")
        return Tokens(
            access_token=str(told["access_token"]),
            refresh_token=None if refresh_token is None else str(refresh_token),
            expires_in=float(told.get("expires_in", 0)),
            scope=str(told.get("scope", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _strange() from error


def _error_of(answer: httpx.Response) -> str:
    """RFC 6749 section 5.2; empty for anything else."""
    try:
        told = answer.json()
    except ValueError:
        return ""
    return str(told.get("error", "")) if isinstance(told, dict) else ""


def refused(answer: httpx.Response) -> Trouble:
    code = _error_of(answer)
    if not code:
        return refusal(answer)
    told = answer.json()
    return trouble(code, str(told.get("error_description") or code.replace("_", " ")))
