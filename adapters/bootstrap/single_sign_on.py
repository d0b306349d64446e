"""Accounts, their pages and the authorization server, in the API's process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from fastapi import FastAPI

from adapters.bootstrap.accounts import Accounts, accounts
from adapters.bootstrap.core import key_wrapper
from adapters.bootstrap.http import Api
from adapters.bootstrap.oauth import oauth
from adapters.bootstrap.process import aws
from adapters.inbound.http.accounts.parts import AccountPages, Letter
from adapters.inbound.http.accounts.routes import mount as mount_pages
from adapters.inbound.http.accounts.sections import (
    DevicesSection,
    MembershipsSection,
    ServicesSection,
)
from adapters.inbound.http.container import DevicesQuery, MembershipsQuery
from adapters.inbound.http.oauth.parts import OAuthParts
from adapters.inbound.http.oauth.routes import mount as mount_protocol
from adapters.settings import Settings
from commands.accounts.bearers import VaultRevocations
from commands.accounts.oauth.lookups import VaultIntrospection
from commands.accounts.people import AccountHolders


@dataclass(frozen=True)
class LocalOutbox:
    accounts: Accounts

    async def newest(self) -> list[Letter]:
        return [*await self.accounts.recent_mails()]


@dataclass(frozen=True)
class SingleSignOn:
    accounts: Accounts
    oauth: OAuthParts
    devices: DevicesQuery
    memberships: MembershipsQuery

    def mount(self, app: FastAPI) -> None:
        """What tokens are worth is asked of the memory that the app's guard asks."""
        introspection = app.state.parts.tokens
        app.state.parts.attempts = self.accounts.parts.attempts
        shared = replace(self.oauth.oauth, introspection=introspection)
        parts = OAuthParts(shared, self.oauth.tracer)
        mount_protocol(app, parts=parts)
        outbox = LocalOutbox(self.accounts) if self.accounts.mail_folder else None
        pages = AccountPages(
            self.accounts.parts,
            shared,
            tracer=self.accounts.tracer,
            outbox=outbox,
            memberships=self.memberships,
            sections=(
                ServicesSection(shared),
                DevicesSection(self.devices),
                MembershipsSection(self.memberships, self.accounts.clock),
            ),
            behind_proxy=bool(self.accounts.settings.reverse_proxies),
        )
        mount_pages(app, pages=pages)


@asynccontextmanager
async def single_sign_on(settings: Settings, api: Api) -> AsyncIterator[SingleSignOn]:
    async with AsyncExitStack() as stack:
        known = await stack.enter_async_context(accounts(settings, api))
        served = await oauth(
            settings,
            api,
            wrapper=await key_wrapper(settings, aws(settings), stack),
            people=AccountHolders(api.accounts.repository),
            introspection=VaultIntrospection(api.vault, api.clock),
            revocations=VaultRevocations(api.vault, api.token_states),
            keys=known.keys,
        )
        yield SingleSignOn(known, served, api.devices, api.memberships)
