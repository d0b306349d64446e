"""Runs policies behind the gate that projections use, so redelivery and disorder are harmless.

A policy's row is gated like that of a read model. Where the gate writes the row, the actions of the
events that it folded are carried out first: a crash between carries them out again, under the same
derived ids.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from adapters.inbound.workers.ports import PolicyRow, Step
from adapters.inbound.workers.projector import FAULT_PAUSES, Inbox
from commands.kernel.policy import (
    Action,
    Cancel,
    Cause,
    Effect,
    Emit,
    Outbox,
    Policy,
    Schedule,
    Send,
    Timeout,
    Timeouts,
    derived_id,
)
from domain.kernel.errors import (
    Conflict,
    NotFound,
    NotPermitted,
    Refused,
    SubjectForgotten,
    Unavailable,
)
from domain.kernel.event import Event
from domain.kernel.recorded import Context, Recorded
from projections.kernel.gate import Gate, Held, Key, Projection, Rows, Source

log = structlog.get_logger("homecast.policies")

Handler = Callable[[Context, Any], Awaitable[object]]


@dataclass(frozen=True)
class Following(Projection[PolicyRow]):
    """A policy as the gate sees it: whole streams, one row each."""

    policy: Policy[Any] = field(kw_only=True)

    def step(self, row: PolicyRow | None, recorded: Recorded) -> PolicyRow:
        after = self.fold(row, recorded.event)
        state = self.policy.state.model_validate(after.state)
        actions = tuple(self.policy.actions(state, recorded.event))
        steps = (*(row.steps if row else ()), Step(recorded, actions))
        return after.model_copy(update={"steps": steps})


def following(policy: Policy[Any]) -> Following:
    def fold(row: PolicyRow | None, event: Event) -> PolicyRow:
        before = policy.state.model_validate(row.state) if row else policy.state()
        state = policy.fold(before, event).model_dump(mode="json")
        version = event.originator_version
        return PolicyRow(
            applied=version,
            stream_version=version,
            policy=policy.name,
            stream=event.originator_id,
            state=state,
        )

    return Following(
        name=policy.name,
        category=policy.category,
        key_of=lambda event: (policy.name, event.originator_id),
        number_of=lambda event: event.originator_version,
        before_first=lambda _: 0,
        fold=fold,
        policy=policy,
    )


class Actor:
    """Carries actions out.

    ``handlers``: of commands, by type. ``effects``: the kinds that somebody is there to receive;
    others are left out.
    """

    def __init__(
        self,
        handlers: Mapping[type[BaseModel], Handler],
        *,
        timeouts: Timeouts,
        outbox: Outbox,
        effects: Collection[str],
    ) -> None:
        self._handlers = handlers
        self._timeouts = timeouts
        self._outbox = outbox
        self._effects = effects

    async def act(self, policy: str, stream: str, cause: Cause, actions: Sequence[Action]) -> None:
        """Raises ``Unavailable`` for another try of all of them, and what a command was refused for
        that must be done: then its message comes again, and is a dead letter in the end."""
        for index, action in enumerate(actions):
            action_id = derived_id(policy, cause.id, index)
            match action:
                case Send(command):
                    await self._send(policy, action_id, cause, command, must=action.must)
                case Schedule(name, due_at):
                    await self._timeouts.schedule(
                        Timeout(policy, stream, name, due_at, cause.correlation_id)
                    )
                case Cancel(name, due_at):
                    await self._timeouts.cancel(
                        Timeout(policy, stream, name, due_at, cause.correlation_id)
                    )
                case Emit(kind, body) if kind in self._effects:
                    await self._outbox.put(
                        Effect(action_id, kind, body, cause.correlation_id, cause.id)
                    )

    async def _send(
        self, policy: str, action_id: str, cause: Cause, command: BaseModel, *, must: bool
    ) -> None:
        """A refusal is an answer, but where the command must be done; the policy learns of what
        happened by events alone. What is not there, or of somebody forgotten, is done."""
        context = Context(cause.correlation_id, action_id, f"policy:{policy}", cause.trace)
        name = type(command).__name__
        try:
            await self._handlers[type(command)](context, command)
        except (Refused, NotFound, NotPermitted, Conflict) as error:
            if must and not isinstance(error, (NotFound, SubjectForgotten)):
                log.error("policy_failed", policy=policy, command=name, code=error.code)
                raise
            log.warning("policy_refused", policy=policy, command=name, code=error.code)
        else:
            log.info("policy_sent", policy=policy, command=name, causation=action_id)


class ActingRows:
    """The rows behind the gate; acts before it writes."""

    def __init__(self, rows: Rows[PolicyRow], actor: Actor) -> None:
        self._rows = rows
        self._actor = actor

    async def get(self, key: Key) -> Held[PolicyRow] | None:
        return await self._rows.get(key)

    async def put(self, key: Key, held: Held[PolicyRow], previous: Held[PolicyRow] | None) -> bool:
        # The gate tries a stream's first events without reading. The write's condition would tell
        # of a repetition, but after the actions.
        if previous is None and await self._rows.get(key) is not None:
            return False
        if held.row is not None:
            await self._act_on(held.row, previous)
        return await self._rows.put(key, held, previous)

    async def _act_on(self, row: PolicyRow, previous: Held[PolicyRow] | None) -> None:
        for step in row.steps:
            if not acted(previous, step.recorded):
                await self._act(row, step)

    async def _act(self, row: PolicyRow, step: Step) -> None:
        context = step.recorded.context
        cause = Cause(step.recorded.id, context.correlation_id, context.trace)
        await self._actor.act(row.policy, row.stream, cause, step.actions)


def acted(previous: Held[PolicyRow] | None, recorded: Recorded) -> bool:
    """After a restore the row begins anew, but what the backup had kept was acted on long ago."""
    return (
        previous is not None
        and recorded.generation <= previous.generation
        and recorded.event.originator_version <= previous.applied
    )


class PolicyRunner:
    """One policy, with its state, fed with events and time-outs."""

    def __init__(
        self, policy: Policy[Any], rows: Rows[PolicyRow], source: Source, actor: Actor
    ) -> None:
        self.policy = policy
        self._source = source
        self._actor = actor
        self._gate = Gate(following(policy), ActingRows(rows, actor), source)

    async def on_events(self, recorded: Sequence[Recorded]) -> None:
        await self._gate.apply(recorded)

    async def on_timeout(self, timeout: Timeout) -> None:
        """Decided on what the store has: the queue may still hold events that change it, and after
        a restore the row may know of some that are gone."""
        recorded = await self._source.read(timeout.stream)
        await self._gate.apply(recorded)
        state = self.policy.state()
        for one in recorded:
            state = self.policy.fold(state, one.event)
        actions = self.policy.on_timeout(state, timeout)
        cause = Cause(timeout.id, timeout.correlation_id)
        await self._actor.act(timeout.policy, timeout.stream, cause, actions)


class TimeoutMessage(BaseModel):
    """A time-out on the policy's queue, beside the events."""

    model_config = ConfigDict(frozen=True)

    policy: str
    stream: str
    name: str
    due_at: AwareDatetime
    correlation_id: str


class PolicyInbox:
    """One policy's queue: the events of a group first, then its time-outs."""

    def __init__(self, runner: PolicyRunner, events: Inbox) -> None:
        self._runner = runner
        self._events = events

    async def receive(self, bodies: Sequence[Any]) -> None:
        timeouts = [timeout_of(body) for body in bodies]
        # What is neither event nor time-out is undecodable: the inbox of events knows what to do.
        events = [body for body, one in zip(bodies, timeouts, strict=True) if one is None]
        if events:
            await self._events.receive(events)
        for timeout in timeouts:
            if timeout is not None:
                await self._on_timeout(timeout)

    async def _on_timeout(self, timeout: Timeout) -> None:
        started = time.perf_counter()
        for pause in itertools.chain(FAULT_PAUSES, itertools.repeat(FAULT_PAUSES[-1])):
            try:
                await self._runner.on_timeout(timeout)
            except Unavailable as error:
                log.warning("timeout_waits", stream=timeout.stream, code=error.code)
                await asyncio.sleep(pause)
            else:
                break
        log.info(
            "timed_out",
            policy=timeout.policy,
            stream=timeout.stream,
            timeout=timeout.name,
            correlation=timeout.correlation_id,
            ms=round((time.perf_counter() - started) * 1000, 1),
        )


def message_of(timeout: Timeout) -> dict[str, Any]:
    return {
        "policy": timeout.policy,
        "stream": timeout.stream,
        "name": timeout.name,
        "due_at": timeout.due_at.isoformat(),
        "correlation_id": timeout.correlation_id,
    }


def timeout_of(body: Any) -> Timeout | None:
    if not isinstance(body, dict) or "specversion" in body:
        return None
    try:
        message = TimeoutMessage.model_validate(body)
    except ValidationError:
        return None
    due_at: datetime = message.due_at
    return Timeout(message.policy, message.stream, message.name, due_at, message.correlation_id)
