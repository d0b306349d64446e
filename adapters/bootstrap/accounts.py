"""Accounts and single sign-on: what the API's process needs beside what it has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from adapters.bootstrap.process import aws
from adapters.outbound.keys.key_ring import derived_ring, parsed_ring
from adapters.outbound.mail.local import LocalMailer, recent
from adapters.outbound.system.clock import SystemClock, Ulids
from adapters.settings import Settings
from commands.accounts.keys import KEY_BYTES, AccountKeys
from domain.kernel.errors import HomecastError

if TYPE_CHECKING:
    from adapters.bootstrap.core import Core, WriteSide
    from adapters.bootstrap.http import Api
    from adapters.outbound.dynamodb.vault import DynamoDbVault
    from adapters.outbound.keys.dynamodb_keyring import DynamoDbKeyring
    from adapters.outbound.redis import Link
    from adapters.outbound.redis.counters import RedisCounters
    from commands.accounts.parts import Parts
    from commands.accounts.ports import Letter, Mailer, Passwords
    from commands.accounts.token_family import TokenKeys
    from commands.kernel.ports import Tracer

PURPOSE = "homecast accounts"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
log = structlog.get_logger("homecast.accounts")


def account_keys(settings: Settings) -> AccountKeys:
    """Blocks. Raises ``ValueError`` when there is neither a ring nor a key file."""
    given = settings.account_keys.get_secret_value()
    if given:
        return AccountKeys(parsed_ring(given))
    if settings.key_file is None:
        raise ValueError("accounts need HOMECAST_ACCOUNT_KEYS, or HOMECAST_KEY_FILE without AWS")
    return AccountKeys(derived_ring(settings.key_file, purpose=PURPOSE, size=KEY_BYTES))


@dataclass(frozen=True)
class Accounts:
    """``parts``: what the commands take. ``mail_folder``: the outbox of this machine that a person
    may read; None where mail goes by SES."""

    settings: Settings
    clock: SystemClock
    ids: Ulids
    vault: DynamoDbVault
    tracer: Tracer
    counters: RedisCounters
    link: Link
    accounts: WriteSide
    keyring: DynamoDbKeyring
    keys: AccountKeys
    passwords: Passwords
    parts: Parts
    mail_folder: Path | None

    @property
    def token_keys(self) -> TokenKeys:
        return self.keys.refresh_tokens

    async def recent_mails(self, limit: int = 50) -> list[Letter]:
        """Newest first; none where mail goes by SES."""
        if self.mail_folder is None:
            return []
        return await asyncio.to_thread(recent, self.mail_folder, limit)


@asynccontextmanager
async def account_parts(
    settings: Settings, core: Core, counters: RedisCounters
) -> AsyncIterator[Parts]:
    """What the commands take. Raises ``ValueError`` without keys of accounts.

    Imported here is what no function has in its archive."""
    from adapters.outbound.keys.secrets import KeyringSeals
    from adapters.outbound.passwords.argon2 import Argon2Passwords
    from adapters.outbound.passwords.common import common_passwords
    from commands.accounts.attempts import Attempts
    from commands.accounts.parts import Later, Parts
    from commands.accounts.password_rules import PasswordRules

    require_mail_goes_out(settings)
    keys = await asyncio.to_thread(account_keys, settings)
    async with AsyncExitStack() as stack:
        passwords = await stack.enter_async_context(Argon2Passwords())
        parts = Parts(
            dispatcher=core.accounts.dispatcher,
            vault=core.vault,
            clock=core.clock,
            ids=core.ids,
            keys=keys,
            passwords=passwords,
            rules=PasswordRules(await asyncio.to_thread(common_passwords)),
            seals=KeyringSeals(core.keyring),
            attempts=Attempts(counters, keys, core.clock),
            public_url=settings.issuer,
            deletion_waits=timedelta(days=settings.deletion_days),
            later=Later(on_error=_left),
        )
        stack.push_async_callback(parts.later.settled)
        yield parts


@asynccontextmanager
async def accounts(settings: Settings, api: Api) -> AsyncIterator[Accounts]:
    async with account_parts(settings, api, api.counters) as parts:
        yield Accounts(
            settings=settings,
            clock=api.clock,
            ids=api.ids,
            vault=api.vault,
            tracer=api.tracer,
            counters=api.counters,
            link=api.link,
            accounts=api.accounts,
            keyring=api.keyring,
            keys=parts.keys,
            passwords=parts.passwords,
            parts=parts,
            mail_folder=settings.mail_folder if settings.mailer == "local" else None,
        )


def require_mail_goes_out(settings: Settings) -> None:
    """Raises ``ValueError`` where people elsewhere would wait for mails that stay here."""
    host = urlsplit(settings.issuer).hostname
    if settings.mailer == "local" and host not in LOOPBACK:
        raise ValueError(
            f"HOMECAST_MAILER=local keeps mails on this machine, but the pages are for {host}:"
            " set HOMECAST_MAILER=ses"
        )


def _left(error: HomecastError) -> None:
    log.warning("later_failed", code=error.code)


@asynccontextmanager
async def mailer_of(settings: Settings) -> AsyncIterator[Mailer]:
    if settings.mailer == "local":
        yield LocalMailer(settings.mail_folder, sender=settings.mail_from, clock=SystemClock())
        return
    from adapters.outbound.mail.ses import SesMailer

    connection = aws(settings)
    service: Any = "sesv2"
    client: Any
    async with connection.session.create_client(service, **connection.options()) as client:
        yield SesMailer(client, sender=settings.mail_from)
