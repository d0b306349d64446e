"""``given_policy(ALARMS, claimed).when(lost).then(effects=[…])``: a policy told as its rules are.

Every scenario also takes the state through storage, decides again to see the same actions, and
tells the last event as one from before the policy's start, to see it folded and not acted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from commands.kernel.policy import (
    Action,
    Cancel,
    Emit,
    Policy,
    PolicyState,
    Schedule,
    Send,
    Timeout,
)
from domain.kernel.event import Event


def given_policy(policy: Policy[Any], *events: Event) -> GivenPolicy:
    return GivenPolicy(policy, folded(policy, policy.state(), *events))


@dataclass(frozen=True)
class GivenPolicy:
    policy: Policy[Any]
    state: PolicyState

    def when(self, happened: Event | Timeout) -> WhenPolicy:
        return WhenPolicy(self.policy, self.state, happened)


@dataclass(frozen=True)
class WhenPolicy:
    policy: Policy[Any]
    state: PolicyState
    happened: Event | Timeout

    def then(
        self,
        *,
        commands: Sequence[BaseModel] = (),
        effects: Sequence[Emit] = (),
        timeouts: Sequence[Schedule] = (),
        canceled: Sequence[Cancel] = (),
    ) -> None:
        """Just these actions, each kind in this order."""
        actions = self.actions()
        assert [one.command for one in actions if isinstance(one, Send)] == list(commands)
        assert [one for one in actions if isinstance(one, Emit)] == list(effects)
        assert [one for one in actions if isinstance(one, Schedule)] == list(timeouts)
        assert [one for one in actions if isinstance(one, Cancel)] == list(canceled)
        assert self.actions() == actions, "deciding again gave other actions"

    def actions(self) -> list[Action]:
        if isinstance(self.happened, Timeout):
            return list(self.policy.on_timeout(self.state, self.happened))
        state = folded(self.policy, self.state, self.happened)
        before = self.policy.since - timedelta(microseconds=1)
        early = self.happened.model_copy(update={"timestamp": before})
        assert not self.policy.actions(state, early), "acted on what was before its start"
        at = max(self.happened.timestamp, self.policy.since)
        return list(self.policy.actions(state, self.happened.model_copy(update={"timestamp": at})))


def folded(policy: Policy[Any], state: PolicyState, *events: Event) -> PolicyState:
    for event in events:
        state = policy.fold(state, event)
        stored = type(state).model_validate_json(state.model_dump_json())
        assert stored == state, "the state does not survive storage"
    return state
