"""The pages of accounts, for the API's process."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.bootstrap.accounts import Accounts
from adapters.inbound.http.accounts.parts import AccountPages, Letter
from commands.accounts.oauth.parts import OAuth
from commands.accounts.ports import Section


class LocalOutbox:
    """The mails of this machine."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def newest(self) -> Sequence[Letter]:
        return await self._accounts.recent_mails()


def account_pages(
    accounts: Accounts, oauth: OAuth, *, sections: Sequence[Section] = ()
) -> AccountPages:
    """Blocks for some milliseconds: it compiles the templates. ``sections``: what a download of
    one's data holds beside account and sessions. With SES there is no outbox to be shown."""
    outbox = LocalOutbox(accounts) if accounts.mail_folder is not None else None
    return AccountPages(
        accounts.parts, oauth, tracer=accounts.tracer, outbox=outbox, sections=sections
    )
