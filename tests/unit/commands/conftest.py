import pytest

from commands.kernel import dispatch


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deciding again at once: the races here are made, not waited for."""
    monkeypatch.setattr(dispatch, "FIRST_PAUSE", 0)
