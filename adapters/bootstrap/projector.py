"""The projector: the process, and the function without its polls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from adapters.bootstrap.core import Core, core
from adapters.bootstrap.process import aws, make_broker
from adapters.bootstrap.read_models import gates, served, slotted, threads
from adapters.outbound.dynamodb.codec import (
    to_cloud_event,
)
from adapters.outbound.dynamodb.rows import (
    Threads,
)
from adapters.outbound.telemetry.metrics import EmbeddedMetrics
from adapters.settings import Settings
from projections.devices import devices, remote_commands
from projections.kernel.slots import Slot

if TYPE_CHECKING:
    from adapters.faststream_aws import SQSBroker
    from adapters.inbound.aws_lambda.queues import Queues
    from adapters.inbound.workers.feeds import SlotFeeds
    from adapters.inbound.workers.projector import Inbox


@asynccontextmanager
async def projector(settings: Settings) -> AsyncIterator[SlotFeeds]:
    from adapters.inbound.workers.feeds import SlotFeeds
    from adapters.inbound.workers.projector import subscribe

    async with (
        core(settings, "projector") as parts,
        threads(settings) as pool,
        EmbeddedMetrics("projector").flushed() as metrics,
    ):
        broker = make_broker(settings)
        inboxes = projection_inboxes(settings, parts, pool, broker, metrics)
        subscribers = {
            (model, slot): subscribe(
                broker,
                settings.slot(model, slot).queue,
                inbox,
                wait_seconds=settings.queue_wait_seconds,
                poll_interval=settings.queue_poll_interval,
            )
            for (model, slot), inbox in inboxes.items()
        }
        yield SlotFeeds(
            broker,
            subscribers,
            pointer=parts.pointer,
            control=parts.control,
            versions={name: one.version for name, one in served(settings).items()},
        )


@asynccontextmanager
async def queues(settings: Settings) -> AsyncIterator[Queues]:
    """The projector without its polls."""
    from adapters.inbound.aws_lambda.queues import Queues
    from adapters.outbound.messaging.postponement import SqsPostponement

    urls = {
        url.rsplit("/", 1)[-1]: url
        for url in (settings.slot(name, slot).queue for name in served(settings) for slot in Slot)
    }
    async with (
        core(settings, "projector") as parts,
        threads(settings) as pool,
        make_broker(settings) as broker,
        EmbeddedMetrics("projector").flushed() as metrics,
        SqsPostponement.opened(aws(settings), urls) as postponement,
    ):
        for name, projection in served(settings).items():
            await parts.control.register(name, projection.version)
        by_slot = projection_inboxes(settings, parts, pool, broker, metrics)
        by_url = {settings.slot(*key).queue: inbox for key, inbox in by_slot.items()}
        yield Queues({name: by_url[url] for name, url in urls.items()}, postponement)


def projection_inboxes(
    settings: Settings, parts: Core, pool: Threads, broker: SQSBroker, metrics: EmbeddedMetrics
) -> dict[tuple[str, Slot], Inbox]:
    """What handles the messages of each slot's queue, in a process or in Lambda."""
    from adapters.inbound.workers.feeds import Progress
    from adapters.inbound.workers.projector import Inbox, Projector, Unwatched

    models = slotted(settings, parts.pointer)
    worker = Projector(
        devices=gates(devices.DEVICES, models.devices, pool, parts),
        remote_commands=gates(remote_commands.REMOTE_COMMANDS, models.remote_commands, pool, parts),
        pointer=parts.pointer,
        watchers=parts.watchers,
        lanes=parts.lanes,
        encode=to_cloud_event,
    )
    handlers: dict[str, Callable[..., Awaitable[None]]] = {
        "devices": worker.on_devices,
        "remote_commands": worker.on_remote_commands,
    }
    for name, projection in served(settings).items():
        if name not in handlers:
            gated = gates(projection, models.of(name), pool, parts)
            handlers[name] = Unwatched(gated, parts.pointer).apply
    return {
        (model, slot): Inbox(
            model,
            partial(handler, slot=slot),
            decode=parts.sealer.from_cloud_event,
            tracer=parts.tracer,
            broker=broker,
            dead_letters=settings.slot(model, slot).dead_letters,
            progress=Progress(parts.control, model, slot, metrics),
        )
        for model, handler in handlers.items()
        for slot in Slot
    }
