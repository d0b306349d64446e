"""What can go wrong with hosts that nobody here trusts. No error carries a whole URL: viewers' ids
stand in them."""

from __future__ import annotations

from domain.kernel.errors import NotFound, Refused, Unavailable


class UrlRefused(Refused):
    """The URL is spelled in a way that is not followed, or names a port that is closed."""

    code = "url_refused"


class AddressForbidden(Refused):
    """The host is, or resolves to, an address that is not on the public internet."""

    code = "address_forbidden"


class RedirectRefused(Refused):
    """Too many redirects, or one from https to http where that is not allowed."""

    code = "redirect_refused"


class RemoteRefused(Refused):
    """The host answered that it will not serve this request; ``status`` is its answer's."""

    code = "remote_refused"


class RemoteTooLarge(Refused):
    """The host's answer is over the size limit, as sent or once decompressed."""

    code = "remote_too_large"


class RemoteNotFound(NotFound):
    """The host has no such thing (404, 410)."""

    code = "remote_not_found"


class RemoteUndecodable(Refused):
    """The host's answer is compressed in a way that cannot be undone, or contradicts itself."""

    code = "remote_undecodable"


class RemoteUnavailable(Unavailable):
    """The host cannot be reached, broke off, or says that it cannot answer now."""

    code = "remote_unavailable"


class RemoteTimeout(Unavailable):
    """The host was not done within the time limit."""

    code = "remote_timeout"
