"""The authorization server on memory: clients, people who are signed in, and what was told."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from adapters.outbound.memory.store import MemoryEventStore, MemorySnapshotStore, MemoryVault
from adapters.outbound.system.clock import Ulids
from commands.accounts.keys import AccountKeys
from commands.accounts.oauth.clients import (
    Clients,
    IssueSecret,
    RegisterClient,
    RetireClient,
    issue_secret,
    new_secret,
    register,
    retire,
)
from commands.accounts.oauth.lookups import VaultIntrospection
from commands.accounts.oauth.parts import OAuth, limits
from commands.accounts.oauth.ports import Person
from commands.accounts.oauth.profiles import Wishes, configured
from commands.accounts.oauth.signing_keys import SigningKeys
from commands.kernel.dispatch import Decide, Dispatcher, NoHints, R, Repository
from domain.accounts.client import ClientConfig, Profile
from domain.kernel.event import Event
from domain.kernel.recorded import Context
from tests.support.accounts import MovableClock, SharedCounters
from tests.support.events import AT

ISSUER = "https://id.homecast.test"
ACCOUNT = "01JDEMQ0000000000000000001"
OTHER = "01JDEMQ0000000000000000002"
CONTEXT = Context("c", "m", "client:test")
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""RFC 7636 appendix B."""
ALEXA = "https://pitangui.amazon.com/api/skill/link/M2AAAAAAAAAAAA"
GOOGLE = "https://oauth-redirect.googleusercontent.com/r/homecast-1"
APP = "https://app.homecast.test/signed-in"
WEB = "https://shop.example/callback"
BYE = "https://shop.example/bye"


def challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class ToldRevocations:
    def __init__(self) -> None:
        self.ended: list[str] = []
        self.again: list[str] = []

    async def told(self, grant_ids: Collection[str]) -> None:
        self.ended += grant_ids

    async def changed(self, grant_ids: Collection[str]) -> None:
        self.again += grant_ids


class PlainWrapper:
    """Bound to the subject, and no secret."""

    async def wrap(self, material: bytes, subject: str) -> bytes:
        assert len(material) <= 4096, "more than KMS wraps"
        return subject.encode() + b"|" + material

    async def unwrap(self, wrapped: bytes, subject: str) -> bytes:
        assert wrapped.startswith(subject.encode() + b"|")
        return wrapped.removeprefix(subject.encode() + b"|")


class KnownPeople:
    def __init__(self) -> None:
        self.people: dict[str, Person] = {
            ACCOUNT: Person("ann@example.com", True, "Ann", AT),
            OTHER: Person("bob@example.com"),
        }

    async def find(self, account_id: str) -> Person | None:
        return self.people.get(account_id)


@dataclass(frozen=True)
class Session:
    """A person who is signed in."""

    account_id: str
    session_id: str
    auth_time: datetime
    amr: tuple[str, ...] = ("pwd",)


_KEYS = MemoryVault()
"""Signing keys are slow to make, so all tests begin with the same ones, made at the same time."""


class Server:
    """One process; ``beside`` makes another one on the same stores."""

    def __init__(self, like: Server | None = None) -> None:
        self.clock: MovableClock = like.clock if like else MovableClock(AT)
        self.ids: Ulids = like.ids if like else Ulids()
        self.vault: MemoryVault = like.vault if like else MemoryVault()
        self.store: MemoryEventStore = like.store if like else MemoryEventStore(self.vault)
        self.counters: SharedCounters = like.counters if like else SharedCounters()
        self.revocations: ToldRevocations = like.revocations if like else ToldRevocations()
        self.people: KnownPeople = like.people if like else KnownPeople()
        self.secrets: dict[str, str] = like.secrets if like else {}
        snapshots = MemorySnapshotStore(self.store.keyring)
        self.repository = Repository(self.store, snapshots)
        self.dispatcher = Dispatcher(
            store=self.store,
            repository=self.repository,
            hints=NoHints(),
            clock=self.clock,
            ids=self.ids,
        )
        keys = AccountKeys({"k1": b"1" * 32})
        self.oauth = OAuth(
            issuer=ISSUER,
            clock=self.clock,
            ids=self.ids,
            vault=self.vault,
            dispatcher=self.dispatcher,
            keys=keys,
            clients=Clients(self.repository, self.vault),
            signing_keys=SigningKeys(self.vault, PlainWrapper(), self.clock),
            people=self.people,
            introspection=VaultIntrospection(self.vault, self.clock),
            revocations=self.revocations,
            limits=limits(self.counters, keys, self.clock),
        )

    def beside(self) -> Server:
        return Server(self)

    async def with_keys(self) -> Server:
        """With signing keys that were made before."""
        if not _KEYS.items:
            await SigningKeys(_KEYS, PlainWrapper(), self.clock).signer()
        self.vault.items.update(_KEYS.items)
        return self

    async def run(self, decide: Decide[R]) -> R:
        result, _ = await self.dispatcher.execute(CONTEXT, decide)
        return result

    async def events(self, stream: str) -> list[Event]:
        return [one.event for one in await self.store.read(stream)]

    async def add(self, client_id: str, config: ClientConfig) -> str:
        """The client's secret, empty for a public one."""
        message = RegisterClient(client_id=client_id, config=config, replace=True)
        await self.run(lambda unit: register(unit, self.vault, message))
        self.oauth.clients.forget()
        return "" if config.public else await self.new_secret(client_id)

    async def new_secret(self, client_id: str) -> str:
        secret = new_secret()
        message = IssueSecret(client_id=client_id, secret_id=self.ids.new(), secret=secret)
        await self.run(lambda unit: issue_secret(unit, self.vault, message))
        self.oauth.clients.forget()
        self.secrets[client_id] = secret
        return secret

    async def profile(self, profile: Profile, client_id: str = "", **wishes: Any) -> str:
        """A client of this profile, by the profile's name."""
        made = Wishes(profile, profile.value.title(), **{**USUAL.get(profile, {}), **wishes})
        return await self.add(client_id or profile.value, configured(made))

    async def retire(self, client_id: str) -> None:
        await self.run(lambda unit: retire(unit, RetireClient(client_id=client_id)))
        self.oauth.clients.forget()

    async def sign_in(self, account_id: str = ACCOUNT, amr: Iterable[str] = ("pwd",)) -> Session:
        session_id, now = self.ids.new(), self.clock.now()
        value = {"account_id": account_id, "expires_at": (now + timedelta(days=30)).isoformat()}
        await self.vault.put(f"session#{session_id}", value, expected=0)
        return Session(account_id, session_id, now, tuple(amr))

    async def sign_out(self, session: Session) -> None:
        await self.vault.delete(f"session#{session.session_id}")


USUAL: dict[Profile, dict[str, Any]] = {
    Profile.ALEXA: {"vendor": "M2AAAAAAAAAAAA"},
    Profile.GOOGLE: {"project": "homecast-1"},
    Profile.OWN_APP: {"redirect_uris": (APP, "http://127.0.0.1/cb", "com.example.app:/cb")},
    Profile.WEB: {"redirect_uris": (WEB,), "post_logout_redirect_uris": (BYE,)},
}


def asking(client_id: str, redirect_uri: str, **parameters: str | None) -> list[tuple[str, str]]:
    """Parameters of an authorization request; None leaves one out."""
    usual: dict[str, str | None] = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": "xyz",
    }
    given = usual | parameters
    return [(name, value) for name, value in given.items() if value is not None]


def pkce(**parameters: str) -> dict[str, str]:
    return {"code_challenge": CHALLENGE, "code_challenge_method": "S256", **parameters}


def random_verifier() -> str:
    return secrets.token_urlsafe(48)
