"""One request of a browser to one of the pages: who it is, what it sent, how it is answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from fastapi import Request, Response

from adapters.inbound.http.accounts import words
from adapters.inbound.http.accounts.cookies import (
    BEFORE,
    DEVICE,
    PENDING,
    SESSION,
    Cookie,
    new_value,
)
from adapters.inbound.http.accounts.forms import FIELD, read_form, require_own_page
from adapters.inbound.http.accounts.local_paths import is_local, local_path
from adapters.inbound.http.edge import Exchange
from commands.accounts.entering import Entered
from commands.accounts.oauth.grants import revoke_with_sessions
from commands.accounts.sign_in_sessions import SignedIn, Visitor, sign_out
from domain.kernel.recorded import Context

if TYPE_CHECKING:
    from adapters.inbound.http.accounts.parts import AccountPages

SAFE = "%/:?@!$&'()*+,;=-._~"
"""What may stand in a query as it is (RFC 3986 section 3.4)."""
NOBODY = "nobody"
"""Principal of what a browser does before it is signed in."""
RESTARTS = ("/oauth2/",)
"""Paths that may lead to another origin, by redirects that a form may not take (``onward``)."""


class Visit:
    """``anonymous``: the page's forms are bound to the browser, whether or not it is signed in."""

    def __init__(self, pages: AccountPages, request: Request, *, anonymous: bool) -> None:
        self.pages = pages
        self.request = request
        self.anonymous = anonymous
        self.now: datetime = pages.clock.now()
        self.signed_in: SignedIn | None = None
        self.form: Mapping[str, str] = {}
        self._before: str | None = pages.cookies.get(request, BEFORE)
        self._put: dict[Cookie, str | None] = {}

    async def recognise(self) -> None:
        cookie = self.pages.cookies.get(self.request, SESSION)
        if cookie is not None:
            self.signed_in = await self.pages.session(cookie, self.now)

    async def take_form(self) -> None:
        """Raises ``ForeignForm``, ``FormExpired`` or ``MalformedRequest``."""
        require_own_page(self.request, self.pages.origin)
        self.form = await read_form(self.request)
        self.pages.tokens.require(
            self.form.get(FIELD, ""), self._binding() or "", self.request.url.path, self.now
        )

    def field(self, name: str) -> str:
        return self.form.get(name, "")

    @property
    def me(self) -> SignedIn:
        assert self.signed_in is not None, "the route is for who is signed in"
        return self.signed_in

    @property
    def context(self) -> Context:
        exchange: Exchange = self.request.scope["homecast.exchange"]
        who = f"account:{self.signed_in.account_id}" if self.signed_in else NOBODY
        trace = self.pages.tracer.header() or exchange.trace
        return Context(exchange.correlation_id, exchange.request_id, who, trace)

    @property
    def visitor(self) -> Visitor:
        headers = self.request.headers
        return Visitor(
            address=self.request.client.host if self.request.client else "",
            agent=headers.get("user-agent", ""),
            country=self._country,
            device=self.pages.cookies.get(self.request, DEVICE) or "",
        )

    @property
    def _country(self) -> str | None:
        """As CloudFront says; where nothing stands before this API, anybody could say so."""
        if not self.pages.behind_proxy:
            return None
        return _country(self.request.headers.get("cloudfront-viewer-country"))

    @property
    def return_to(self) -> str:
        """Where the person was going; empty for nowhere in particular."""
        asked = self.form.get("return_to") or self.request.query_params.get("return_to", "")
        return asked if is_local(asked) else ""

    def cookie(self, cookie: Cookie) -> str | None:
        return self.pages.cookies.get(self.request, cookie)

    # --- cookies ---------------------------------------------------------------------------------

    def put(self, cookie: Cookie, value: str) -> None:
        self._put[cookie] = value

    def drop(self, cookie: Cookie) -> None:
        self._put[cookie] = None

    async def enter(self, entered: Entered) -> None:
        """Nothing that was known of the browser before names it any more (session fixation); the
        session that it had ends."""
        before = self.signed_in
        if before is not None and before.account_id != entered.signed_in.account_id:
            await self.sign_out()
        elif before is not None:  # still the same person: what was allowed stays so
            await sign_out(self.pages.accounts.dispatcher, self.context, before)
        self.signed_in = entered.signed_in
        self.put(SESSION, entered.cookie)
        self.put(DEVICE, entered.device_cookie)
        self.drop(BEFORE)
        self.drop(PENDING)

    async def sign_out(self) -> None:
        """With what was only allowed while this sign-in lasts."""
        await sign_out(self.pages.accounts.dispatcher, self.context, self.me)
        await self.end_grants([self.me.session_id])

    async def end_grants(
        self, session_ids: Collection[str] | None = None, *, but: str | None = None
    ) -> None:
        """That hang on these sign-ins of the person, which have just ended; None: on all."""
        await revoke_with_sessions(
            self.pages.oauth, self.context, self.me.account_id, session_ids, but=but
        )

    def knows_device(self, value: str) -> None:
        self.put(DEVICE, value)

    def _binding(self) -> str | None:
        """Whom forms are made for: the session, or else the browser as it is before one."""
        if self.signed_in and not self.anonymous:
            return f"session:{self.signed_in.session_id}"
        return f"before:{self._before}" if self._before else None

    def csrf(self, action: str) -> str:
        binding = self._binding()
        if action == "/signout" and self.signed_in:
            binding = f"session:{self.signed_in.session_id}"
        if binding is None:
            self._before = new_value()
            self.put(BEFORE, self._before)
            binding = f"before:{self._before}"
        return self.pages.tokens.make(binding, action, self.now)

    # --- answers ---------------------------------------------------------------------------------

    def page(
        self,
        template: str,
        *,
        status: int = 200,
        pictures: bool = False,
        script: bool = False,
        errors: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """``errors``: what is wrong by field, the empty name for the whole; then the status says
        so too."""
        done = words.DONE.get(self.request.query_params.get("done", ""))
        known = {
            "csrf": self.csrf,
            "signed_in": self.signed_in is not None,
            "here": self.request.url.path,
            "places": self.pages.places,
            "now": self.now,
            "script": script,
            "errors": errors or {},
            "done": None if errors else done,
            "return_to": self.return_to,
            "with_return": self._with_return,
        }
        if errors and status == 200:
            status = 422
        answer = self.pages.renderer.page(
            template, {**known, **values}, status=status, pictures=pictures
        )
        return self.finish(answer)

    def see_other(self, path: str, **query: str) -> Response:
        """To a page of ours, after a form (RFC 9110 section 15.4.4)."""
        target = f"{path}?{urlencode(query)}" if query else path
        return self.finish(self.pages.redirect(target))

    def go_on(self, path: str | None, *, default: str = "/account") -> Response:
        """Where the person was going. A way that may end at another origin begins with a page: the
        policy of the form's page would hold for each redirect of it."""
        target = local_path(path, default=default)
        if target.startswith(RESTARTS):
            return self.onward(target, "One moment", "You are being taken on.")
        return self.see_other(target)

    def onward(self, address: str, heading: str, text: str) -> Response:
        """A page that leads to ``address`` by itself, which was looked at before."""
        return self.page("onward.html", address=address, heading=heading, text=text)

    def to_sign_in(self, page: str = "/signin") -> Response:
        """A form is not sent again for them: after it they come to its page, where it has one."""
        path = self.request.url.path
        if self.request.method == "POST":
            path = self.field("return_to") or self.pages.page_of(path)
        elif self.request.url.query:
            path += f"?{quote(self.request.url.query, safe=SAFE)}"
        return self.see_other(page, return_to=local_path(path))

    def finish(self, answer: Response) -> Response:
        for cookie, value in self._put.items():
            if value is None:
                self.pages.cookies.drop(answer, cookie)
            else:
                self.pages.cookies.put(answer, cookie, value)
        return answer

    def _with_return(self, path: str) -> str:
        return f"{path}?{urlencode({'return_to': self.return_to})}" if self.return_to else path


def _country(said: str | None) -> str | None:
    """ISO 3166-1, as CloudFront says it; None without it in front."""
    return said if said and len(said) == 2 and said.isalpha() and said.isascii() else None
