"""What the server says of itself: RFC 8414 and OpenID Connect Discovery 1.0. Only what is true."""

from __future__ import annotations

from typing import Any

from commands.accounts.oauth.scopes import OF_SERVICES, WORDS
from commands.accounts.oauth.signing_keys import ALGORITHM
from domain.accounts.client import AuthMethod, GrantType

SECRET_METHODS = [AuthMethod.BASIC.value, AuthMethod.POST.value]
CLAIMS = [
    "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "amr", "sid",
    "email", "email_verified", "name", "updated_at",
]  # fmt: skip


def authorization_server(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth2/authorize",
        "token_endpoint": f"{issuer}/oauth2/token",
        "device_authorization_endpoint": f"{issuer}/oauth2/device_authorization",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "jwks_uri": f"{issuer}/oauth2/jwks",
        "scopes_supported": [*WORDS, *OF_SERVICES],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [one.value for one in GrantType],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [*SECRET_METHODS, AuthMethod.NONE.value],
        "revocation_endpoint_auth_methods_supported": [*SECRET_METHODS, AuthMethod.NONE.value],
        "introspection_endpoint_auth_methods_supported": SECRET_METHODS,
        "authorization_response_iss_parameter_supported": True,
    }


def openid(issuer: str) -> dict[str, Any]:
    """``request_uri_parameter_supported``: without a word it would be taken as yes."""
    return {
        **authorization_server(issuer),
        "userinfo_endpoint": f"{issuer}/oauth2/userinfo",
        "end_session_endpoint": f"{issuer}/oauth2/logout",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claim_types_supported": ["normal"],
        "claims_supported": CLAIMS,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
