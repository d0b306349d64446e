"""``homecast client``: OAuth clients and the keys that sign ID tokens, straight in the stores."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer
from rich.text import Text

from adapters.inbound.cli.client import Json
from adapters.inbound.cli.options import AsJson, output_of
from adapters.inbound.cli.render import plain
from adapters.inbound.cli.token_commands import with_vault

ClientId = Annotated[str, typer.Argument(metavar="CLIENT", help="Its id")]

clients = typer.Typer(no_args_is_help=True, help="OAuth clients: apps and linked services.")


@clients.command("add")
def add_client(
    context: typer.Context,
    profile: Annotated[str, typer.Option(help="alexa, google, own-app, web, service or device")],
    client_id: Annotated[str | None, typer.Option("--id", help="Else the profile's name")] = None,
    name: Annotated[str, typer.Option(help="As people see it; else the id")] = "",
    redirect_uri: Annotated[list[str] | None, typer.Option(help="Exactly as it will be")] = None,
    logout_uri: Annotated[list[str] | None, typer.Option(help="Where a sign-out may end")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="Else those of the profile")] = None,
    vendor: Annotated[str, typer.Option(help="Alexa: the id in the skill's redirect URIs")] = "",
    project: Annotated[str, typer.Option(help="Google: the project's id")] = "",
    first_party: Annotated[
        bool | None, typer.Option("--first-party/--third-party", help="Else as the profile says")
    ] = None,
    introspect: Annotated[bool, typer.Option(help="It may look at all tokens")] = False,
    replace: Annotated[bool, typer.Option(help="Configure anew what is there")] = False,
    as_json: AsJson = False,
) -> None:
    """Register a client. Its secret, if it has one, is shown once, alone on standard output."""
    from commands.accounts.oauth import clients as commands
    from commands.accounts.oauth.profiles import Wishes, configured
    from domain.accounts.client import Profile

    try:
        known = Profile(profile)
    except ValueError as error:
        raise typer.BadParameter(", ".join(Profile), param_hint="--profile") from error
    chosen = client_id or profile
    config = configured(
        Wishes(
            profile=known,
            name=name or chosen,
            redirect_uris=redirect_uri or (),
            post_logout_redirect_uris=logout_uri or (),
            scopes=scope or (),
            vendor=vendor,
            project=project,
            first_party=first_party,
            introspect=introspect,
        )
    )
    message = commands.RegisterClient(client_id=chosen, config=config, replace=replace)

    async def work(parts: Any) -> str | None:
        async def decide(unit: Any) -> Any:
            return await commands.register(unit, parts.vault, message)

        state, _ = await parts.accounts.dispatcher.execute(by_operator(parts), decide)
        needs_secret = not config.public and not state.secret_ids
        return await _new_secret(parts, chosen) if needs_secret else None

    _show_secret(context, chosen, with_vault(work), as_json=as_json)


@clients.command("list")
def list_clients(context: typer.Context, as_json: AsJson = False) -> None:
    """List clients; their secrets are not kept."""
    from commands.accounts.oauth import clients as commands

    found = with_vault(lambda parts: commands.list_clients(parts.accounts.repository, parts.vault))
    rows = [client_json(*one) for one in found]
    output = output_of(context)

    def lines() -> None:
        for one in rows:
            output.line(Text(one["id"], "bold"), "", one["profile"], "", plain(one["name"]))
        if not rows:
            output.line("No clients.")

    output.show(rows, lines)


@clients.command("show")
def show_client(context: typer.Context, client: ClientId, as_json: AsJson = False) -> None:
    """Show how a client is configured, and the ids of its secrets."""
    from domain.accounts.client import CLIENT, require_active

    async def load(parts: Any) -> Json:
        state = (await parts.accounts.repository.load(CLIENT, client)).state
        return client_json(client, require_active(state), state.secret_ids)

    found = with_vault(load)
    output = output_of(context)

    def lines() -> None:
        for name, value in found.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            output.line(Text(f"{name}:", "dim"), plain(str(shown)))

    output.show(found, lines)


@clients.command("rotate-secret")
def rotate_secret(context: typer.Context, client: ClientId, as_json: AsJson = False) -> None:
    """Give a client a new secret, shown once; the one before does until the next rotation."""
    secret = with_vault(lambda parts: _new_secret(parts, client))
    _show_secret(context, client, secret, as_json=as_json)


@clients.command("retire")
def retire_client(context: typer.Context, client: ClientId, as_json: AsJson = False) -> None:
    """Give a client no tokens any more; the last of those that it has ends within an hour."""
    from commands.accounts.oauth import clients as commands

    message = commands.RetireClient(client_id=client)

    async def work(parts: Any) -> None:
        async def decide(unit: Any) -> None:
            await commands.retire(unit, message)

        await parts.accounts.dispatcher.execute(by_operator(parts), decide)

    with_vault(work)
    output = output_of(context)
    output.show({"id": client}, lambda: output.line(f"{client} is retired."))


@clients.command("rotate-signing-key")
def rotate_signing_key(
    context: typer.Context,
    withdraw: Annotated[
        bool, typer.Option(help="The current key became known: nobody may believe it any more")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Sign ID tokens by the next key from now on. Processes follow within a minute."""

    async def work(parts: Any) -> Any:
        from adapters.bootstrap.operators import signing_keys

        async with signing_keys(parts) as keys:
            return await keys.rotate(withdraw=withdraw)

    ring = with_vault(work)
    rows = [
        {"kid": one.kid, "state": one.state.value, "since": one.since.isoformat()}
        for one in ring.keys
    ]
    output = output_of(context)

    def lines() -> None:
        for one in rows:
            output.line(Text(one["kid"], "bold"), "", one["state"], "", one["since"])

    output.show(rows, lines)


async def _new_secret(parts: Any, client_id: str) -> str:
    from commands.accounts.oauth import clients as commands

    secret = commands.new_secret()
    message = commands.IssueSecret(client_id=client_id, secret_id=parts.ids.new(), secret=secret)

    async def decide(unit: Any) -> None:
        await commands.issue_secret(unit, parts.vault, message)

    await parts.accounts.dispatcher.execute(by_operator(parts), decide)
    return secret


def _show_secret(
    context: typer.Context, client_id: str, secret: str | None, *, as_json: bool
) -> None:
    output = output_of(context)
    if as_json:
        output.json({"client_id": client_id, "client_secret": secret})
    elif secret is None:
        output.line(f"{client_id} is configured.")
    else:
        output.note(f"Secret of client {client_id}; shown only once:")
        typer.echo(secret)


def by_operator(parts: Any) -> Any:
    from domain.kernel.recorded import Context

    run = parts.ids.new()
    return Context(correlation_id=run, causation_id=run, principal=f"cli:{getpass.getuser()}")


def client_json(client_id: str, config: Any, secret_ids: Any) -> Json:
    return {"id": client_id, **config.model_dump(mode="json"), "secret_ids": list(secret_ids)}
