"""``homecast token``: the access tokens of an account, straight in the vault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, TypeVar

import typer

from adapters.inbound.cli import connection
from adapters.inbound.cli.client import Json
from adapters.inbound.cli.options import AsJson, output_of

T = TypeVar("T")

tokens = typer.Typer(no_args_is_help=True, help="Access tokens of an account.")


@tokens.command("create")
def create_token(
    context: typer.Context,
    account: Annotated[str | None, typer.Option(help="Else the demo's, else a new one")] = None,
    label: Annotated[str, typer.Option(help="What it is for")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="Else all")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Else it holds until revoked")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. It is shown once, alone on standard output."""
    from commands.accounts.tokens import SCOPES, issue_token

    async def issue(parts: Any) -> Any:
        return await issue_token(
            parts.vault,
            clock=parts.clock,
            ids=parts.ids,
            account_id=account or demo_account() or parts.ids.new(),
            scopes=scope or SCOPES,
            label=label,
            expires_at=parts.clock.now() + timedelta(days=days) if days else None,
        )

    token, grant = with_vault(issue)
    output = output_of(context)
    if as_json:
        output.json({"token": token, **grant_json(grant)})
    else:
        output.note(f"Token {grant.token_id} for account {grant.account_id}; shown only once:")
        typer.echo(token)


@tokens.command("list")
def list_tokens(
    context: typer.Context,
    account: Annotated[str | None, typer.Option(help="Only those of this account")] = None,
    as_json: AsJson = False,
) -> None:
    """List tokens by id; the tokens themselves are not kept."""
    from commands.accounts import tokens as vault_tokens

    found = with_vault(lambda parts: vault_tokens.list_tokens(parts.vault, account_id=account))
    output = output_of(context)
    rows = [grant_json(one) for one in found]
    output.show(rows, lambda: output.tokens(rows))


@tokens.command("revoke")
def revoke_token(context: typer.Context, token_id: str, as_json: AsJson = False) -> None:
    """Make a token worthless, by its id: at once, or within 30 s where Redis is away."""
    from commands.accounts import tokens as vault_tokens

    grant = with_vault(
        lambda parts: vault_tokens.revoke_token(
            parts.vault, token_id, revocations=parts.revocations
        )
    )
    output = output_of(context)
    output.show(grant_json(grant), lambda: output.line(f"{grant.token_id} is revoked."))


def with_vault(work: Callable[[Any], Awaitable[T]]) -> T:
    """On a machine that may reach the tables: this one, or an operator's."""
    from adapters.bootstrap.operators import operator

    settings = connection.operator_settings()

    async def run() -> T:
        async with operator(settings) as parts:
            return await work(parts)

    return asyncio.run(run())


def demo_account() -> str | None:
    return connection.demo(connection.run_directory()).get("account_id")


def grant_json(grant: Any) -> Json:
    return {
        "token_id": grant.token_id,
        "account_id": grant.account_id,
        "scopes": sorted(grant.scopes),
        "label": grant.label,
        "created_at": grant.created_at.isoformat(),
        "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
    }
