"""The client that every platform has: its own command line, which signs in by the device grant."""

from __future__ import annotations

from commands.accounts.oauth.clients import CLI, RegisterClient, register
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
from domain.accounts.client import CLIENT, Profile
from domain.kernel.recorded import Context

SCOPES = (
    OPENID, PROFILE, EMAIL, OFFLINE, DEVICES_READ, DEVICES_WRITE, COMMANDS_WRITE, HOMES_READ,
    HOMES_WRITE, ACCOUNT_READ,
)  # fmt: skip


async def ensure_cli(dispatcher: Dispatcher, vault: Vault, context: Context) -> None:
    """At the start of a process. One that an operator changed or retired stays as it is."""
    config = configured(Wishes(Profile.DEVICE, "Homecast command line", scopes=SCOPES))
    message = RegisterClient(client_id=CLI, config=config)

    async def decide(unit: Unit) -> None:
        if (await unit.load(CLIENT, CLI)).status is None:
            await register(unit, vault, message)

    await dispatcher.execute(context, decide)
