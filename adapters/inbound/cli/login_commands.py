"""``homecast login``, ``logout`` and ``whoami``."""

from __future__ import annotations

import io
import time
from contextlib import suppress
from typing import Annotated

import typer

from adapters.inbound.cli import connection
from adapters.inbound.cli.client import ApiClient, Json
from adapters.inbound.cli.connection import Trouble, find_connection
from adapters.inbound.cli.device_grant import AuthorizationServer, Begun, require_safe
from adapters.inbound.cli.logins import Login, Logins, login_of
from adapters.inbound.cli.options import AsJson, output_of
from adapters.inbound.cli.render import Output, plain

ApiUrl = Annotated[str | None, typer.Option(help="Else HOMECAST_API_URL, else the local platform")]


def register(app: typer.Typer) -> None:
    for command in (login, logout, whoami):
        app.command()(command)


def login(
    context: typer.Context,
    api_url: ApiUrl = None,
    scope: Annotated[list[str] | None, typer.Option(help="Else all that there are")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign in with a browser, here or on a phone: it shows a code to be entered there."""
    output, url, logins = output_of(context), chosen(api_url), Logins()
    with AuthorizationServer(url) as server:
        begun = server.begin(scope or ())
        invite(output, begun)
        tokens = server.wait(begun)
        with logins.locked(url, sleep=time.sleep):
            before = logins.find(url)
            logins.save(login_of(url, tokens, time.time()))
        if before is not None:
            with suppress(Trouble):  # it ends by itself, some day
                server.revoke(before.refresh_token or before.access_token)
    done = {"api_url": url, "scopes": sorted(tokens.scope.split())}
    output.show(done, lambda: output.line(plain(f"Logged in at {url}.")))


def invite(output: Output, begun: Begun) -> None:
    """On standard error: standard output is for the result. Nothing is opened by itself."""
    complete = begun.verification_uri_complete
    output.err.print(plain(f"Open {begun.verification_uri} and enter"), soft_wrap=True)
    output.err.print(f"\n    {plain(begun.user_code)}\n", style="bold", soft_wrap=True)
    if complete and output.err.is_terminal:
        output.err.print("or scan this with a phone:")
        output.err.file.write(scannable(complete))
    output.note(f"Waiting for {begun.expires_in / 60:.0f} minutes at most; Ctrl-C stops it.")


def scannable(text: str) -> str:
    """A QR code for a terminal."""
    import segno

    code = io.StringIO()
    segno.make(text, micro=False).terminal(out=code, compact=True)
    return code.getvalue()


def logout(
    context: typer.Context,
    api_url: ApiUrl = None,
    force: Annotated[
        bool, typer.Option("--force", help="Forget it here though the platform cannot be told")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """End the login of this machine, there and here."""
    output, url, logins = output_of(context), chosen(api_url), Logins()
    with logins.locked(url, sleep=time.sleep):
        held = logins.find(url)
        if held is not None:
            end(held, force=force)
            logins.remove(url)
    done = {"api_url": url, "was_logged_in": held is not None}
    said = "Logged out" if held is not None else "There is no login"
    output.show(done, lambda: output.line(plain(f"{said} at {url}.")))


def end(held: Login, *, force: bool) -> None:
    try:
        with AuthorizationServer(held.api_url) as server:
            server.revoke(held.refresh_token or held.access_token)
    except Trouble as error:
        if not force:
            error.hint = "The login is kept. --force forgets it here all the same."
            raise


def whoami(context: typer.Context, as_json: AsJson = False) -> None:
    """Say who asks, where, and what is allowed."""
    output, found = output_of(context), find_connection()
    with ApiClient(found) as api:
        told: Json = {"api_url": found.api_url, **api.ask("GET", "/v1/token")}
        if "email" in told["scopes"]:
            with suppress(Trouble):
                told["email"] = api.ask("GET", "/oauth2/userinfo").get("email")
    output.show(told, lambda: describe(output, told))


def describe(output: Output, told: Json) -> None:
    who = told.get("email") or told["account_id"] or "no account"
    by = f"client {told['client_id']}" if told["client_id"] else "a personal access token"
    output.line(plain(f"{who} at {told['api_url']}, by {by} ({told['id']})"))
    output.line(plain(f"May: {', '.join(told['scopes'])}"))
    if told["expires_at"]:
        output.line(plain(f"This access token holds until {told['expires_at']}."))


def chosen(api_url: str | None) -> str:
    return require_safe(api_url or connection.api_url())
