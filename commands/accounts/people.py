"""What clients may be told of the owner of an account (port ``People`` of the authorization
server)."""

from __future__ import annotations

from commands.accounts.oauth.ports import Person
from commands.kernel.dispatch import Repository
from domain.accounts.account import ACCOUNT


class AccountHolders:
    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    async def find(self, account_id: str) -> Person | None:
        state = (await self._repository.load(ACCOUNT, account_id)).state
        return Person(email=state.email) if state.is_open else None
