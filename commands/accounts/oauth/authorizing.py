"""From an authorization request to the answer that its client gets (RFC 6749 section 4.1)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum

from commands.accounts.oauth import codes
from commands.accounts.oauth.grants import Approval, load
from commands.accounts.oauth.parts import OAuth
from commands.accounts.oauth.ports import SignedIn
from commands.accounts.oauth.redirects import with_parameters
from commands.accounts.oauth.requests import (
    AuthorizationRequest,
    Parameters,
    return_to,
    validate,
)
from commands.accounts.oauth.scopes import OPENID, require_within
from domain.accounts.grants import Grants

__all__ = [
    "AuthorizationRequest",
    "Parameters",
    "Step",
    "approve",
    "deny",
    "needs_consent",
    "next_step",
    "return_to",
    "validate",
]


class Step(StrEnum):
    """What a request waits for."""

    SIGN_IN = "sign_in"
    SELECT_ACCOUNT = "select_account"
    CONSENT = "consent"
    ISSUE = "issue"


async def next_step(
    oauth: OAuth, request: AuthorizationRequest, signed_in: SignedIn | None
) -> Step:
    """Raises ``AuthorizationRefused`` where the client wants no page to be shown, and one would
    have to be (``prompt=none``)."""
    step = await _next_step(oauth, request, signed_in)
    if "none" not in request.prompt or step == Step.ISSUE:
        return step
    if step == Step.CONSENT:
        raise request.refused("consent_required", "the person has to be asked", oauth.issuer)
    raise request.refused("login_required", "the person has to sign in", oauth.issuer)


async def _next_step(
    oauth: OAuth, request: AuthorizationRequest, signed_in: SignedIn | None
) -> Step:
    if signed_in is None or _is_sign_in_due(oauth, request, signed_in):
        return Step.SIGN_IN
    if "select_account" in request.prompt and request.seen_at is None:
        return Step.SELECT_ACCOUNT
    grants = await load(oauth, signed_in.account_id)
    if needs_consent(grants, request, issuer=oauth.issuer):
        return Step.CONSENT
    return Step.ISSUE


def _is_sign_in_due(oauth: OAuth, request: AuthorizationRequest, signed_in: SignedIn) -> bool:
    """Whether it is another person, or too long ago; since the request was seen is never that."""
    if request.hint is not None and request.hint.account_id != signed_in.account_id:
        return True
    if request.seen_at is not None and signed_in.auth_time >= request.seen_at:
        return False
    if "login" in request.prompt:
        return True
    age = oauth.clock.now() - signed_in.auth_time
    return request.max_age is not None and age > timedelta(seconds=request.max_age)


def needs_consent(grants: Grants, request: AuthorizationRequest, *, issuer: str = "") -> bool:
    """Our own clients are not asked about, and nobody is asked the same twice; but where a program
    cannot be told from another one on the same device, a person has to look each time (RFC 8252
    section 8.6). ``issuer``: who answers at its pages is who asks."""
    config = request.client.config
    if "consent" in request.prompt:
        return True
    own_pages = bool(issuer) and request.redirect_uri.startswith(f"{issuer}/")
    if config.public and not own_pages and not request.redirect_uri.startswith("https://"):
        return True
    return not (config.first_party or grants.allowed(request.client.client_id, request.scopes))


async def approve(
    oauth: OAuth,
    request: AuthorizationRequest,
    signed_in: SignedIn,
    scopes: Collection[str] | None = None,
) -> str:
    """Where to send the browser. ``scopes``: what the person allowed, if not all of it.

    Raises ``AuthorizationRefused`` when the sign-in is not what was asked for; ``InvalidScope``.
    """
    if _is_sign_in_due(oauth, request, signed_in):
        raise request.refused("login_required", "the person has to sign in", oauth.issuer)
    allowed = set(request.scopes if scopes is None else scopes)
    require_within(allowed, request.scopes)
    if OPENID in request.scopes:
        allowed.add(OPENID)
    if not allowed:
        raise request.refused("access_denied", "nothing was allowed", oauth.issuer)
    approval = Approval(
        account_id=signed_in.account_id,
        client_id=request.client.client_id,
        scopes=tuple(sorted(allowed)),
        session_id=signed_in.session_id,
        auth_time=signed_in.auth_time,
        amr=signed_in.amr,
    )
    code = await codes.issue(
        oauth.vault, request, approval, grant_id=oauth.ids.new(), now=oauth.clock.now()
    )
    answer = (("code", code), ("state", request.state), ("iss", oauth.issuer))
    return with_parameters(request.redirect_uri, answer)


def deny(oauth: OAuth, request: AuthorizationRequest) -> str:
    """Where to send the browser of a person who said no."""
    return request.refused("access_denied", "the person said no", oauth.issuer).location
