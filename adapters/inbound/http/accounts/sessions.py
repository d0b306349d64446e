"""Sign-in sessions: where the account is signed in, and an end to one or to all others."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from adapters.inbound.http.accounts import words
from adapters.inbound.http.accounts.visit import Visit
from commands.accounts.sign_in_sessions import Listed, end_sessions, list_sessions
from commands.kernel.dispatch import Unit


async def shown(visit: Visit) -> list[dict[str, Any]]:
    """Newest first, this one in front of all."""
    accounts, me = visit.pages.accounts, visit.me
    found = await list_sessions(accounts.repository, me.account_id, now=visit.now)
    listed = [_shown(one, current=one.session.session_id == me.session_id) for one in found]
    return sorted(listed, key=lambda one: not one["current"])


def _shown(one: Listed, *, current: bool) -> dict[str, Any]:
    place = one.place
    return {
        "id": one.session.session_id,
        "device": words.device_in_words(place.agent if place else None),
        "place": words.place_in_words(
            place.country if place else None, place.address if place else None
        ),
        "at": one.session.started_at,
        "current": current,
    }


async def show(visit: Visit) -> Response:
    return visit.page("sessions.html", sessions=await shown(visit))


async def end(visit: Visit) -> Response:
    session_id = visit.field("session_id")

    async def decide(unit: Unit) -> None:
        await end_sessions(unit, visit.me.account_id, [session_id])

    await visit.pages.accounts.dispatcher.execute(visit.context, decide)
    await visit.end_grants([session_id])
    return visit.see_other("/account/sessions", done="session-ended")


async def end_others(visit: Visit) -> Response:
    async def decide(unit: Unit) -> None:
        await end_sessions(unit, visit.me.account_id, but=visit.me.session_id)

    await visit.pages.accounts.dispatcher.execute(visit.context, decide)
    await visit.end_grants(but=visit.me.session_id)
    return visit.see_other("/account/sessions", done="sessions-ended")
