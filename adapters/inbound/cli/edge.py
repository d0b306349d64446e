"""The outermost layer of the command line: what goes wrong is told in a line, not a traceback."""

from __future__ import annotations

import importlib
import os
from typing import Any

import httpx
import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from adapters.inbound.cli.connection import Trouble, trouble
from adapters.inbound.cli.render import Output
from domain.kernel.errors import HomecastError, Unavailable

ELSEWHERE = {
    "up": "Run the platform on this machine until Ctrl-C.",
    "deploy-local": "Deploy serverless.yml, functions and all, on this machine until Ctrl-C.",
    "doctor": "Check settings, AWS, Redis and the processes.",
    "forget": "Forget an account: its devices, tokens and personal data.",
}
"""Commands in modules of their own name, imported only to be run: they load the whole platform."""
DEBUG = "HOMECAST_DEBUG"


class Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return [*ELSEWHERE, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """For the list of commands: the name and what it is for."""
        if cmd_name in ELSEWHERE:
            return TyperCommand(cmd_name, help=ELSEWHERE[cmd_name])
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in ELSEWHERE:
            return args[0], load(args[0]), args[1:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        output = ctx.obj = Output()
        try:
            return super().invoke(ctx)
        except (TyperException, typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get(DEBUG):
                raise
            told = as_trouble(error)
            output.problem(told)
            raise typer.Exit(told.exit_code) from None


def load(name: str) -> TyperCommand:
    """A command of another module, with its own options."""
    attribute = name.replace("-", "_")
    module = importlib.import_module(f"adapters.inbound.cli.{attribute}")
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(module, attribute))
    command = typer.main.get_command(alone)
    assert isinstance(command, TyperCommand)
    return command


def as_trouble(error: Exception) -> Trouble:
    match error:
        case Trouble():
            return error
        case HomecastError():
            exit_code = 3 if isinstance(error, Unavailable) else 1
            told = trouble(error.code, error.detail or error.code, exit_code=exit_code)
            told.problem.update(retryable=error.retryable, **error.extra)
            return told
        case httpx.TransportError():
            why = str(error) or type(error).__name__
            return trouble("unreachable", f"cannot reach the platform: {why}", exit_code=3)
        case _:
            text = f"unexpected {type(error).__name__}: {error}"
            return trouble("unexpected", text, hint=f"{DEBUG}=1 shows where it came from.")
