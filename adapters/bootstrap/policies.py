"""Policies, their time-outs and the outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from adapters.bootstrap.accounts import mailer_of
from adapters.bootstrap.core import Core, core
from adapters.bootstrap.media import transcoder_of, transcodings, web_of
from adapters.bootstrap.process import aws, make_broker
from adapters.bootstrap.read_models import slotted, threads, twins
from adapters.faststream_aws import SQSBroker
from adapters.inbound.workers import outbox as outboxes
from adapters.inbound.workers.policies import Actor, Handler, PolicyInbox, PolicyRunner
from adapters.inbound.workers.ports import EffectHandler, PolicyRow
from adapters.inbound.workers.projector import Inbox, subscribe
from adapters.inbound.workers.timeouts import TimeoutScan
from adapters.outbound import webhooks
from adapters.outbound.dynamodb.event_store import DynamoDbEventStore
from adapters.outbound.dynamodb.policy_states import PolicyStateItem, PolicyStatesTable
from adapters.outbound.dynamodb.rows import (
    DevicesQuery,
    GatedRows,
    MembershipsQuery,
    Threads,
    opened,
)
from adapters.outbound.dynamodb.timeouts import DynamoDbTimeouts
from adapters.outbound.dynamodb.twins import DynamoDbTwins
from adapters.outbound.dynamodb.vault import DynamoDbVault
from adapters.outbound.mail.delivery import MailDelivery
from adapters.outbound.messaging.outbox import QueueOutbox
from adapters.outbound.system.clock import SystemClock
from adapters.outbound.web.pixels import Pixels
from adapters.settings import Settings
from commands.accounts import forgetting
from commands.accounts import mail as mails
from commands.accounts.forgetting import (
    ERASURE,
    FORGETTING_POLICY,
    CloseAccount,
    Eraser,
    FinishForgetting,
    RevokeTokens,
    StartForgetting,
)
from commands.accounts.homes import EndMemberships, Leaver
from commands.accounts.mail import MAIL_POLICY
from commands.devices.alarms import ALARMS, WEBHOOK
from commands.devices.departures import DEPARTURES, ContinueDeparture, Departures
from commands.devices.farewells import FAREWELLS, EndCommandsOf, Farewells
from commands.kernel.policy import Policy
from commands.media import pixels
from commands.media.jobs import Transcodings
from commands.media.transcoding import (
    TRANSCODING,
    ContinueCreative,
    EndJob,
    LookAtJob,
)
from domain.kernel.recorded import Context

POLICY_POLL_INTERVAL = 0.5
"""Where queues are polled without waiting: nobody waits for policies as for read models."""


@asynccontextmanager
async def policies(settings: Settings) -> AsyncIterator[tuple[SQSBroker, TimeoutScan]]:
    """Policies on their queues, and the scan that brings them their time-outs."""

    async with (
        core(settings, "policies") as parts,
        threads(settings) as pool,
        transcoder_of(settings, parts) as transcoder,
    ):
        broker = make_broker(settings)
        timeouts = DynamoDbTimeouts(parts.dynamodb, settings.timeouts_table)
        handlers = command_handlers(settings, parts, pool) | media_handlers(
            transcodings(settings, parts, broker, transcoder)
        )
        for queue, inbox in policy_inboxes(settings, parts, handlers, broker, timeouts).items():
            subscribe(
                broker,
                queue,
                inbox,
                wait_seconds=settings.queue_wait_seconds,
                poll_interval=settings.queue_poll_interval and POLICY_POLL_INTERVAL,
            )
        yield (
            broker,
            TimeoutScan(
                due=timeouts,
                broker=broker,
                queues={one.policy.name: one.queue for one in followed_policies(settings, parts)},
                clock=parts.clock,
                interval=settings.sweep_interval,
            ),
        )


def policy_inboxes(
    settings: Settings,
    parts: Core,
    handlers: dict[type[BaseModel], Handler],
    broker: SQSBroker,
    timeouts: DynamoDbTimeouts,
) -> dict[str, PolicyInbox]:
    """What handles the messages of each policy's queue, by its URL."""
    actor = Actor(
        handlers,
        timeouts=timeouts,
        outbox=QueueOutbox(broker, settings.outbox_queue),
        effects={mails.KIND, *((WEBHOOK,) if settings.webhook_url else ())},
    )
    items = opened(
        PolicyStateItem,
        settings.policy_states_table,
        region=settings.aws_region,
        host=settings.aws_endpoint_url,
    )
    rows = GatedRows(parts.dynamodb, PolicyStatesTable(items))
    return {
        one.queue: policy_inbox(one, rows=rows, actor=actor, parts=parts, broker=broker)
        for one in followed_policies(settings, parts)
    }


def command_handlers(
    settings: Settings, parts: Core, pool: Threads
) -> dict[type[BaseModel], Handler]:
    """Of all commands that policies send."""
    twins(settings)
    owned = DevicesQuery(pool, slotted(settings, parts.pointer).devices)
    departures = Departures(owned=owned, twins=DynamoDbTwins(pool), dispatcher=parts.dispatcher)
    farewells = Farewells(owned=owned, dispatcher=parts.dispatcher)
    leaver = Leaver(
        homes_of=MembershipsQuery(pool, slotted(settings, parts.pointer).memberships),
        dispatcher=parts.accounts.dispatcher,
    )
    eraser = Eraser(
        vault=parts.vault,
        keyring=parts.keyring,
        dispatcher=parts.accounts.dispatcher,
        revocations=parts.revocations,
    )

    async def start_forgetting(context: Context, message: StartForgetting) -> None:
        await parts.accounts.dispatcher.execute(
            context, lambda unit: forgetting.start_forgetting(unit, message)
        )

    return {
        ContinueDeparture: departures.advance,
        EndCommandsOf: farewells.end,
        StartForgetting: start_forgetting,
        RevokeTokens: eraser.revoke_tokens,
        EndMemberships: leaver.end_all,
        CloseAccount: eraser.close,
        FinishForgetting: eraser.finish,
    }


def media_handlers(transcodings: Transcodings) -> dict[type[BaseModel], Handler]:
    return {
        ContinueCreative: transcodings.advance,
        LookAtJob: transcodings.look,
        EndJob: transcodings.end,
    }


@dataclass(frozen=True)
class Followed:
    """A policy with its queue, and the store whose streams it follows."""

    policy: Policy[Any]
    source: DynamoDbEventStore
    queue: str
    dead_letters: str


def followed_policies(settings: Settings, parts: Core) -> list[Followed]:
    devices, accounts = parts.store, parts.accounts.store
    return [
        Followed(ALARMS, devices, settings.alarms_queue, settings.alarms_dead_letters),
        Followed(
            FORGETTING_POLICY, accounts, settings.forgetting_queue, settings.forgetting_dead_letters
        ),
        Followed(DEPARTURES, accounts, settings.departures_queue, settings.departures_dead_letters),
        Followed(FAREWELLS, accounts, settings.farewells_queue, settings.farewells_dead_letters),
        Followed(ERASURE, devices, settings.erasure_queue, settings.erasure_dead_letters),
        Followed(MAIL_POLICY, accounts, settings.mail_queue, settings.mail_dead_letters),
        Followed(
            TRANSCODING,
            parts.media.store,
            settings.transcoding_queue,
            settings.transcoding_dead_letters,
        ),
    ]


def policy_inbox(
    followed: Followed, *, rows: GatedRows[PolicyRow], actor: Actor, parts: Core, broker: SQSBroker
) -> PolicyInbox:

    runner = PolicyRunner(followed.policy, rows, followed.source, actor)
    events = Inbox(
        followed.policy.name,
        runner.on_events,
        decode=parts.sealer.from_cloud_event,
        tracer=parts.tracer,
        broker=broker,
        dead_letters=followed.dead_letters,
    )
    return PolicyInbox(runner, events)


async def mail_delivery(settings: Settings, stack: AsyncExitStack) -> MailDelivery:
    connection = aws(settings)
    dynamodb = await stack.enter_async_context(connection.dynamodb())
    vault = DynamoDbVault(dynamodb, settings.vault_table)
    mailer = await stack.enter_async_context(mailer_of(settings))
    return MailDelivery(vault, mailer, clock=SystemClock())


@asynccontextmanager
async def outbox(settings: Settings) -> AsyncIterator[SQSBroker]:

    broker = make_broker(settings)
    web = web_of(settings)
    async with webhooks.make_client() as client, AsyncExitStack() as stack:
        stack.push_async_callback(web.close)
        handlers: dict[str, EffectHandler] = {
            pixels.KIND: Pixels(web, clock=SystemClock()),
            mails.KIND: await mail_delivery(settings, stack),
        }
        if settings.webhook_url:
            handlers[WEBHOOK] = webhooks.Webhook(
                client,
                url=settings.webhook_url,
                secret=settings.webhook_secret.get_secret_value(),
                clock=SystemClock(),
            )
        worker = outboxes.OutboxWorker(
            handlers,
            broker=broker,
            dead_letters=settings.outbox_dead_letters,
            dropped={pixels.KIND},
        )
        outboxes.subscribe(
            broker,
            worker,
            settings.outbox_queue,
            wait_seconds=settings.queue_wait_seconds,
            poll_interval=settings.queue_poll_interval and POLICY_POLL_INTERVAL,
        )
        yield broker
