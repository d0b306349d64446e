"""Engines for all integration tests; a stack of its own for each that asks."""

from tests.support.platform import shared_engines, stack_environment

__all__ = ["shared_engines", "stack_environment"]
