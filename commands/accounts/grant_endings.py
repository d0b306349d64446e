"""Grants end with all of their tokens: the items of the vault go in the commit that says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from commands.accounts.token_family import key_of
from commands.accounts.token_states import GrantRevocations
from commands.kernel.dispatch import Dispatcher, Unit
from domain.accounts import grants as rules
from domain.accounts.grants import GRANTS, Because, Given, GrantsRevoked
from domain.kernel.event import Event
from domain.kernel.recorded import Context

AT_ONCE = 90
"""Grants that one commit ends: with its event that is less than a transaction may hold."""


async def end_grants(
    dispatcher: Dispatcher,
    revocations: GrantRevocations,
    context: Context,
    account_id: str,
    *,
    which: Callable[[Given], bool],
    reason: Because,
) -> tuple[str, ...]:
    """Their ids. ``dispatcher``: of the accounts context. Many end in several commits, each of
    which is told of."""

    async def decide(unit: Unit) -> tuple[str, ...]:
        state = await unit.load(GRANTS, account_id)
        some = [one for one in state.live if which(one)][:AT_ONCE]
        events = rules.revoke(
            state, account_id=account_id, which=some.__contains__, reason=reason, at=unit.at
        )
        unit.append(state, events)
        return without_tokens(unit, events)

    ended: tuple[str, ...] = ()
    while True:
        gone, _ = await dispatcher.execute(context, decide)
        ended += gone
        if gone:
            await revocations.told(gone)
        if len(gone) < AT_ONCE:
            return ended


def without_tokens(unit: Unit, events: Sequence[Event]) -> tuple[str, ...]:
    gone = tuple(
        grant_id
        for event in events
        if isinstance(event, GrantsRevoked)
        for grant_id in event.grant_ids
    )
    for grant_id in gone:
        unit.write_vault(key_of(grant_id), None)
    return gone
