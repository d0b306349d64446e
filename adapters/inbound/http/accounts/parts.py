"""What all pages share, made once per process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import quote, urlsplit

from fastapi import Request, Response

from adapters.inbound.http.accounts.cookies import Cookies
from adapters.inbound.http.accounts.forms import FormTokens
from adapters.inbound.http.accounts.rendering import Renderer, security_headers
from adapters.inbound.http.container import MembershipsQuery
from commands.accounts.oauth.parts import OAuth
from commands.accounts.parts import Parts as Accounts
from commands.accounts.ports import Section
from commands.accounts.sign_in_sessions import SignedIn, current_session
from commands.kernel.ports import Clock, Tracer

PLACES = (
    ("/account", "Overview"),
    ("/account/security", "Security"),
    ("/account/sessions", "Sessions"),
    ("/account/services", "Linked services"),
    ("/account/homes", "Homes"),
    ("/account/data", "Your data"),
)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Letter(Protocol):
    """A mail as the local outbox keeps it. ``sent_at`` None: it does not say."""

    @property
    def id(self) -> str: ...
    @property
    def to(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def sent_at(self) -> datetime | None: ...


class Outbox(Protocol):
    async def newest(self) -> Sequence[Letter]:
        """Newest first; a bounded number."""


class AccountPages:
    """``outbox``: of the local mailer, shown on one machine only; None where mail really goes out.
    ``memberships``:
    the read model; without it there are no pages about homes. ``sections``: what a download of
    one's data holds. ``behind_proxy``: requests come by one that is ours, whose headers count.
    """

    def __init__(
        self,
        accounts: Accounts,
        oauth: OAuth,
        *,
        tracer: Tracer,
        outbox: Outbox | None = None,
        sections: Sequence[Section] = (),
        memberships: MembershipsQuery | None = None,
        behind_proxy: bool = False,
    ) -> None:
        self.accounts = accounts
        self.oauth = oauth
        self.tracer = tracer
        self.outbox = outbox if accounts.relying_party in LOOPBACK else None
        self.sections = sections
        self.memberships = memberships
        self.behind_proxy = behind_proxy
        self.origin = accounts.origin
        self.cookies = Cookies(accounts.public_url)
        self.tokens = FormTokens(accounts.keys)
        self.renderer = Renderer(secure=self.cookies.secure)
        self.places = tuple(one for one in PLACES if memberships or one[0] != "/account/homes")
        self.shown: set[str] = set()
        """Paths that can be looked at; filled by the routes."""
        self._host = urlsplit(accounts.public_url).hostname

    @property
    def clock(self) -> Clock:
        return self.accounts.clock

    async def session(self, cookie: str, now: datetime) -> SignedIn | None:
        return await current_session(self.accounts.vault, cookie, now=now)

    def redirect(self, target: str, *, status: int = 303) -> Response:
        headers = security_headers(secure=self.cookies.secure)
        return Response(
            status_code=status,
            headers={**headers, "Cache-Control": "no-store", "Location": target},
        )

    def page_of(self, path: str) -> str:
        """The page that a form with this address stands on: the nearest above."""
        while path and path not in self.shown:
            path = path.rpartition("/")[0]
        return path or "/account"

    def elsewhere(self, request: Request) -> str | None:
        """On one machine, the same page under the name that passkeys and cookies are bound to:
        ``127.0.0.1`` and ``localhost`` are two hosts to a browser."""
        asked = request.url.hostname
        if request.method != "GET" or asked == self._host:
            return None
        if asked not in LOOPBACK or self._host not in LOOPBACK:
            return None
        path = quote(request.url.path, safe="/")
        return f"{self.origin}{path}" + (f"?{request.url.query}" if request.url.query else "")
