"""Fixtures for every test folder."""

from tests.support.platform import shared_engines, stack_environment

__all__ = ["shared_engines", "stack_environment"]
