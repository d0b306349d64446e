"""VAST and VMAP documents of brokers, on the way of every ad request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.outbound.web.bodies import ACCEPTED, read_whole
from adapters.outbound.web.client import Web, demand_success

LIMIT_BYTES = 1_000_000
TIME_LIMIT = 3.0
"""Seconds for names, connections, TLS, redirects and the whole body."""
NO_AD = 204


@dataclass(frozen=True, slots=True)
class Document:
    """``url``: where the last redirect led."""

    body: bytes
    url: str
    status: int
    content_type: str
    milliseconds: float

    @property
    def no_ad(self) -> bool:
        """204, or a body of nothing: an answer without an ad that is no fault."""
        return self.status == NO_AD or not self.body.strip()


class Documents:
    """``downgrade``: redirects from https to http are followed."""

    def __init__(self, web: Web, *, downgrade: bool = False) -> None:
        self._web = web
        self._downgrade = downgrade

    async def fetch(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        limit_bytes: int = LIMIT_BYTES,
        timeout: float = TIME_LIMIT,
    ) -> Document:
        """Raises ``UrlRefused``, ``AddressForbidden``, ``RedirectRefused``, ``RemoteRefused``,
        ``RemoteNotFound``, ``RemoteTooLarge``, ``RemoteUndecodable``, ``RemoteUnavailable``,
        ``RemoteTimeout``."""
        started = time.perf_counter()
        async with self._web.get(
            url,
            headers or {},
            limit=timeout,
            downgrade=self._downgrade,
            encodings=ACCEPTED,
        ) as answer:
            demand_success(answer)
            body = await read_whole(answer, limit_bytes)
        return Document(
            body=body,
            url=str(answer.target),
            status=answer.status,
            content_type=answer.header("Content-Type")[:200],
            milliseconds=(time.perf_counter() - started) * 1000,
        )
