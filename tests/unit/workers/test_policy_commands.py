"""What becomes of a policy's command that is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from adapters.inbound.workers.policies import Actor
from commands.accounts import forgetting
from commands.kernel.policy import Cause, Send
from domain.kernel.errors import Conflict, NotFound, Refused, SubjectForgotten, TooLarge
from domain.kernel.recorded import Context
from tests.support.policies import PolicyWorld
from tests.support.streams import START

CAUSE = Cause("e1", "c1")


class Ask(BaseModel):
    pass


def actor(error: Exception) -> Actor:
    async def refuse(_: Context, __: Any) -> None:
        raise error

    world = PolicyWorld()
    return Actor({Ask: refuse}, timeouts=world, outbox=world, effects=())


@pytest.mark.parametrize("error", [Refused(), TooLarge(), Conflict(), NotFound()], ids=repr)
async def test_a_refusal_is_an_answer(error: Exception) -> None:
    await actor(error).act("p", "s-1", CAUSE, [Send(Ask())])


@pytest.mark.parametrize("error", [Refused(), TooLarge(), Conflict()], ids=repr)
async def test_a_command_that_must_be_done_is_not_forgotten_when_it_is_refused(
    error: Exception,
) -> None:
    with pytest.raises(type(error)):
        await actor(error).act("p", "s-1", CAUSE, [Send(Ask(), must=True)])


@pytest.mark.parametrize("error", [NotFound(), SubjectForgotten()], ids=repr)
async def test_what_is_gone_already_is_done(error: Exception) -> None:
    await actor(error).act("p", "s-1", CAUSE, [Send(Ask(), must=True)])


def test_all_that_forgets_a_person_must_be_done() -> None:
    from domain.accounts.forgetting import ForgettingStarted

    started = ForgettingStarted(
        originator_id="forgetting-a",
        originator_version=1,
        timestamp=START,
        account_id="01JDEMQ0000000000000000001",
    )
    actions = forgetting.react(forgetting.Waiting(), started)
    assert len(actions) == 3
    assert all(isinstance(one, Send) and one.must for one in actions)
