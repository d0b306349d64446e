"""Ready-made configurations of clients: what differs between kinds of clients is data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from commands.accounts.oauth.redirects import require_redirect_uri
from commands.accounts.oauth.scopes import (
    ACCOUNT_READ,
    EMAIL,
    KNOWN,
    OF_SERVICES,
    OFFLINE,
    OPENID,
    PROFILE,
)
from commands.accounts.tokens import (
    COMMANDS_WRITE,
    DEVICES_READ,
    DEVICES_WRITE,
    HOMES_READ,
    HOMES_WRITE,
)
from domain.accounts.client import AuthMethod, ClientConfig, GrantType, Profile, RotationKind
from domain.kernel.errors import InvalidInput

CODE, REFRESH = GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN
CREDENTIALS, DEVICE = GrantType.CLIENT_CREDENTIALS, GrantType.DEVICE_CODE
BASIC, POST, NONE = AuthMethod.BASIC, AuthMethod.POST, AuthMethod.NONE
IDENTITY = (OPENID, PROFILE, EMAIL, OFFLINE)
HOME = (DEVICES_READ, COMMANDS_WRITE, HOMES_READ)
OWN = (*IDENTITY, *HOME, DEVICES_WRITE, HOMES_WRITE, ACCOUNT_READ)
ALEXA_HOSTS = ("pitangui.amazon.com", "layla.amazon.com", "alexa.amazon.co.jp")
ALEXA_SCOPES = 15
GOOGLE_HOSTS = ("oauth-redirect.googleusercontent.com", "oauth-redirect-sandbox.googleusercontent.com")  # fmt: skip  # noqa: E501
ASSISTANT: dict[str, Any] = {
    "grant_types": (CODE, REFRESH),
    "scopes": (*IDENTITY, *HOME),
    "pkce_required": False,
    "rotation": RotationKind.GRACE,
    "grace_seconds": 300,
    "idle_days": 400,
}
"""Amazon forbids to end a refresh token at once when it is replaced, Google repeats refreshes;
neither comes back by itself once it is unlinked. Both use PKCE only where it is asked of them."""


@dataclass(frozen=True)
class Wishes:
    """``vendor``: Amazon's id in the redirect URIs of a skill; ``project``: Google's."""

    profile: Profile
    name: str
    redirect_uris: Sequence[str] = ()
    post_logout_redirect_uris: Sequence[str] = ()
    scopes: Sequence[str] = ()
    vendor: str = ""
    project: str = ""
    first_party: bool | None = None
    introspect: bool = False


PROFILES: dict[Profile, dict[str, Any]] = {
    Profile.ALEXA: {**ASSISTANT, "auth_methods": (BASIC, POST)},
    Profile.GOOGLE: {**ASSISTANT, "auth_methods": (POST,)},
    Profile.OWN_APP: {
        "grant_types": (CODE, REFRESH),
        "auth_methods": (NONE,),
        "scopes": OWN,
        "first_party": True,
        "idle_days": 90,
    },
    Profile.WEB: {
        "grant_types": (CODE, REFRESH),
        "auth_methods": (BASIC, POST),
        "scopes": (*IDENTITY, *HOME),
        "pkce_required": False,
        "idle_days": 30,
        "absolute_days": 365,
    },
    Profile.SERVICE: {
        "grant_types": (CREDENTIALS,),
        "auth_methods": (BASIC, POST),
        "scopes": OF_SERVICES[:2],
    },
    Profile.DEVICE: {
        "grant_types": (DEVICE, REFRESH),
        "auth_methods": (NONE,),
        "scopes": (*IDENTITY, *HOME),
        "idle_days": 90,
    },
}


def configured(wishes: Wishes) -> ClientConfig:
    """Raises ``InvalidInput``."""
    made = dict(PROFILES[wishes.profile])
    redirects = (*_of_assistant(wishes), *wishes.redirect_uris)
    scopes = tuple(wishes.scopes) or made["scopes"]
    unknown = sorted(set(scopes) - set(KNOWN))
    if unknown:
        raise InvalidInput(f"unknown scopes: {', '.join(unknown)}", scopes=list(KNOWN))
    if CREDENTIALS not in made["grant_types"] and set(scopes) & set(OF_SERVICES):
        raise InvalidInput("no person can give what is for services", field="scopes")
    if wishes.profile == Profile.ALEXA and len(scopes) > ALEXA_SCOPES:
        raise InvalidInput(f"Alexa takes {ALEXA_SCOPES} scopes at most", field="scopes")
    if wishes.first_party is not None:
        made["first_party"] = wishes.first_party
    config = _validated(
        name=wishes.name,
        profile=wishes.profile,
        redirect_uris=redirects,
        post_logout_redirect_uris=tuple(wishes.post_logout_redirect_uris),
        introspect=wishes.introspect,
        **{**made, "scopes": scopes},
    )
    for uri in (*config.redirect_uris, *config.post_logout_redirect_uris):
        require_redirect_uri(uri, public=config.public)
    return config


def _of_assistant(wishes: Wishes) -> list[str]:
    match wishes.profile:
        case Profile.ALEXA:
            _require(wishes.vendor, "vendor")
            return [f"https://{host}/api/skill/link/{wishes.vendor}" for host in ALEXA_HOSTS]
        case Profile.GOOGLE:
            _require(wishes.project, "project")
            return [f"https://{host}/r/{wishes.project}" for host in GOOGLE_HOSTS]
        case _:
            return []


def _require(value: str, field: str) -> None:
    if not value or not value.replace("-", "").replace("_", "").isalnum() or not value.isascii():
        raise InvalidInput(f"the profile needs the {field}'s id", field=field)


def _validated(**fields: Any) -> ClientConfig:
    try:
        return ClientConfig(**fields)
    except ValueError as error:  # pydantic's, with the rule's words
        raise InvalidInput(str(error).split("\n", 1)[-1].strip().split(" [type", 1)[0]) from error
