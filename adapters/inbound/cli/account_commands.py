"""``homecast account``: accounts of people, straight in the stores."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from adapters.inbound.cli import connection
from adapters.inbound.cli.client_commands import by_operator
from adapters.inbound.cli.options import AsJson, output_of
from adapters.settings import Settings

accounts = typer.Typer(no_args_is_help=True, help="Accounts of people.")


@accounts.command("create")
def create_account(
    context: typer.Context,
    email: Annotated[str, typer.Option(help="By which its owner signs in; no mail is sent")],
    account: Annotated[
        str | None, typer.Option(help="An id that has devices or tokens; else a new one")
    ] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="Make a password, rather than ask for it")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Open an account for somebody. A password that was made is shown once, alone on standard
    output; its owner changes it among the pages of the account."""
    from commands.accounts.opening import new_password

    settings = connection.operator_settings()
    password = new_password() if generate else asked()
    opened = asyncio.run(opened_by(settings, email=email, password=password, account_id=account))
    output = output_of(context)
    if as_json:
        made = {"password": password} if generate else {}
        output.json({"account_id": opened, "email": email, **made})
        return
    output.note(f"Account {opened} is open.")
    if generate:
        output.note("Its password; shown only once:")
        typer.echo(password)


def asked() -> str:
    """Never by an argument: a command line is there for all to read."""
    answer = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return str(answer)


async def opened_by(
    settings: Settings, *, email: str, password: str, account_id: str | None
) -> str:
    from adapters.bootstrap.operators import account_operator
    from commands.accounts.opening import open_account

    async with account_operator(settings) as parts:
        return await open_account(
            parts, by_operator(parts), email=email, password=password, account_id=account_id
        )
