"""Authorization requests: which are to be believed, and what they ask for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from urllib.parse import urlencode

from commands.accounts.oauth.clients import KnownClient
from commands.accounts.oauth.errors import AuthorizationRefused, InvalidScope, UntrustedRequest
from commands.accounts.oauth.id_tokens import Hint, InvalidHint, read_hint
from commands.accounts.oauth.parts import OAuth
from commands.accounts.oauth.redirects import fits, with_parameters
from commands.accounts.oauth.scopes import asked_for
from domain.accounts.client import GrantType

AUTHORIZE = "/oauth2/authorize"
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
PROMPTS = frozenset(("none", "login", "consent", "select_account"))
LONGEST = 4_000
"""Characters of one parameter."""
LONGEST_REQUEST = 12_000
SEEN = "seen"
"""Our own parameter: since when the person is with this request, so that a wish to sign in anew is
known to have been fulfilled. Others cannot make it."""
SEEN_FOR = timedelta(hours=1)
NOT_TAKEN = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}
"""OpenID Connect Core 6 and 7.2.1: the errors of what is not done here."""
Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class AuthorizationRequest:
    """``query``: the parameters as they came, to be sent round with the person. ``seen_at``: since
    when that person is under way with it. ``hint``: whom the client takes the person for."""

    client: KnownClient
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str | None
    query: str
    nonce: str | None = None
    code_challenge: str | None = None
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    login_hint: str | None = None
    hint: Hint | None = None
    seen_at: datetime | None = None

    def refused(self, error: str, detail: str, issuer: str) -> AuthorizationRefused:
        """To be raised."""
        return refusal(self.redirect_uri, self.state, issuer, error, detail)


def refusal(
    redirect_uri: str, state: str | None, issuer: str, error: str, detail: str
) -> AuthorizationRefused:
    parameters = (
        ("error", error),
        ("error_description", detail),
        ("state", state),
        ("iss", issuer),
    )
    location = with_parameters(redirect_uri, parameters)
    return AuthorizationRefused(detail, error=error, location=location)


async def validate(oauth: OAuth, parameters: Parameters) -> AuthorizationRequest:
    """``parameters``: all of the query, or of the form, in order.

    Raises ``UntrustedRequest``, to be shown and never redirected; ``AuthorizationRefused``.
    """
    given = [(name, value) for name, value in parameters if name != SEEN]
    seen = [value for name, value in parameters if name == SEEN]
    client, redirect_uri = await _sender(oauth, given)
    query = urlencode(given)
    return await _Reading(oauth, client, redirect_uri, dict(given), _twice(given), query).read(
        _seen_at(oauth, query, seen)
    )


async def _sender(oauth: OAuth, given: Parameters) -> tuple[KnownClient, str]:
    if sum(len(name) + len(value) for name, value in given) > LONGEST_REQUEST:
        raise UntrustedRequest("the request is too long")
    client_id, redirect_uri = _only(given, "client_id"), _only(given, "redirect_uri")
    client = await oauth.clients.find(client_id)
    if client is None:
        raise UntrustedRequest("no such client", field="client_id")
    if not fits(client.config, redirect_uri):
        detail = "the redirect URI is not one that the client has registered"
        raise UntrustedRequest(detail, field="redirect_uri")
    return client, redirect_uri


def _only(given: Parameters, name: str) -> str:
    found = [value for one, value in given if one == name]
    if len(found) != 1 or not found[0]:
        raise UntrustedRequest(f"{name} has to be there once", field=name)
    return found[0]


def _twice(given: Parameters) -> frozenset[str]:
    counted = Counter(name for name, _ in given)
    return frozenset(name for name, times in counted.items() if times > 1)


@dataclass(frozen=True)
class _Reading:
    """One request whose sender is known: what is wrong from here on goes there."""

    oauth: OAuth
    client: KnownClient
    redirect_uri: str
    given: dict[str, str] = field(repr=False)
    twice: frozenset[str]
    query: str

    def refuse(self, error: str, detail: str) -> NoReturn:
        state = None if "state" in self.twice else self.given.get("state")
        raise refusal(self.redirect_uri, state, self.oauth.issuer, error, detail)

    async def read(self, seen_at: datetime | None) -> AuthorizationRequest:
        self._check_form()
        return AuthorizationRequest(
            client=self.client,
            redirect_uri=self.redirect_uri,
            scopes=self._scopes(),
            state=self.given.get("state"),
            query=self.query,
            nonce=self.given.get("nonce") or None,
            code_challenge=self._challenge(),
            prompt=self._prompt(),
            max_age=self._max_age(),
            login_hint=self.given.get("login_hint") or None,
            hint=await self._hint(),
            seen_at=seen_at,
        )

    def _check_form(self) -> None:
        if self.twice:
            self.refuse("invalid_request", "a parameter is there twice")
        if any(len(value) > LONGEST for value in self.given.values()):
            self.refuse("invalid_request", "a parameter is too long")
        for name, error in NOT_TAKEN.items():
            if name in self.given:
                self.refuse(error, f"{name} is not taken here")
        if not self.given.get("response_type"):
            self.refuse("invalid_request", "response_type is missing")
        if self.given["response_type"] != "code":
            self.refuse("unsupported_response_type", "response_type can only be code")
        if self.given.get("response_mode", "query") != "query":
            self.refuse("invalid_request", "response_mode can only be query")
        if GrantType.AUTHORIZATION_CODE not in self.client.config.grant_types:
            self.refuse("unauthorized_client", "the client is not registered for codes")

    def _scopes(self) -> tuple[str, ...]:
        try:
            return asked_for(self.client.config, self.given.get("scope"))
        except InvalidScope as error:
            self.refuse("invalid_scope", error.detail)

    def _challenge(self) -> str | None:
        """S256 only: a plain challenge is the secret itself (RFC 9700 section 2.1.1)."""
        challenge, method = (
            self.given.get("code_challenge"),
            self.given.get("code_challenge_method"),
        )
        if challenge is None:
            if method is not None:
                self.refuse("invalid_request", "code_challenge_method without code_challenge")
            if self.client.config.pkce_required:
                self.refuse("invalid_request", "code_challenge is missing (PKCE)")
            return None
        if method != "S256":
            self.refuse("invalid_request", "code_challenge_method can only be S256")
        if not CHALLENGE.fullmatch(challenge):
            self.refuse("invalid_request", "code_challenge is no SHA-256 in base64url")
        return challenge

    def _prompt(self) -> frozenset[str]:
        prompt = frozenset(self.given.get("prompt", "").split())
        if not prompt <= PROMPTS or ("none" in prompt and len(prompt) > 1):
            self.refuse("invalid_request", "prompt is none, or some of the others")
        return prompt

    def _max_age(self) -> int | None:
        text = self.given.get("max_age")
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{1,9}", text):
            self.refuse("invalid_request", "max_age is a number of seconds")
        return int(text)

    async def _hint(self) -> Hint | None:
        token = self.given.get("id_token_hint")
        if not token:
            return None
        try:
            return await read_hint(self.oauth, token)
        except InvalidHint:
            self.refuse("invalid_request", "id_token_hint was not signed here")


def return_to(oauth: OAuth, request: AuthorizationRequest) -> str:
    """The local path that leads back to this request once the person has signed in or chosen an
    account; it says since when that was asked for."""
    moment = int((request.seen_at or oauth.clock.now()).timestamp())
    mac = oauth.keys.mac("authorization request", f"{moment} {request.query}")
    return f"{AUTHORIZE}?{request.query}&{SEEN}={moment}.{mac}"


def _seen_at(oauth: OAuth, query: str, seen: Sequence[str]) -> datetime | None:
    if len(seen) != 1:
        return None
    moment, _, mac = seen[0].partition(".")
    if not re.fullmatch(r"[0-9]{1,12}", moment):
        return None
    if not oauth.keys.verify("authorization request", f"{int(moment)} {query}", mac):
        return None
    at = datetime.fromtimestamp(int(moment), UTC)
    return at if at <= oauth.clock.now() < at + SEEN_FOR else None
