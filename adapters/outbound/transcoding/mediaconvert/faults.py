"""What MediaConvert says when it refuses or fails, in our words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from adapters.outbound.dynamodb.client import error_code
from domain.kernel.errors import HomecastError
from domain.media.errors import JobRefused, TranscoderUnavailable

TIME_LIMIT = 30.0
"""Seconds for one question, with the client's own retries."""
THROTTLED = frozenset({"TooManyRequestsException", "ThrottlingException"})
FULL = frozenset({"ServiceQuotaExceededException"})
BAD = frozenset({"BadRequestException"})
MISSING = frozenset({"NotFoundException"})
THROTTLED_FOR, FULL_FOR = 5, 60
"""Seconds. The service does not say how long; requests are counted by the second, places in a queue
become free by the minute."""

PERMANENT = {
    1010: "an input cannot be opened, or is of no known format",
    1020: "no video in the input",
    1021: "no audio in the input",
    1030: "codec or container not supported",
    1040: "settings do not go together, or not with the input",
    1041: "settings do not go with acceleration",
    1042: "too little to do for acceleration",
    1060: "clipping outside of the input",
    1075: "the input cannot be demultiplexed",
    1076: "the input ends early",
    1080: "MXF settings",
    1092: "audio cannot be decoded",
    3400: "HLS input of a form that is not supported",
    3401: "HTTP input asks for a password",
    3403: "HTTP input forbidden",
    3404: "HTTP input not found",
    3457: "input disallowed by policy",
}
"""Errors of the film or of its settings: they would come again (user guide, "Error codes").

All others may pass: access and roles (1056, 1401, 1404, 1432-1434, 1515) once an operator has
mended them, which is not the film's fault; faults of the service (1550, 1999, 3408, 345x, 3999),
and codes that are not known here. A job that ended in an error is not charged.
"""


def retryable(code: int | None) -> bool:
    return code not in PERMANENT


def name_of(code: int | None) -> str:
    """The stable code for programs: ``mediaconvert_1040``."""
    return "mediaconvert_error" if code is None else f"mediaconvert_{code}"


def is_missing(error: ClientError) -> bool:
    return error_code(error) in MISSING or status_of(error) == 404


def is_refusal(error: ClientError) -> bool:
    """A rate may be limited by a 400, too."""
    code = error_code(error)
    return code not in THROTTLED and (code in BAD or status_of(error) == 400)


def status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def from_client_error(error: ClientError) -> HomecastError:
    """What an operator can mend (forbidden, no such queue) is ``TranscoderUnavailable`` too: the
    job is good, and waits."""
    code, message = error_code(error), str(error.response.get("Error", {}).get("Message", ""))
    if code in THROTTLED or status_of(error) == 429:
        return TranscoderUnavailable("MediaConvert throttles", retry_after=THROTTLED_FOR)
    if code in FULL or status_of(error) == 402:
        return TranscoderUnavailable("MediaConvert's quota is used up", retry_after=FULL_FOR)
    if is_refusal(error):
        return JobRefused(f"{error.operation_name} refused: {message}")
    return TranscoderUnavailable(f"{error.operation_name}: {code}", retry_after=FULL_FOR)


@asynccontextmanager
async def mediaconvert_errors() -> AsyncIterator[None]:
    """Raises ``TranscoderUnavailable`` and ``JobRefused``; limits the time."""
    try:
        async with asyncio.timeout(TIME_LIMIT):
            yield
    except ClientError as error:
        raise from_client_error(error) from error
    except (BotoCoreError, ResponseParserError, TimeoutError) as error:
        raise TranscoderUnavailable(f"MediaConvert: {type(error).__name__}") from error
