"""Errors of OAuth 2 and OpenID Connect. Their codes are the names that the standards give them.

``InvalidGrant`` is beside the logic of tokens (``token_family``).
"""

from __future__ import annotations

from domain.kernel.errors import NotPermitted, Refused


class InvalidRequest(Refused):
    """A parameter is missing, malformed, unknown in value or there twice (RFC 6749 section 5.2)."""

    code = "invalid_request"


class InvalidClient(NotPermitted):
    """The client is unknown, or did not show who it is (RFC 6749 section 5.2)."""

    code = "invalid_client"


class UnauthorizedClient(NotPermitted):
    """The client is not registered for this grant or for what it asks (RFC 6749 section 5.2)."""

    code = "unauthorized_client"


class UnsupportedGrantType(Refused):
    """There is no such grant type here (RFC 6749 section 5.2)."""

    code = "unsupported_grant_type"


class InvalidScope(Refused):
    """A scope is unknown, or not for this client (RFC 6749 section 5.2)."""

    code = "invalid_scope"


class AuthorizationPending(Refused):
    """The person has not decided yet (RFC 8628 section 3.5)."""

    code = "authorization_pending"
    retryable = True


class SlowDown(Refused):
    """The device asks too often: five seconds more between two times from now on (RFC 8628)."""

    code = "slow_down"
    retryable = True


class ExpiredToken(Refused):
    """The device code is over: begin anew (RFC 8628 section 3.5)."""

    code = "expired_token"


class AccessDenied(NotPermitted):
    """The person said no."""

    code = "access_denied"


class UserCodeNotFound(Refused):
    """No device waits with this code, or its time is over."""

    code = "user_code_not_found"


class UntrustedRequest(Refused):
    """An authorization or logout request whose sender cannot be known: it is shown to the person
    and sent nowhere (RFC 9700 section 4.11)."""

    code = "untrusted_request"


class AuthorizationRefused(Refused):
    """An authorization request that ends with an error at its client: ``location`` leads there.

    ``error``: the standards' name (RFC 6749 section 4.1.2.1, OpenID Connect Core 3.1.2.6).
    """

    code = "authorization_refused"

    def __init__(self, detail: str = "", *, error: str = "server_error", location: str = "",
                 **extra: object) -> None:  # fmt: skip
        super().__init__(detail, **extra)
        self.error = error
        self.location = location
