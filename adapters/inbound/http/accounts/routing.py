"""How a page is asked for: what has to be so before its handler runs, and what errors look like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from urllib.parse import quote

from fastapi import FastAPI, Request, Response

from adapters.inbound.http.accounts import words
from adapters.inbound.http.accounts.forms import read_body
from adapters.inbound.http.accounts.parts import AccountPages
from adapters.inbound.http.accounts.visit import SAFE, Visit
from adapters.inbound.http.edge import ERROR_PAGE, Exchange
from adapters.inbound.http.problems import STATUS, headers_of
from commands.accounts.sign_in_sessions import NotSignedIn, SignInTooOld
from domain.kernel.errors import HomecastError

Handler = Callable[[Visit], Awaitable[Response]]


class For(Enum):
    """Who a page is for. ``RECENT``: who has shown within minutes that it is they."""

    ANYBODY = "anybody"
    SIGNED_IN = "signed in"
    RECENT = "recent"


@dataclass(frozen=True)
class Page:
    """``show`` changes nothing, whoever fetches its address (scanners of mails do).

    ``anonymous``: its forms are bound to the browser rather than to a session. ``relayed``: forms
    of other sites may be sent here (OpenID Connect Core 3.1.2.1, RP-Initiated Logout 2); they are
    turned into a request of ``show``, which is all that they can do.
    """

    path: str
    show: Handler | None = None
    submit: Handler | None = None
    whom: For = For.SIGNED_IN
    anonymous: bool = False
    relayed: bool = False

    @property
    def methods(self) -> list[str]:
        posted = self.submit is not None or self.relayed
        return [*(["GET", "HEAD"] if self.show else []), *(["POST"] if posted else [])]


def add(app: FastAPI, pages: AccountPages, page: Page) -> None:
    async def endpoint(request: Request) -> Response:
        visit = Visit(pages, request, anonymous=page.anonymous)
        if wants_page(request):
            request.scope[ERROR_PAGE] = partial(error_page, visit)
        try:
            return await _answer(page, visit)
        except HomecastError as error:
            if not wants_page(request):
                raise
            request.scope["homecast.code"] = error.code
            return error_page(visit, error)

    if page.show is not None:
        pages.shown.add(page.path)
    app.add_api_route(page.path, endpoint, methods=page.methods, include_in_schema=False)


async def _answer(page: Page, visit: Visit) -> Response:
    away = visit.pages.elsewhere(visit.request)
    if away is not None:
        return visit.pages.redirect(away)
    if page.relayed and visit.request.method == "POST":
        return visit.pages.redirect(await as_query(visit.request))
    await visit.recognise()
    if page.whom != For.ANYBODY and visit.signed_in is None:
        return visit.to_sign_in()
    handler = page.show
    if visit.request.method == "POST":
        await visit.take_form()
        handler = page.submit
    assert handler is not None
    try:
        if page.whom == For.RECENT:
            visit.me.require_recent(visit.now)
        return await handler(visit)
    except SignInTooOld:
        return visit.to_sign_in("/signin/again")
    except NotSignedIn:
        return visit.to_sign_in()


async def as_query(request: Request) -> str:
    """Raises ``MalformedRequest``."""
    body = await read_body(request)
    return f"{request.url.path}?{quote(body, safe=SAFE)}"


def wants_page(request: Request) -> bool:
    """False for programs that say they want JSON."""
    accepted = request.headers.get("accept", "")
    return "json" not in accepted or "text/html" in accepted


def error_page(visit: Visit, error: HomecastError) -> Response:
    status = STATUS.get(error.code, 500)
    told = words.trouble(error.code, status)
    exchange: Exchange = visit.request.scope["homecast.exchange"]
    answer = visit.page(
        "error.html",
        status=status,
        heading=told.title,
        text=told.text,
        onward=("/account", "To your account") if visit.signed_in else ("/signin", "To the start"),
        reference=exchange.correlation_id if status >= 500 else None,
    )
    if "retry_after" in error.extra:
        answer.headers["Retry-After"] = headers_of(error)["Retry-After"]
    return answer
