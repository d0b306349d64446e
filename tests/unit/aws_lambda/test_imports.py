"""What the handlers import: no more than the archive holds, and nothing without use."""

from __future__ import annotations

import pytest

from tests.support.archive import absent, run

LATER = (
    "adapters.faststream_aws",
    "adapters.inbound.http.proof",
    "adapters.inbound.workers.projector",
    "adapters.outbound.keys.kms",
    "adapters.outbound.messaging.dead_letters",
)
"""What functions import when they are opened, or asked for it."""
PROGRAM = """
for name in sys.argv[2:]:
    __import__(name)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def imported(*names: str) -> set[str]:
    """Top-level modules in a process that has imported these and nothing else."""
    return set(run(PROGRAM, *names).split())


@pytest.mark.parametrize("handler", ["api", "relay", "projector"])
def test_a_handler_finds_all_that_it_imports_in_the_archive(handler: str) -> None:
    assert {"pytest", "ministack", "uvicorn", "rich"} <= absent()
    found = imported(f"adapters.inbound.aws_lambda.{handler}", *LATER)
    assert {"aiobotocore", "faststream", "joserfc"} <= found


def test_the_api_starts_without_the_parts_of_the_workers() -> None:
    """Each costs processor time at the start of every container: import them in the functions of
    ``adapters/bootstrap`` that need them."""
    assert not imported("adapters.inbound.aws_lambda.api") & {
        "faststream",
        "joserfc",
        "httpx",
        "aws_xray_sdk",
    }
