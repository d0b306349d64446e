"""An OAuth client: a program that may ask people for access to what is theirs.

Stream ``client-{client id}``. A client is configured as a whole, mostly out of a profile; what it
may do is said there and nowhere by its id. Its secrets are in the vault, here are only their ids.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, assert_never, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.kernel.errors import InvalidInput, NotFound, Refused
from domain.kernel.event import Aggregate, Event, State, next_event, register
from domain.kernel.machine import Machine, Move, moves

CLIENT_ID = r"^[a-z0-9][a-z0-9-]{0,63}$"
SECRETS_AT_ONCE = 2
"""The new one and the one it replaces, so that a rotation needs no standstill."""
Uri = Annotated[str, Field(min_length=3, max_length=500, pattern=r"^[!-~]+$")]
ScopeName = Annotated[str, Field(pattern=r"^[a-z][a-z_:-]{0,39}$")]


class ClientStatus(StrEnum):
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


ACTIVE, RETIRED = ClientStatus.ACTIVE, ClientStatus.RETIRED
MACHINE = Machine(
    (
        *moves((None, ACTIVE, RETIRED), (ACTIVE,), "operator", "registered, or changed"),
        Move(ACTIVE, RETIRED, "operator", "its grants and secrets are worth nothing any more"),
    )
)


class ClientNotFound(NotFound):
    """No OAuth client has this id, or it was retired."""

    code = "client_not_found"


class ClientHasNoSecret(Refused):
    """The client is a public one: whoever has the program could read its secret."""

    code = "client_has_no_secret"


class Profile(StrEnum):
    ALEXA = "alexa"
    GOOGLE = "google"
    OWN_APP = "own-app"
    WEB = "web"
    SERVICE = "service"
    DEVICE = "device"


ELSEWHERE = frozenset((Profile.ALEXA, Profile.GOOGLE, Profile.DEVICE))


class GrantType(StrEnum):
    AUTHORIZATION_CODE = "authorization_code"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 a name
    CLIENT_CREDENTIALS = "client_credentials"
    DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


class AuthMethod(StrEnum):
    """How a client shows who it is at the token endpoint (OpenID Connect Core 9)."""

    NONE = "none"
    BASIC = "client_secret_basic"
    POST = "client_secret_post"


class RotationKind(StrEnum):
    """Of refresh tokens: an old one is worth nothing at once, for a while not yet, or there is no
    new one until the grant ends."""

    STRICT = "strict"
    GRACE = "grace"
    STABLE = "stable"


class ClientConfig(BaseModel):
    """``scopes``: all that it may ask for. ``first_party``: ours, so that nobody is asked whether
    it may. ``introspect``: it may look at the tokens of all clients. ``grace_seconds``: for which a
    replaced refresh token still does. ``idle_days``, ``absolute_days``: a grant that is not
    refreshed for so long ends, and so does one this old."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")
    profile: Profile
    redirect_uris: Annotated[tuple[Uri, ...], Field(max_length=10)] = ()
    post_logout_redirect_uris: Annotated[tuple[Uri, ...], Field(max_length=10)] = ()
    grant_types: Annotated[tuple[GrantType, ...], Field(min_length=1, max_length=4)]
    auth_methods: Annotated[tuple[AuthMethod, ...], Field(min_length=1, max_length=2)]
    scopes: Annotated[tuple[ScopeName, ...], Field(min_length=1, max_length=30)]
    first_party: bool = False
    pkce_required: bool = True
    introspect: bool = False
    rotation: RotationKind = RotationKind.STRICT
    grace_seconds: int = Field(0, ge=0, le=300)
    access_seconds: int = Field(3600, ge=60, le=3600)
    idle_days: int = Field(60, ge=1, le=3650)
    absolute_days: int | None = Field(None, ge=1, le=3650)

    @property
    def public(self) -> bool:
        return self.auth_methods == (AuthMethod.NONE,)

    @property
    def elsewhere(self) -> bool:
        """It runs where no browser is signed in."""
        return self.profile in ELSEWHERE

    @property
    def keeps_access(self) -> bool:
        """It gets a refresh token whether or not it asked for one (``offline_access``): it would
        be of no use without, and does not ask as others do."""
        kept = self.elsewhere or self.profile == Profile.OWN_APP
        return kept and GrantType.REFRESH_TOKEN in self.grant_types

    @property
    def access_lifetime(self) -> timedelta:
        return timedelta(seconds=self.access_seconds)

    @property
    def grace(self) -> timedelta | None:
        """None: a refresh token is never replaced."""
        if self.rotation == RotationKind.STABLE:
            return None
        return timedelta(seconds=self.grace_seconds if self.rotation == RotationKind.GRACE else 0)

    def ends_at(self, created_at: datetime, now: datetime) -> datetime:
        """When a grant ends that was last used now."""
        idle, oldest = now + timedelta(days=self.idle_days), self.oldest(created_at)
        return idle if oldest is None else min(idle, oldest)

    def oldest(self, created_at: datetime) -> datetime | None:
        """When it ends however it is used; None: never."""
        if self.absolute_days is None:
            return None
        return created_at + timedelta(days=self.absolute_days)

    @model_validator(mode="after")
    def _sound(self) -> ClientConfig:
        """RFC 9700 sections 2.1.1 and 2.5, RFC 6749 section 4.4."""
        if AuthMethod.NONE in self.auth_methods and not self.public:
            raise ValueError("a client has a secret or it has none")
        if self.public and not self.pkce_required:
            raise ValueError("a public client needs PKCE")
        if self.public and (GrantType.CLIENT_CREDENTIALS in self.grant_types or self.introspect):
            raise ValueError("a public client has nothing to show who it is")
        if GrantType.AUTHORIZATION_CODE in self.grant_types and not self.redirect_uris:
            raise ValueError("codes need a redirect URI to be sent to")
        return self


class ClientRegistered(Event):
    TOPIC: ClassVar[str] = "accounts.client_registered"
    client_id: str
    config: ClientConfig
    by: str


class ClientChanged(Event):
    TOPIC: ClassVar[str] = "accounts.client_changed"
    client_id: str
    config: ClientConfig
    by: str


class ClientSecretIssued(Event):
    """``replaced``: ids of secrets that are worth nothing any more."""

    TOPIC: ClassVar[str] = "accounts.client_secret_issued"
    client_id: str
    secret_id: str
    replaced: tuple[str, ...] = ()
    by: str


class ClientRetired(Event):
    TOPIC: ClassVar[str] = "accounts.client_retired"
    client_id: str
    by: str


ClientEvent = ClientRegistered | ClientChanged | ClientSecretIssued | ClientRetired
register(ClientRegistered, ClientChanged, ClientSecretIssued, ClientRetired)


class Client(State):
    """``secret_ids``: oldest first."""

    status: ClientStatus | None = None
    config: ClientConfig | None = None
    secret_ids: tuple[str, ...] = ()
    registered_at: datetime | None = None


def fold(state: Client, event: Event) -> Client:
    known = cast("ClientEvent", event)
    changed: dict[str, Any] = {"version": event.originator_version}
    match known:
        case ClientRegistered():
            changed |= {
                "status": MACHINE.enter(state.status, ACTIVE),
                "config": known.config,
                "registered_at": known.timestamp,
                "secret_ids": (),
            }
        case ClientChanged():
            changed |= {"status": MACHINE.enter(state.status, ACTIVE), "config": known.config}
        case ClientSecretIssued():
            kept = tuple(one for one in state.secret_ids if one not in known.replaced)
            changed["secret_ids"] = (*kept, known.secret_id)
        case ClientRetired():
            changed |= {"status": MACHINE.enter(state.status, RETIRED), "secret_ids": ()}
        case _:
            assert_never(known)
    return state.model_copy(update=changed)


CLIENT = Aggregate("client", Client, fold, snapshot_every=50)


def configure(
    state: Client, *, client_id: str, config: ClientConfig, by: str, at: datetime
) -> list[Event]:
    """The same again changes nothing; a retired one comes back, without its secrets."""
    if state.status != ACTIVE:
        made = next_event(ClientRegistered, state, at, client_id=client_id, config=config, by=by)
        return [made]
    if state.config == config:
        return []
    assert state.config is not None
    if state.config.public != config.public:
        raise InvalidInput("whether a client has a secret never changes", field="auth_methods")
    return [next_event(ClientChanged, state, at, client_id=client_id, config=config, by=by)]


def issue_secret(
    state: Client, *, client_id: str, secret_id: str, by: str, at: datetime
) -> list[Event]:
    """Raises ``ClientNotFound`` or ``ClientHasNoSecret``."""
    config = require_active(state)
    if config.public:
        raise ClientHasNoSecret("a public client has no secret")
    if secret_id in state.secret_ids:
        return []
    replaced = state.secret_ids[: max(0, len(state.secret_ids) + 1 - SECRETS_AT_ONCE)]
    fields = {"client_id": client_id, "secret_id": secret_id, "replaced": replaced, "by": by}
    return [next_event(ClientSecretIssued, state, at, **fields)]


def retire(state: Client, *, client_id: str, by: str, at: datetime) -> list[Event]:
    if state.status != ACTIVE:
        return []
    return [next_event(ClientRetired, state, at, client_id=client_id, by=by)]


def require_active(state: Client) -> ClientConfig:
    """Raises ``ClientNotFound``."""
    if state.status != ACTIVE or state.config is None:
        raise ClientNotFound("no such client")
    return state.config
