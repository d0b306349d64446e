"""The authorization server's shapes for the pages' browser tests, with strict rotation and strings
to pull. Who comes to sign in is signed in already."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

CLIENT = "homecast-dashboard"
Json = dict[str, Any]


@dataclass
class Login:
    """What one sign-in of a page has been given."""

    access: list[str] = field(default_factory=list)
    refresh: list[str] = field(default_factory=list)
    ended: bool = False


@dataclass
class FakeOAuth:
    """``issuer``: its address. ``lifetime``: seconds of an access token. ``denies``: the person
    says no. ``wrong``: takes the place of parameters of answers. ``busy``: so many requests for
    tokens are told to come again."""

    issuer: str = ""
    lifetime: int = 3600
    denies: bool = False
    wrong: Json = field(default_factory=dict)
    busy: int = 0
    reused: bool = False
    """Whether a refresh token came that had been replaced."""
    asked: list[Json] = field(default_factory=list)
    """Authorization requests."""
    goodbyes: list[Json] = field(default_factory=list)
    logins: list[Login] = field(default_factory=list)
    _codes: dict[str, Json] = field(default_factory=dict)

    def accepts(self, token: str) -> bool:
        return any(token in one.access and not one.ended for one in self.logins)

    def forget_access_tokens(self) -> None:
        """They are refused from now on; refresh tokens are as good as before."""
        for one in self.logins:
            one.access.clear()

    def end(self) -> None:
        for one in self.logins:
            one.ended = True

    @property
    def refreshes(self) -> int:
        return sum(len(one.refresh) - 1 for one in self.logins)

    def mount(self, app: FastAPI) -> None:
        app.add_api_route("/.well-known/openid-configuration", self._metadata, methods=["GET"])
        app.add_api_route("/oauth2/authorize", self._authorize, methods=["GET"])
        app.add_api_route("/oauth2/token", self._token, methods=["POST"])
        app.add_api_route("/oauth2/revoke", self._revoke, methods=["POST"])
        app.add_api_route("/oauth2/logout", self._logout, methods=["GET"])

    async def _metadata(self) -> Json:
        authorize = f"{self.issuer}/oauth2/authorize"
        return {"issuer": self.issuer, "authorization_endpoint": authorize}

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.asked.append(asked)
        answer = {"state": asked["state"], "iss": self.issuer}
        if self.denies:
            answer["error"] = "access_denied"
        else:
            code = answer["code"] = secrets.token_urlsafe(16)
            self._codes[code] = asked
        query = urlencode(answer | self.wrong)
        return RedirectResponse(f"{asked['redirect_uri']}?{query}", 302)

    async def _token(self, request: Request) -> Response:
        form = await form_of(request)
        assert form["client_id"] == CLIENT
        if self.busy:
            self.busy -= 1
            return refused("temporarily_unavailable", 503)
        if form["grant_type"] == "authorization_code":
            return self._by_code(form)
        return self._by_refresh_token(form["refresh_token"])

    def _by_code(self, form: dict[str, str]) -> Response:
        asked = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or challenge != asked["code_challenge"]:
            return refused("invalid_grant")
        if form["redirect_uri"] != asked["redirect_uri"]:
            return refused("invalid_grant")
        login = Login()
        self.logins.append(login)
        return self._given(login, id_token=f"e30.{encoded({'nonce': asked['nonce']})}.sig")

    def _by_refresh_token(self, token: str) -> Response:
        login = next((one for one in self.logins if token in one.refresh), None)
        if login is None or login.ended:
            return refused("invalid_grant")
        if token != login.refresh[-1]:
            login.ended = self.reused = True
            return refused("invalid_grant")
        return self._given(login)

    def _given(self, login: Login, **more: str) -> Response:
        login.access.append("hca_" + secrets.token_urlsafe(16))
        login.refresh.append("hcr_" + secrets.token_urlsafe(16))
        tokens = {"access_token": login.access[-1], "refresh_token": login.refresh[-1]}
        return JSONResponse({**tokens, "expires_in": self.lifetime, "token_type": "Bearer", **more})

    async def _revoke(self, request: Request) -> Response:
        token = (await form_of(request))["token"]
        for one in self.logins:
            one.ended |= token in one.refresh
        return JSONResponse({})

    async def _logout(self, request: Request) -> Response:
        self.goodbyes.append(dict(request.query_params))
        return RedirectResponse(request.query_params["post_logout_redirect_uri"], 303)


def encoded(claims: Json) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(claims)).decode().rstrip("=")


async def form_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode()))


def refused(error: str, status: int = 400) -> Response:
    return JSONResponse({"error": error}, status)
