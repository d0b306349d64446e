"""The clients that every platform has: its own command line, which signs in by the device grant,
and its own pages, which sign in at the issuer that serves them."""

from __future__ import annotations

from commands.accounts.oauth.clients import CLI, DASHBOARD, RegisterClient, register
from commands.accounts.oauth.profiles import Wishes, configured
from commands.accounts.oauth.scopes import (
    ACCOUNT_READ,
    EMAIL,
    OFFLINE,
    OPENID,
    PROFILE,
)
from commands.accounts.tokens import (
    COMMANDS_WRITE,
    DEVICES_READ,
    DEVICES_WRITE,
    HOMES_READ,
    HOMES_WRITE,
)
from commands.kernel.dispatch import Dispatcher, Unit
from commands.kernel.ports import Vault
from domain.accounts.client import CLIENT, ClientConfig, ClientStatus, Profile
from domain.kernel.errors import InvalidInput
from domain.kernel.recorded import Context

SCOPES = (
    OPENID, PROFILE, EMAIL, OFFLINE, DEVICES_READ, DEVICES_WRITE, COMMANDS_WRITE, HOMES_READ,
    HOMES_WRITE, ACCOUNT_READ,
)  # fmt: skip
DASHBOARD_SCOPES = (
    OPENID, EMAIL, OFFLINE, DEVICES_READ, DEVICES_WRITE, COMMANDS_WRITE, HOMES_READ, HOMES_WRITE,
)  # fmt: skip
PAGES = ("/", "/ads")
DASHBOARD_IDLE_DAYS = 7
"""A tab takes its tokens along when it is closed, so a grant that lies idle has no one any more."""


async def ensure_cli(dispatcher: Dispatcher, vault: Vault, context: Context) -> None:
    """At the start of a process. One that an operator changed or retired stays as it is."""
    config = configured(Wishes(Profile.DEVICE, "Homecast command line", scopes=SCOPES))
    message = RegisterClient(client_id=CLI, config=config)

    async def decide(unit: Unit) -> None:
        if (await unit.load(CLIENT, CLI)).status is None:
            await register(unit, vault, message)

    await dispatcher.execute(context, decide)


async def ensure_dashboard(
    dispatcher: Dispatcher, vault: Vault, context: Context, issuer: str
) -> None:
    """The same, but that its pages are where the issuer is, which may have moved. None where the
    issuer's address is not fit for codes: browsers have no cryptography there either."""
    try:
        wanted = dashboard_at(issuer)
    except InvalidInput:
        return

    async def decide(unit: Unit) -> None:
        state = await unit.load(CLIENT, DASHBOARD)
        if state.status == ClientStatus.RETIRED:
            return
        held = state.config or wanted
        uris = wanted.redirect_uris
        addresses = {"redirect_uris": uris, "post_logout_redirect_uris": uris}
        config = held if set(uris) <= set(held.redirect_uris) else held.model_copy(update=addresses)
        message = RegisterClient(client_id=DASHBOARD, config=config, replace=True)
        await register(unit, vault, message)

    await dispatcher.execute(context, decide)


def dashboard_at(issuer: str) -> ClientConfig:
    """Raises ``InvalidInput``."""
    pages = [issuer + path for path in PAGES]
    wishes = Wishes(
        Profile.OWN_APP,
        "Homecast dashboard",
        redirect_uris=pages,
        post_logout_redirect_uris=pages,
        scopes=DASHBOARD_SCOPES,
    )
    return configured(wishes).model_copy(update={"idle_days": DASHBOARD_IDLE_DAYS})
