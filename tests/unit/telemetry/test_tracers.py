"""Both tracers behave alike: spans nest, tasks do not mix, the header goes along."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.outbound.telemetry import xray
from adapters.outbound.telemetry.tracing import NullTracer
from adapters.outbound.telemetry.xray import XRayTracer
from commands.kernel.ports import Tracer

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
ROOT = HEADER.split(";")[0]


class Emitter:
    """Stands where UDP packets leave."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send_entity(self, entity: Any) -> None:
        self.sent.append(entity)

    def set_daemon_address(self, address: str | None) -> None: ...


@pytest.fixture
def emitter() -> Emitter:
    return Emitter()


@pytest.fixture(params=["null", "xray"])
def tracer(request: pytest.FixtureRequest, emitter: Emitter) -> Tracer:
    if request.param == "null":
        return NullTracer()
    return make_xray(emitter)


def make_xray(emitter: Emitter) -> XRayTracer:
    made = XRayTracer("test")
    recorder: Any = made._recorder
    recorder.emitter._socket.close()
    recorder.emitter = emitter
    return made


def test_without_a_span_there_is_no_header(tracer: Tracer) -> None:
    assert tracer.header() is None


def test_the_incoming_trace_is_carried_on_and_forgotten_after_the_span(tracer: Tracer) -> None:
    with tracer.span("submit", header=HEADER):
        header = tracer.header()
        assert header is not None
        assert header.startswith(ROOT)
    assert tracer.header() is None


async def test_concurrent_tasks_keep_their_own_traces(tracer: Tracer) -> None:
    roots = [f"Root=1-5759e988-{number:024x}" for number in range(20)]

    async def handle(root: str) -> bool:
        with tracer.span("outer", header=f"{root};Parent=53995c3f42cd8ad8;Sampled=1"):
            await asyncio.sleep(0)
            with tracer.span("inner"):
                await asyncio.sleep(0)
                return (tracer.header() or "").startswith(root)

    assert all(await asyncio.gather(*(handle(root) for root in roots)))


def test_a_span_in_a_span_becomes_a_subsegment_of_the_same_trace(emitter: Emitter) -> None:
    tracer = make_xray(emitter)
    with tracer.span("submit", header=HEADER), tracer.span("append"):
        pass
    (segment,) = emitter.sent
    assert segment.trace_id == "1-5759e988-bd862e3fe1be46a994272793"
    assert [one.name for one in segment.subsegments] == ["append"]
    assert xray._entities.get() == ()
