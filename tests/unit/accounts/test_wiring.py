"""What a process of accounts refuses to start with, and what it hears of work in the background."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.bootstrap.accounts import require_mail_goes_out
from adapters.settings import Settings
from commands.accounts.parts import Later
from domain.kernel.errors import Busy, HomecastError


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080"])
def test_mail_stays_on_one_machine_where_the_pages_do(url: str) -> None:
    require_mail_goes_out(Settings(public_url=url))


def test_pages_for_others_need_mail_that_goes_out() -> None:
    elsewhere: dict[str, Any] = {"public_url": "https://home.example"}
    with pytest.raises(ValueError, match="HOMECAST_MAILER=ses"):
        require_mail_goes_out(Settings(**elsewhere))
    require_mail_goes_out(Settings(**elsewhere, mailer="ses"))


async def test_what_fails_later_is_told() -> None:
    told: list[HomecastError] = []
    later = Later(on_error=told.append)

    async def fail() -> None:
        raise Busy("too many")

    later.do(fail())
    await later.settled()
    assert [error.code for error in told] == [Busy.code]
