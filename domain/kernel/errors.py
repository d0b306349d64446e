"""The tree of errors that people and programs can act on.

    HomecastError
    ├── Refused        permanent: the request itself is wrong, or a rule forbids it
    ├── NotFound       no such thing, or none that the caller may know of
    ├── NotPermitted   known, but not allowed to this caller
    ├── Conflict       someone else was faster: load again and decide again
    ├── ContractError  undecodable message: to the dead letters at once
    └── Unavailable    a part is missing or throttles: retry later

Every leaf has a stable ``code`` and says whether repeating the same request can help. HTTP statuses
and queue outcomes are tables at the edge.
"""

from __future__ import annotations

from typing import Any, ClassVar


class HomecastError(Exception):
    """Root of the tree. ``detail`` is for people, ``extra`` for programs; neither holds secrets."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", **extra: Any) -> None:
        super().__init__(detail or self.code)
        self.detail = detail
        self.extra = extra


class Refused(HomecastError):
    code = "refused"


class NotFound(HomecastError):
    code = "not_found"


class NotPermitted(HomecastError):
    code = "not_permitted"


class Conflict(HomecastError):
    code = "conflict"
    retryable = True


class ContractError(HomecastError):
    code = "contract_violation"


class Unavailable(HomecastError):
    code = "unavailable"
    retryable = True


class InvalidInput(Refused):
    """A field is missing, of the wrong type or out of range."""

    code = "invalid_input"


class TooLarge(Refused):
    """Over a size limit; nothing was stored."""

    code = "too_large"


class VersionConflict(Conflict):
    """The stream moved on since it was loaded."""

    code = "version_conflict"


class PreconditionFailed(Refused):
    """``If-Match`` names a version that is not the current one (RFC 9110 section 13.1.1)."""

    code = "precondition_failed"


class IdempotencyKeyReused(Refused):
    """The same ``Idempotency-Key`` came with another body."""

    code = "idempotency_key_reused"


class SubjectForgotten(Refused):
    """The account was forgotten: nothing personal can be stored for it any more."""

    code = "subject_forgotten"


class Busy(Unavailable):
    """The stream was so contended that deciding again did not settle it."""

    code = "busy"


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class HintsUnavailable(Unavailable):
    """Redis is away. Nothing is lost: hints, presence and routing come back with it."""

    code = "hints_unavailable"
