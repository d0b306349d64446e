"""What a function keeps from one invocation to the next: one event loop, and what lives in it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from typing import Any, Generic, Protocol, TypeVar

import structlog

T = TypeVar("T")
R = TypeVar("R")

Opening = Callable[[], AbstractAsyncContextManager[T]]


class LambdaContext(Protocol):
    """The part of Lambda's context object in use."""

    @property
    def aws_request_id(self) -> str: ...

    def get_remaining_time_in_millis(self) -> int: ...


class Resident(Generic[T]):
    """Opened at the first invocation and never closed, for Lambda ends a container without a word.

    An opening that fails leaves nothing behind, so the next invocation tries it anew. Between two
    invocations the container is frozen, and with it every task and connection.
    """

    def __init__(self, opening: Opening[T]) -> None:
        self._opening = opening
        self._runner: asyncio.Runner | None = None
        self._kept: AbstractAsyncContextManager[T] | None = None
        self._value: T | None = None

    def take(self, context: LambdaContext) -> T:
        """For one invocation; its log lines carry the request id of Lambda."""
        structlog.contextvars.bind_contextvars(invocation=context.aws_request_id)
        if self._runner is None:
            self._runner = asyncio.Runner()
        if self._value is None:
            kept = self._opening()
            self._value = self.run(kept.__aenter__())
            self._kept = kept  # or it would be collected, and close what it has opened
            gc.freeze()
            gc.enable()
        return self._value

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        assert self._runner is not None, "take() comes first"
        return self._runner.run(work, context=copy_context())

    def close(self) -> None:
        """For tests; Lambda gives no chance to call it."""
        if self._kept is not None:
            self.run(self._kept.__aexit__(None, None, None))
        if self._runner is not None:
            self._runner.close()
        self._value = self._kept = self._runner = None
        structlog.contextvars.unbind_contextvars("invocation")
