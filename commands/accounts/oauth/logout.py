"""Sign-out that a client asks for (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from commands.accounts.oauth.clients import KnownClient
from commands.accounts.oauth.errors import UntrustedRequest
from commands.accounts.oauth.id_tokens import Hint, InvalidHint, read_hint
from commands.accounts.oauth.parts import OAuth
from commands.accounts.oauth.ports import SignedIn
from commands.accounts.oauth.redirects import with_parameters
from commands.accounts.oauth.requests import LONGEST, Parameters

TAKEN = frozenset(
    ("id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales")
)


@dataclass(frozen=True)
class LogoutRequest:
    """``client`` None: it does not say who asks. ``redirect``: where the browser goes once the
    person is signed out, None: it stays. ``hint``: whom the client takes the person for."""

    client: KnownClient | None
    redirect: str | None
    hint: Hint | None

    def needs_question(self, signed_in: SignedIn) -> bool:
        """Whether the person has to say yes: anybody could have sent the browser here, but for who
        has an ID token of just this sign-in."""
        if self.hint is None or self.hint.account_id != signed_in.account_id:
            return True
        return self.hint.session_id != signed_in.session_id


async def validate(oauth: OAuth, parameters: Parameters) -> LogoutRequest:
    """Raises ``UntrustedRequest``, to be shown: nobody is redirected then, or signed out."""
    given = {name: value for name, value in parameters if name in TAKEN and value}
    counted = Counter(name for name, _ in parameters)
    if any(times > 1 for times in counted.values()):
        raise UntrustedRequest("a parameter is there twice")
    if any(len(value) > LONGEST for name, value in given.items() if name != "id_token_hint"):
        raise UntrustedRequest("a parameter is too long")
    hint = await _hint(oauth, given.get("id_token_hint"))
    client = await _client(oauth, given.get("client_id"), hint)
    return LogoutRequest(client, _redirect(given, client), hint)


async def _hint(oauth: OAuth, token: str | None) -> Hint | None:
    if token is None:
        return None
    try:
        return await read_hint(oauth, token)
    except InvalidHint as error:
        raise UntrustedRequest("id_token_hint was not signed here") from error


async def _client(oauth: OAuth, client_id: str | None, hint: Hint | None) -> KnownClient | None:
    if client_id is not None and hint is not None and client_id != hint.client_id:
        raise UntrustedRequest("client_id is not whom the ID token is for")
    named = client_id or (hint.client_id if hint is not None else None)
    if named is None:
        return None
    client = await oauth.clients.find(named)
    if client is None:
        raise UntrustedRequest("no such client")
    return client


def _redirect(given: dict[str, str], client: KnownClient | None) -> str | None:
    uri = given.get("post_logout_redirect_uri")
    if uri is None:
        return None
    if client is None:
        raise UntrustedRequest("post_logout_redirect_uri needs id_token_hint or client_id")
    if uri not in client.config.post_logout_redirect_uris:
        raise UntrustedRequest("post_logout_redirect_uri is not one that the client has registered")
    state = given.get("state")
    return uri if state is None else with_parameters(uri, (("state", state),))
