"""Errors that only HTTP knows: leaves of the tree in ``domain/kernel/errors.py``."""

from __future__ import annotations

from domain.kernel.errors import HomecastError, NotFound, NotPermitted, Refused, Unavailable


class Unauthenticated(NotPermitted):
    """The request carries no bearer token."""

    code = "unauthenticated"


class InsufficientScope(NotPermitted):
    """The token lacks the scope named in ``scope``."""

    code = "insufficient_scope"


class AccountNeeded(NotPermitted):
    """The token is a client's own (client credentials), and this is about an account's things."""

    code = "account_needed"


class RateLimited(Unavailable):
    """The token has used up its requests of this minute, or its address its failed attempts."""

    code = "rate_limited"


class TooManyStreams(Unavailable):
    """The account has as many live streams open as it may."""

    code = "too_many_streams"


class StreamsElsewhere(Refused):
    """This API runs as a function (AWS Lambda), which cannot keep a stream open: ask a process."""

    code = "streams_elsewhere"


class TooManyDevices(Refused):
    """The account has as many devices as it may."""

    code = "too_many_devices"


class RouteNotFound(NotFound):
    """Nothing is at this address."""

    code = "route_not_found"


class MethodNotAllowed(Refused):
    """The address does not take this method; ``Allow`` lists those it takes."""

    code = "method_not_allowed"


class PreconditionRequired(Refused):
    """``If-Match`` is missing (RFC 6585 section 3)."""

    code = "precondition_required"


class InvalidProof(Refused):
    """The proof does not show that the caller holds the device's key."""

    code = "invalid_proof"


class MalformedRequest(Refused):
    """The request is no HTTP that this API understands."""

    code = "malformed_request"


class InvalidConsistencyToken(Refused):
    """``Consistency-Token`` is none that this API has given."""

    code = "invalid_consistency_token"


class ReadModelBehind(Unavailable):
    """What ``Consistency-Token`` asks for is not there yet; ``behind`` counts events by model."""

    code = "read_model_behind"


class RequestTimeout(Unavailable):
    """The body did not arrive in time."""

    code = "request_timeout"


class DeadlineExceeded(Unavailable):
    """The answer took too long; what was asked for may have been done."""

    code = "deadline_exceeded"


class InternalError(HomecastError):
    """A defect here; the correlation id leads to its log line."""

    code = "internal_error"
