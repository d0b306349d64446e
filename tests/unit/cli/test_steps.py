"""How a step is told, whatever the console makes of brackets otherwise."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from adapters.inbound.cli.steps import Steps


@pytest.mark.parametrize("markup", [True, False])
def test_a_step_ends_with_its_mark_and_its_time(markup: bool) -> None:
    said = StringIO()
    steps = Steps(Console(file=said, markup=markup))
    with steps.step("Tables"):
        pass
    with pytest.raises(ZeroDivisionError), steps.step("Queues"):
        raise ZeroDivisionError
    assert said.getvalue().splitlines() == ["✓ Tables 0.0 s", "✗ Queues"]
