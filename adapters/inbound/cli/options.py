"""What several commands share: ``--json``, ``DEVICE`` and where the output goes."""

from __future__ import annotations

from typing import Annotated

import typer

from adapters.inbound.cli.render import Output


def switch_to_json(context: typer.Context, value: bool) -> bool:
    if value:
        context.find_root().obj.as_json = True
    return value


AsJson = Annotated[bool, typer.Option("--json", callback=switch_to_json, help="JSON for programs")]
DeviceName = Annotated[str, typer.Argument(metavar="DEVICE", help="Id, or name if only one has it")]
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="The command's number")]


def output_of(context: typer.Context) -> Output:
    output = context.find_root().obj
    assert isinstance(output, Output)
    return output
