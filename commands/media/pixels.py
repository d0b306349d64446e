"""Calls to trackers and to the Error URIs of an ad: effects that the outbox delivers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from commands.kernel.policy import Effect, derived_id

KIND = "pixel"
AT_MOST = 50
"""Pixels of one cause: a chain of wrappers with more is no ad but an attack."""


def error_pixels(
    code: int,
    urls: Iterable[str],
    *,
    cause: str,
    correlation_id: str,
    headers: Mapping[str, str] | None = None,
) -> list[Effect]:
    """One effect for each Error URI, once for each distinct one, in their order.

    ``urls``: with all macros filled in. ``cause``: an id that is the same whenever the same error
    is reported again; the effects' ids are derived from it and from ``code``. ``headers``: of the
    device (identity), which the tracker is to see.
    """
    distinct = list(dict.fromkeys(urls))[:AT_MOST]
    return [
        Effect(
            id=derived_id(f"{KIND}-{code}", cause, index),
            kind=KIND,
            body={"url": url, "headers": dict(headers or {}), "code": code},
            correlation_id=correlation_id,
            causation_id=cause,
        )
        for index, url in enumerate(distinct)
    ]
