"""What the handlers import: no more than the archive holds, and nothing without use."""

from __future__ import annotations

import pytest

from tests.support.archive import absent, run

PROGRAM = """
__import__(f"adapters.inbound.aws_lambda.{sys.argv[2]}")
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def imported(handler: str) -> set[str]:
    """Top-level modules in a process that has imported the handler alone."""
    return set(run(PROGRAM, handler).split())


@pytest.mark.parametrize("handler", ["api", "projector"])
def test_a_handler_finds_all_that_it_imports_in_the_archive(handler: str) -> None:
    assert {"pytest", "ministack", "uvicorn", "rich"} <= absent()
    assert "aiobotocore" in imported(handler)


def test_the_api_starts_without_the_parts_of_the_workers() -> None:
    """Each costs processor time at the start of every container: import them in the functions of
    ``adapters/bootstrap.py`` that need them."""
    assert not imported("api") & {"faststream", "joserfc", "httpx", "aws_xray_sdk"}
