"""What the token endpoint answers: a grant of some type in, tokens out (RFC 6749).

An answer is made whole, with its signature, before a code or a refresh token is used up: where a
part of it is away, the client is told to try again and what it has stays good.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from commands.accounts import token_family
from commands.accounts.oauth import codes, devices
from commands.accounts.oauth.authentication import require_grant_type
from commands.accounts.oauth.clients import KnownClient
from commands.accounts.oauth.errors import InvalidRequest, InvalidScope, UnsupportedGrantType
from commands.accounts.oauth.grants import find_reuse, give, revoke_grants
from commands.accounts.oauth.id_tokens import id_token
from commands.accounts.oauth.parts import OWN_TOKENS, OAuth
from commands.accounts.oauth.scopes import OFFLINE, OPENID, require_within
from commands.accounts.oauth.sessions import require_session
from commands.accounts.token_family import (
    InvalidGrant,
    RefreshTokenReuse,
    Rotation,
    TokenFamily,
    Tokens,
)
from commands.kernel.dispatch import Unit, too_contended
from domain.accounts.client import GrantType
from domain.accounts.grants import Because
from domain.kernel.errors import VersionConflict
from domain.kernel.recorded import Context

TRIES = 8
"""Of a refresh at which other processes refresh the same grant."""
Form = Mapping[str, str]


@dataclass(frozen=True)
class TokenResponse:
    """RFC 6749 section 5.1; to be had here and never again."""

    access_token: str = field(repr=False)
    expires_in: int
    scopes: tuple[str, ...]
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": " ".join(self.scopes),
        }
        if self.refresh_token is not None:
            answer["refresh_token"] = self.refresh_token
        if self.id_token is not None:
            answer["id_token"] = self.id_token
        return answer


async def exchange(
    oauth: OAuth, context: Context, client: KnownClient, form: Form
) -> TokenResponse:
    """``client`` has shown who it is. Raises errors of ``errors`` and ``InvalidGrant``."""
    kind = _needed(form, "grant_type")
    grant = GRANTS.get(kind)
    if grant is None:
        raise UnsupportedGrantType("there is no such grant type here")
    grant_type, answer = grant
    require_grant_type(client, grant_type)
    return await answer(oauth, context, client, form)


def _needed(form: Form, name: str) -> str:
    value = form.get(name)
    if not value:
        raise InvalidRequest(f"{name} is missing")
    return value


# --- authorization code ---------------------------------------------------------------------------


async def _by_code(
    oauth: OAuth, context: Context, client: KnownClient, form: Form
) -> TokenResponse:
    """A code that comes again is refused and takes with it what it gave, also where only the first
    answer was lost: nobody can tell (RFC 6749 section 4.1.2)."""
    code = _needed(form, "code")

    async def decide(unit: Unit) -> tuple[codes.Code, TokenResponse | None, tuple[str, ...]]:
        found = await codes.load(oauth.vault, code, client_id=client.client_id, now=unit.at)
        if found.used:
            return found, None, ()
        codes.require_redeemable(
            found,
            redirect_uri=form.get("redirect_uri"),
            verifier=form.get("code_verifier"),
            now=unit.at,
        )
        await require_session(oauth.vault, found.session_id, now=unit.at)
        tokens, gone = await give(unit, oauth, client, found.grant_id, found.approval())
        used = found.model_copy(update={"used": True}).model_dump(mode="json")
        unit.write_vault(codes.key_of(code), used, expected=found.version)
        return found, await _answer(oauth, tokens, nonce=found.nonce), gone

    (found, answer, gone), _ = await oauth.dispatcher.execute(context, decide)
    if answer is None:
        await revoke_grants(
            oauth,
            context,
            found.account_id,
            grant_ids=(found.grant_id,),
            reason=Because.CODE_REUSE,
        )
        raise InvalidGrant("the code was used before")
    if gone:
        await oauth.revocations.told(gone)
    return answer


# --- refresh --------------------------------------------------------------------------------------


async def _by_refresh_token(
    oauth: OAuth, context: Context, client: KnownClient, form: Form
) -> TokenResponse:
    token = _needed(form, "refresh_token")
    shape = token_family.REFRESH.fullmatch(token)
    if shape is None:
        raise InvalidGrant("the refresh token is malformed")
    async with oauth.refreshes.of(shape[1]):
        return await _rotated(oauth, context, client, form, token_family.key_of(shape[1]))


async def _rotated(
    oauth: OAuth, context: Context, client: KnownClient, form: Form, key: str
) -> TokenResponse:
    """Tried again where another process has refreshed the same grant meanwhile."""
    token = form["refresh_token"]
    for _ in range(TRIES):
        held = await oauth.vault.get(key)
        if held is None:
            raise InvalidGrant("the refresh token is unknown or was revoked")
        family = TokenFamily.model_validate(held)
        try:
            tokens = _refreshed(oauth, client, family, token, form.get("scope"))
        except RefreshTokenReuse as error:
            await find_reuse(oauth, context, family)
            raise InvalidGrant(str(error)) from error
        answer, value = await _answer(oauth, tokens), tokens.family.model_dump(mode="json")
        try:
            await oauth.vault.put(key, value, expected=family.version)
        except VersionConflict:
            continue
        return answer
    raise too_contended()


def _refreshed(
    oauth: OAuth, client: KnownClient, family: TokenFamily, token: str, scope: str | None
) -> Tokens:
    """Raises ``InvalidGrant``, ``RefreshTokenReuse`` or ``InvalidScope``."""
    now, config = oauth.clock.now(), client.config
    if not token_family.is_refresh_token(family, oauth.keys.refresh_tokens, token):
        raise InvalidGrant("the refresh token is unknown")
    if family.client_id != client.client_id:
        raise InvalidGrant("the refresh token belongs to another client")
    wanted = set((scope or "").split()) or set(family.scopes)
    require_within(wanted, family.scopes)
    allowed = wanted & set(config.scopes)  # an operator may have taken some back
    if not allowed:
        raise InvalidScope("the client may ask for none of it any more")
    if not client.has_given(family.created_at):
        raise InvalidGrant("the client was retired since")
    lifetime, oldest = config.access_lifetime, config.oldest(family.created_at)
    if oldest is not None:
        if oldest <= now:
            raise InvalidGrant("the grant has reached its greatest age")
        lifetime = min(lifetime, oldest - now)
    return token_family.refresh(
        family,
        oauth.keys.refresh_tokens,
        token,
        now=now,
        rotation=Rotation(config.grace),
        client_id=client.client_id,
        scopes=allowed,
        expires_at=config.ends_at(family.created_at, now),
        lifetime=lifetime,
    )


# --- client credentials ---------------------------------------------------------------------------


async def _by_credentials(
    oauth: OAuth, _: Context, client: KnownClient, form: Form
) -> TokenResponse:
    """For the client itself: no account, nothing to refresh, and none of what is about people."""
    wanted = set((form.get("scope") or "").split()) or set(client.config.scopes)
    require_within(wanted, client.config.scopes)
    if wanted & {OPENID, OFFLINE}:
        raise InvalidScope("there is no person in this")
    await oauth.limits.rates.take(OWN_TOKENS, client.client_id)
    now = oauth.clock.now()
    family = TokenFamily(
        grant_id=oauth.ids.new(),
        account_id=None,
        client_id=client.client_id,
        scopes=tuple(sorted(wanted)),
        created_at=now,
        expires_at=now + client.config.access_lifetime,
    )
    tokens = token_family.begin(
        family,
        oauth.keys.refresh_tokens,
        now=now,
        refreshable=False,
        lifetime=client.config.access_lifetime,
    )
    key, value = token_family.key_of(family.grant_id), tokens.family.model_dump(mode="json")
    await oauth.vault.put(key, value, expected=0)
    return await _answer(oauth, tokens)


# --- device code ----------------------------------------------------------------------------------


async def _by_device_code(
    oauth: OAuth, context: Context, client: KnownClient, form: Form
) -> TokenResponse:
    device_code = _needed(form, "device_code")
    answer, gone = await devices.poll(oauth, context, client, device_code, partial(_answer, oauth))
    if gone:
        await oauth.revocations.told(gone)
    return answer


async def _answer(oauth: OAuth, tokens: Tokens, *, nonce: str | None = None) -> TokenResponse:
    scopes, signed = tokens.access.scopes, None
    if OPENID in scopes and tokens.family.account_id is not None:
        signed = await id_token(
            oauth, tokens.family, tokens.access_token, scopes=scopes, nonce=nonce
        )
    seconds = int((tokens.access.expires_at - oauth.clock.now()).total_seconds())
    return TokenResponse(tokens.access_token, max(seconds, 0), scopes, tokens.refresh_token, signed)


Answer = Callable[[OAuth, Context, KnownClient, Form], Awaitable[TokenResponse]]
GRANTS: Mapping[str, tuple[GrantType, Answer]] = {
    GrantType.AUTHORIZATION_CODE: (GrantType.AUTHORIZATION_CODE, _by_code),
    GrantType.REFRESH_TOKEN: (GrantType.REFRESH_TOKEN, _by_refresh_token),
    GrantType.CLIENT_CREDENTIALS: (GrantType.CLIENT_CREDENTIALS, _by_credentials),
    GrantType.DEVICE_CODE: (GrantType.DEVICE_CODE, _by_device_code),
}
