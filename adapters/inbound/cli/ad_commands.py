"""``homecast broker``, ``creative`` and ``block``: ads, by the HTTP API."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.text import Text

from adapters.inbound.cli.client import ApiClient, Json
from adapters.inbound.cli.connection import find_connection
from adapters.inbound.cli.options import AsJson, output_of
from adapters.inbound.cli.render import Output, plain

brokers = typer.Typer(no_args_is_help=True, help="Ad brokers, and keys for their ad requests.")
keys = typer.Typer(no_args_is_help=True, help="Publishable keys for a broker's ad requests.")
creatives = typer.Typer(no_args_is_help=True, help="Films of ads, and their way to be ready.")
blocks = typer.Typer(no_args_is_help=True, help="What must not be shown.")
brokers.add_typer(keys, name="key")

Broker = Annotated[str, typer.Argument(metavar="BROKER")]
Creative = Annotated[str, typer.Argument(metavar="CREATIVE", help="Its id")]
Kind = Annotated[
    str, typer.Argument(metavar="KIND", help="creative, address, advertiser or category")
]
STYLES = {
    "COMPLETE": "green",
    "LINKED": "green",
    "FAILED": "red",
    "QUARANTINED": "red",
    "CANCELED": "yellow",
    "RETIRED": "dim",
}


def register(app: typer.Typer) -> None:
    app.add_typer(brokers, name="broker")
    app.add_typer(creatives, name="creative")
    app.add_typer(blocks, name="block")


def ask(method: str, path: str, **options: Any) -> Json:
    with ApiClient(find_connection()) as api:
        return api.ask(method, path, **options)


# --- brokers --------------------------------------------------------------------------------------


@brokers.command("list")
def list_brokers(context: typer.Context, as_json: AsJson = False) -> None:
    """List brokers with how they have been in the last hour."""
    found = ask("GET", "/v1/brokers")["items"]
    output = output_of(context)
    output.show(found, lambda: broker_lines(output, found))


@brokers.command("show")
def show_broker(context: typer.Context, broker: Broker, as_json: AsJson = False) -> None:
    """Show a broker's configuration."""
    found = ask("GET", f"/v1/brokers/{broker}")
    output = output_of(context)
    output.show(found, lambda: output.line(plain(orjson.dumps(found["config"], option=2).decode())))


@brokers.command("set")
def set_broker(
    context: typer.Context,
    broker: Broker,
    url: Annotated[str, typer.Option(help="With IAB macros, as [CACHEBUSTING]")] = "",
    format: Annotated[str, typer.Option(help="vast or vmap")] = "vast",  # noqa: A002 the option's name
    slate: Annotated[
        str, typer.Option(help="Address of a film for breaks with nothing ready")
    ] = "",
    time_limit: Annotated[int, typer.Option(help="Milliseconds for each document")] = 3000,
    cpm: Annotated[str, typer.Option(help="Price of ads that tell none, as 8.50")] = "",
    currency: Annotated[str, typer.Option(help="Of the price")] = "EUR",
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The whole as JSON instead")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a broker, or configure it anew as a whole."""
    if file is not None:
        config = orjson.loads(file.read_bytes())
    else:
        config = {"url": url, "format": format, "time_limit_ms": time_limit}
        config |= {"slate": slate} if slate else {}
        price = {"match": "any", "cpm": cpm, "currency": currency}
        config |= {"prices": [price]} if cpm else {}
    found = ask("PUT", f"/v1/brokers/{broker}", json=config)
    output = output_of(context)
    output.show(found, lambda: output.line(f"{broker} is configured (version {found['version']})."))


@brokers.command("retire")
def retire_broker(context: typer.Context, broker: Broker, as_json: AsJson = False) -> None:
    """Let a broker answer no ad requests any more."""
    ask("DELETE", f"/v1/brokers/{broker}")
    output = output_of(context)
    output.show({"name": broker}, lambda: output.line(f"{broker} is retired."))


def broker_lines(output: Output, found: Iterable[Json]) -> None:
    for one in found:
        health = one["health"] or {"status": "idle", "requests": 0, "p95_ms": None}
        words = f"{health['requests']} requests in 5 min, p95 {health['p95_ms'] or '–'} ms"
        status = Text(one["status"], STYLES.get(one["status"], "green"))
        output.line(Text(one["name"], "bold"), "", status, "", health["status"], "", words)
        output.line(Text(plain(f"  {one['config']['url']}"), "dim"))


# --- keys -----------------------------------------------------------------------------------------


@keys.command("create")
def create_key(
    context: typer.Context,
    broker: Broker,
    label: Annotated[str, typer.Option(help="What it is for")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once, alone on standard output."""
    made = ask("POST", f"/v1/brokers/{broker}/keys", json={"label": label})
    output = output_of(context)
    if as_json:
        output.json(made)
    else:
        output.note(f"Key {made['id']} for ad requests of {broker}; shown only once:")
        typer.echo(made["key"])


@keys.command("list")
def list_keys(context: typer.Context, broker: Broker, as_json: AsJson = False) -> None:
    """List a broker's keys by id; the keys themselves are not kept."""
    found = ask("GET", f"/v1/brokers/{broker}/keys")["items"]
    output = output_of(context)

    def lines() -> None:
        for one in found:
            output.line(Text(one["id"], "bold"), "", one["created_at"], "", plain(one["label"]))

    output.show(found, lines)


@keys.command("revoke")
def revoke_key(context: typer.Context, broker: Broker, key: str, as_json: AsJson = False) -> None:
    """Revoke a key by its id; ad requests with it are refused within 30 s."""
    ask("DELETE", f"/v1/brokers/{broker}/keys/{key}")
    output = output_of(context)
    output.show({"id": key}, lambda: output.line(f"{key} is revoked."))


# --- creatives ------------------------------------------------------------------------------------


@creatives.command("list")
def list_creatives(
    context: typer.Context,
    status: Annotated[str, typer.Option(help="As COMPLETE or QUARANTINED; else all")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100)] = 50,
    as_json: AsJson = False,
) -> None:
    """List films of ads, newest change first."""
    asked = {"limit": str(limit)} | ({"status": status} if status else {})
    found = ask("GET", "/v1/creatives", params=asked)["items"]
    output = output_of(context)
    output.show(found, lambda: creative_lines(output, found))


@creatives.command("show")
def show_creative(context: typer.Context, creative: Creative, as_json: AsJson = False) -> None:
    """Show a film: what it is, what came of it, and what happened to it."""
    found = ask("GET", f"/v1/creatives/{creative}")
    output = output_of(context)

    def lines() -> None:
        creative_lines(output, [found])
        for name in ("media_url", "content", "linked_to", "reason", "detail"):
            if found[name]:
                output.line(plain(f"  {name}: {found[name]}"))
        for name in ("hls_url", "dash_url", "preview_url"):
            if found["rendition"]:
                output.line(plain(f"  {name}: {found['rendition'][name]}"))
        for one in found["history"]:
            output.line(Text(plain(f"  {one['at']} {one['event']}"), "dim"))

    output.show(found, lines)


@creatives.command("ingest")
def ingest(
    context: typer.Context,
    urls: Annotated[list[str], typer.Argument(metavar="URL…")],
    as_json: AsJson = False,
) -> None:
    """Make films ready before an ad request asks for them."""
    found = ask("POST", "/v1/creatives", json={"items": [{"media_url": one} for one in urls]})
    output = output_of(context)
    output.show(found["items"], lambda: creative_lines(output, found["items"]))


def act(context: typer.Context, creative: str, what: str, body: Json | None = None) -> None:
    found = ask("POST", f"/v1/creatives/{creative}/{what}", json=body or {})
    output = output_of(context)
    output.show(found, lambda: creative_lines(output, [found]))


@creatives.command("retry")
def retry(context: typer.Context, creative: Creative, as_json: AsJson = False) -> None:
    """Try again what failed or was canceled, or render by today's ladder what is complete."""
    act(context, creative, "retry")


@creatives.command("cancel")
def cancel(context: typer.Context, creative: Creative, as_json: AsJson = False) -> None:
    """End the job that is under way."""
    act(context, creative, "cancel")


@creatives.command("quarantine")
def quarantine(
    context: typer.Context,
    creative: Creative,
    reason: Annotated[str, typer.Option(help="Why, for others")],
    as_json: AsJson = False,
) -> None:
    """Show a film no more; every process heeds it within 5 s."""
    act(context, creative, "quarantine", {"reason": reason})


@creatives.command("release")
def release(context: typer.Context, creative: Creative, as_json: AsJson = False) -> None:
    """Take a film out of quarantine."""
    act(context, creative, "release")


def creative_lines(output: Output, found: Iterable[Json]) -> None:
    for one in found:
        status = Text(one["status"], STYLES.get(one["status"], "cyan"))
        told = one["progress"]
        how_far = f"{told['stage'].lower()} {told['percent']} %" if told else ""
        words = one["error_words"] or how_far
        title = one["ad"]["title"] or one["media_url"]
        output.line(Text(one["id"], "bold"), "", status, "", plain(title), "", plain(words))


# --- blocklist ------------------------------------------------------------------------------------


@blocks.command("list")
def list_blocks(context: typer.Context, as_json: AsJson = False) -> None:
    """List what must not be shown."""
    show_blocks(context, ask("GET", "/v1/blocklist"))


@blocks.command("add")
def add_block(
    context: typer.Context,
    kind: Kind,
    value: str,
    reason: Annotated[str, typer.Option(help="Why, for others")] = "",
    as_json: AsJson = False,
) -> None:
    """Block a creative, an address's beginning, an advertiser or a category."""
    entry = {"kind": kind, "value": value}
    show_blocks(context, ask("POST", "/v1/blocklist", json={"entry": entry, "reason": reason}))


@blocks.command("remove")
def remove_block(context: typer.Context, kind: Kind, value: str, as_json: AsJson = False) -> None:
    """Take an entry off the list."""
    entry = {"kind": kind, "value": value}
    show_blocks(context, ask("DELETE", "/v1/blocklist", json={"entry": entry}))


def show_blocks(context: typer.Context, found: Json) -> None:
    output = output_of(context)

    def lines() -> None:
        for one in found["entries"]:
            output.line(Text(one["kind"], "bold"), "", plain(one["value"]))
        if not found["entries"]:
            output.line("Nothing is blocked.")

    output.show(found["entries"], lines)
