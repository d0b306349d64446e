"""Errors as problem details (RFC 9457): one table from stable codes to HTTP statuses."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, cast

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from adapters.inbound.http.errors import MalformedRequest, MethodNotAllowed, RouteNotFound
from domain.kernel.errors import HomecastError, InvalidInput, TooLarge

MEDIA_TYPE = "application/problem+json"
STATUS: Mapping[str, int] = {
    "malformed_request": 400,
    "invalid_consistency_token": 400,
    "invalid_beacon": 400,
    "invalid_request": 400,
    "invalid_grant": 400,
    "invalid_scope": 400,
    "unauthorized_client": 400,
    "unsupported_grant_type": 400,
    "authorization_pending": 400,
    "slow_down": 400,
    "expired_token": 400,
    "access_denied": 400,
    "untrusted_request": 400,
    "authorization_refused": 400,
    "invalid_id_token_hint": 400,
    "unauthenticated": 401,
    "invalid_client": 401,
    "invalid_token": 401,
    "invalid_ad_key": 403,
    "no_identity": 403,
    "foreign_form": 403,
    "form_expired": 403,
    "insufficient_scope": 403,
    "role_forbids": 403,
    "not_signed_in": 401,
    "sign_in_too_old": 403,
    "wrong_credentials": 403,
    "wrong_code": 403,
    "pending_sign_in_over": 403,
    "passkey_refused": 403,
    "account_not_found": 404,
    "passkey_not_found": 404,
    "account_needed": 403,
    "route_not_found": 404,
    "device_not_found": 404,
    "home_not_found": 404,
    "member_not_found": 404,
    "invitation_not_found": 404,
    "command_not_found": 404,
    "token_not_found": 404,
    "client_not_found": 404,
    "user_code_not_found": 404,
    "parked_row_not_found": 404,
    "dead_letters_not_found": 404,
    "backup_not_found": 404,
    "report_not_found": 404,
    "creative_not_found": 404,
    "ad_key_not_found": 404,
    "no_ad_ready": 404,
    "media_not_found": 404,
    "broker_not_found": 404,
    "broker_retired": 404,
    "blocklist_entry_not_found": 404,
    "remote_not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "version_conflict": 409,
    "idempotency_key_reused": 409,
    "client_exists": 409,
    "key_not_published": 409,
    "device_already_claimed": 409,
    "device_lost": 409,
    "proof_too_old": 409,
    "lane_closed": 409,
    "stale_session": 409,
    "too_many_devices": 409,
    "home_full": 409,
    "invitation_already_accepted": 409,
    "subject_forgotten": 409,
    "forgetting_has_started": 409,
    "account_exists": 409,
    "email_taken": 409,
    "enrolment_over": 409,
    "totp_is_on": 409,
    "too_many_passkeys": 409,
    "rebuild_running": 409,
    "already_restored": 409,
    "not_verified": 409,
    "nothing_kept": 409,
    "command_not_cancelable": 409,
    "not_in_flight": 409,
    "not_quarantined": 409,
    "nothing_to_try": 409,
    "job_not_recorded": 409,
    "blocklist_full": 409,
    "not_parked": 409,
    "beacon_expired": 410,
    "invalid_link": 410,
    "precondition_failed": 412,
    "too_large": 413,
    "range_not_satisfiable": 416,
    "invalid_input": 422,
    "client_has_no_secret": 422,
    "invalid_proof": 422,
    "command_not_supported": 422,
    "report_too_costly": 422,
    "job_refused": 422,
    "undecodable": 422,
    "no_picture": 422,
    "too_long": 422,
    "too_many_pixels": 422,
    "weak_password": 422,
    "mail_refused": 422,
    "passkeys_need_a_domain": 422,
    "url_refused": 422,
    "address_forbidden": 422,
    "redirect_refused": 422,
    "precondition_required": 428,
    "rate_limited": 429,
    "too_many_attempts": 429,
    "too_many_streams": 429,
    "lane_full": 429,
    "internal_error": 500,
    "contract_violation": 500,
    "report_failed": 500,
    "streams_elsewhere": 501,
    "remote_refused": 502,
    "remote_too_large": 502,
    "remote_undecodable": 502,
    "remote_unavailable": 502,
    "busy": 503,
    "store_unavailable": 503,
    "hints_unavailable": 503,
    "mail_unavailable": 503,
    "read_model_behind": 503,
    "canary_lost": 503,
    "statistics_unavailable": 503,
    "reports_unavailable": 503,
    "transcoder_unavailable": 503,
    "deadline_exceeded": 504,
    "remote_timeout": 504,
}
BEARER: Mapping[str, str] = {
    "unauthenticated": 'Bearer realm="homecast"',
    "invalid_token": 'Bearer realm="homecast", error="invalid_token"',
    "insufficient_scope": 'Bearer realm="homecast", error="insufficient_scope"',
    "account_needed": 'Bearer realm="homecast", error="insufficient_scope"',
}
"""``WWW-Authenticate`` (RFC 6750 section 3); a request without a token gets no error code."""


class Problem(BaseModel):
    """The shape of every error answer, for the OpenAPI document; codes may add members."""

    model_config = ConfigDict(extra="allow")
    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool


OURS: Mapping[str, str] = {"status": "current_status"}
"""Extras whose names RFC 9457 has given to something else."""
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Problem details (RFC 9457); the codes are listed in docs/problems.md",
        "model": Problem,
    }
}
"""``responses`` of every router."""


def title_of(code: str) -> str:
    return code.replace("_", " ").capitalize()


def problem(error: HomecastError) -> Response:
    code = error.code
    content = {
        **{OURS.get(name, name): value for name, value in error.extra.items()},
        "type": f"/problems/{code}",
        "title": title_of(code),
        "status": STATUS.get(code, 500),
        "detail": error.detail or title_of(code),
        "code": code,
        "retryable": error.retryable,
    }
    body = orjson.dumps(content, default=str)
    return Response(body, content["status"], headers_of(error), media_type=MEDIA_TYPE)


def headers_of(error: HomecastError) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if error.code in BEARER:
        scope = error.extra.get("scope")
        headers["WWW-Authenticate"] = BEARER[error.code] + (f', scope="{scope}"' if scope else "")
    if "retry_after" in error.extra:
        headers["Retry-After"] = str(error.extra["retry_after"])
    if "current" in error.extra:
        headers["ETag"] = f'"{error.extra["current"]}"'
    return headers


def install(app: FastAPI) -> None:
    """``Exception`` itself is left to the edge, which logs it."""
    app.add_exception_handler(HomecastError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_error(request: Request, error: Exception) -> Response:
    known = cast("HomecastError", error)
    request.scope["homecast.code"] = known.code
    return problem(known)


async def _on_invalid(request: Request, error: Exception) -> Response:
    invalid = cast("RequestValidationError", error)
    errors = [
        {"field": ".".join(map(str, one["loc"])), "reason": one["msg"]} for one in invalid.errors()
    ]
    return await _on_error(request, InvalidInput("the request does not fit", errors=errors))


async def _on_http(request: Request, error: Exception) -> Response:
    raised = cast("HTTPException", error)
    by_status: dict[int, HomecastError] = {
        404: RouteNotFound("nothing is here"),
        405: MethodNotAllowed("this method is not for here"),
        413: TooLarge("the body is too large"),
    }
    response = await _on_error(
        request, by_status.get(raised.status_code, MalformedRequest("the body cannot be read"))
    )
    response.headers.update(raised.headers or {})
    return response


def leaves(root: type[HomecastError] = HomecastError) -> Iterator[type[HomecastError]]:
    """Those without subclasses, of all modules imported so far."""
    children = root.__subclasses__()
    if not children:
        yield root
    for child in children:
        yield from leaves(child)


def page() -> str:
    """``docs/problems.md``: every code that this API may answer."""
    rows = sorted((STATUS[leaf.code], leaf.code, leaf) for leaf in leaves() if leaf.code in STATUS)
    lines = [f"| {status} | `{code}` | {_retry(leaf)} | {_meaning(leaf)} |"
             for status, code, leaf in rows]  # fmt: skip
    return "\n".join((HEAD, *lines)) + "\n"


def _retry(leaf: type[HomecastError]) -> str:
    return "yes" if leaf.retryable else "no"


def _meaning(leaf: type[HomecastError]) -> str:
    own: Any = leaf.__dict__.get("__doc__")
    return " ".join(inspect.cleandoc(own).split()) if own else title_of(leaf.code) + "."


HEAD = """\
# Problems

Every error of the HTTP API is a problem document (RFC 9457, `application/problem+json`) with
`type` (`/problems/<code>`), `title`, `status`, `detail`, `code` and `retryable`; some add members,
as `errors` (a list of `field` and `reason`) or `retry_after` (seconds, also sent as `Retry-After`).
Programs go by `code`, which never changes; `detail` is for people. `retryable` says whether the
same request can succeed later without being changed. A fault of ours names no cause: the answer's
`X-Correlation-ID` leads to the log.

Generated by `python -m adapters.inbound.http.problems_page`; a test fails when it drifts.

| status | code | retry | meaning |
|---|---|---|---|"""
