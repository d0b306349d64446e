"""Progress for people: a spinner while a step lasts, then a tick and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Steps:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        since = time.monotonic()
        try:
            with self.console.status(f"{what} …"):
                yield
        except BaseException:
            self.console.print(f"[red]✗[/] {what}", markup=True)
            raise
        took = f"{time.monotonic() - since:.1f} s"
        self.console.print(f"[green]✓[/] {what} [dim]{took}[/]", markup=True)

    def warn(self, text: str) -> None:
        self.console.print(f"! {text}", style="yellow", markup=False, soft_wrap=True)

    def fail(self, text: str) -> None:
        self.console.print(text, style="red", markup=False, soft_wrap=True)

    def plain(self, text: str = "") -> None:
        """As it is, in one piece: to be copied and pasted."""
        self.console.print(text, markup=False, soft_wrap=True)
