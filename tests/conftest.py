"""Fixtures for every test folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.support.platform import shared_engines, stack_environment

__all__ = ["shared_engines", "stack_environment"]


@pytest.fixture(scope="session", autouse=True)
def no_socket_left_open_by_the_xray_sdk() -> Iterator[None]:
    """Importing it opens one for a recorder of its own, and never closes it."""
    yield
    sdk = sys.modules.get("aws_xray_sdk.core")
    if sdk is not None:
        sdk.xray_recorder.emitter._socket.close()
