"""What the API says of its read models."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from commands.accounts.tokens import OPERATE
from projections.kernel.slots import ModelState, Slot
from projections.kernel.status import lag_bound
from tests.unit.http.world import World

NOW = datetime(2026, 11, 1, tzinfo=UTC)


async def asked(world: World, path: str, *scopes: str) -> httpx.Response:
    token = await world.token(scopes=scopes) if scopes else await world.token()
    async with world.app() as app:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers={"Authorization": f"Bearer {token}"})


async def test_a_list_says_which_version_of_what_it_was_read_from_and_how_old() -> None:
    answer = await asked(World(), "/v1/devices")
    assert answer.headers["Read-Model"] == "devices;version=1;lag=1.000"


async def test_operators_see_all_read_models_and_others_none() -> None:
    answer = await asked(World(), "/v1/operations/read-models", OPERATE)
    assert [one["model"] for one in answer.json()["items"]] == ["devices", "remote_commands"]
    assert answer.json()["items"][0]["live"] == "green"
    assert (await asked(World(), "/v1/operations/read-models")).status_code == 403


@pytest.mark.parametrize(
    ("waiting", "applied", "caught_up", "relayed", "expected"),
    [
        (0, None, None, None, 0.0),
        (0, 60, None, None, 0.0),
        (5, 60, None, None, 60.0),
        (5, 60, 4, None, 4.0),
        (5, 2, 4, None, 2.0),
        (5, None, None, None, None),
        (0, 2, None, 90, 90.0),
        (5, 2, 4, 90, 90.0),
    ],
)
def test_the_lag_is_bounded_by_what_is_known(
    waiting: int,
    applied: int | None,
    caught_up: int | None,
    relayed: int | None,
    expected: float | None,
) -> None:
    """Each time is given as seconds ago."""

    def ago(seconds: int | None) -> datetime | None:
        return None if seconds is None else NOW - timedelta(seconds=seconds)

    at = ago(applied)
    state = ModelState(model="devices", applied={Slot.BLUE: at} if at else {})
    lag = lag_bound(
        state, waiting=waiting, relayed_up_to=ago(relayed), now=NOW, caught_up=ago(caught_up)
    )
    assert lag == expected
