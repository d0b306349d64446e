"""AWS X-Ray, all of it. A second file like this one is all that another tracer takes.

The SDK's own ``AsyncContext`` lets concurrent tasks overwrite each other's segments, so entities
are kept in a ``ContextVar`` that holds immutable tuples.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from aws_xray_sdk.core import AWSXRayRecorder
from aws_xray_sdk.core.context import Context as XRayContext
from aws_xray_sdk.core.models.trace_header import TraceHeader

_entities: ContextVar[tuple[Any, ...]] = ContextVar("xray_entities", default=())


class _Store:
    """Stands where the SDK keeps a ``threading.local``; a change makes a new tuple."""

    @property
    def entities(self) -> tuple[Any, ...]:
        return _entities.get()

    @entities.setter
    def entities(self, value: Any) -> None:
        _entities.set(tuple(value))


class TaskContext(XRayContext):
    def __init__(self) -> None:
        super().__init__(context_missing="IGNORE_ERROR")
        self._local: Any = _Store()

    def put_subsegment(self, subsegment: Any) -> None:
        entity = self.get_trace_entity()
        if entity is not None:
            entity.add_subsegment(subsegment)
            _entities.set((*_entities.get(), subsegment))

    def end_subsegment(self, end_time: Any = None) -> bool:
        entity = self.get_trace_entity()
        if entity is None or getattr(entity, "type", None) != "subsegment":
            return False
        entity.close(end_time)
        _entities.set(_entities.get()[:-1])
        return True

    def clear_trace_entities(self) -> None:
        _entities.set(())


class XRayTracer:
    """Segments by UDP to the local X-Ray daemon; a lost one is not missed."""

    def __init__(self, service: str) -> None:
        self._recorder = AWSXRayRecorder()
        self._recorder.configure(service=service, context=TaskContext(), sampling=True)

    @contextmanager
    def span(self, name: str, *, header: str | None = None) -> Iterator[None]:
        if _entities.get():
            self._recorder.begin_subsegment(name, namespace="local")
            try:
                yield
            finally:
                self._recorder.end_subsegment()
            return
        incoming = TraceHeader.from_header_str(header)
        sampled = None if incoming.sampled in (None, "?") else bool(incoming.sampled)
        self._recorder.begin_segment(
            name, traceid=incoming.root, parent_id=incoming.parent, sampling=sampled
        )
        try:
            yield
        finally:
            self._recorder.end_segment()
            self._recorder.clear_trace_entities()

    def header(self) -> str | None:
        entity = _entities.get()[-1] if _entities.get() else None
        if entity is None:
            return None
        header = TraceHeader(entity.trace_id, entity.id, bool(entity.sampled))
        return str(header.to_header_str())
