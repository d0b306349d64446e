"""``/dev/outbox``: the mails of a platform on one machine, for its person to read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastapi import Response

from adapters.inbound.http.accounts.parts import LOOPBACK, Outbox
from adapters.inbound.http.accounts.visit import Visit
from adapters.inbound.http.errors import RouteNotFound

LINK = re.compile(r"https?://[^\s<>\"]+")


async def show(visit: Visit) -> Response:
    outbox = _outbox(visit)
    return visit.page("outbox.html", mails=await outbox.newest())


async def show_one(visit: Visit) -> Response:
    outbox = _outbox(visit)
    wanted = visit.request.path_params["mail_id"]
    mail = next((one for one in await outbox.newest() if one.id == wanted), None)
    if mail is None:
        raise RouteNotFound("no such mail")
    return visit.page("outbox_mail.html", mail=mail, pieces=list(pieces(mail.text)))


def _outbox(visit: Visit) -> Outbox:
    """For who asks this machine by a name of its own; a page elsewhere may have led its own name
    here (DNS rebinding). Raises ``RouteNotFound``."""
    outbox = visit.pages.outbox
    if outbox is None or visit.request.url.hostname not in LOOPBACK:
        raise RouteNotFound("no such page")
    return outbox


def pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """The text in order; each address of the web with itself beside it."""
    at = 0
    for found in LINK.finditer(text):
        yield text[at : found.start()], None
        yield found[0], found[0]
        at = found.end()
    yield text[at:], None
