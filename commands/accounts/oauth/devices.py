"""The device authorization grant (RFC 8628): for what has a screen and no keyboard.

Vault items ``device-code#{SHA-256}`` and ``user-code#{CODE}``, which names the other.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import quote_plus

from pydantic import BaseModel, ConfigDict

from commands.accounts.oauth.authentication import require_grant_type
from commands.accounts.oauth.clients import KnownClient
from commands.accounts.oauth.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    SlowDown,
    UserCodeNotFound,
)
from commands.accounts.oauth.grants import Approval, give
from commands.accounts.oauth.parts import DEVICES_OF_CLIENT, DEVICES_OF_NETWORK, OAuth
from commands.accounts.oauth.ports import SignedIn
from commands.accounts.oauth.scopes import asked_for
from commands.accounts.oauth.sessions import require_session
from commands.accounts.token_family import InvalidGrant, Tokens, hash_of
from commands.kernel.dispatch import Unit, too_contended
from domain.accounts.client import GrantType
from domain.kernel.errors import VersionConflict
from domain.kernel.recorded import Context

LIFETIME = timedelta(minutes=10)
INTERVAL = 5
"""Seconds between two questions of a device, at first."""
SLOWEST = 60
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no words come of it (RFC 8628 section 6.1)."""
LENGTH = 8
PAGE = "/device"
TRIES = 8
A = TypeVar("A")


class Status(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    USED = "used"


class Waiting(BaseModel):
    """A device that waits. ``not_before``: when it may ask again."""

    model_config = ConfigDict(frozen=True)

    version: int = 0
    client_id: str
    scopes: tuple[str, ...]
    user_code: str
    expires_at: datetime
    interval: int = INTERVAL
    not_before: datetime
    status: Status = Status.PENDING
    grant_id: str
    account_id: str | None = None
    session_id: str | None = None
    auth_time: datetime | None = None
    amr: tuple[str, ...] = ()

    def approval(self) -> Approval:
        assert self.account_id is not None
        assert self.auth_time is not None
        return Approval(
            account_id=self.account_id,
            client_id=self.client_id,
            scopes=self.scopes,
            session_id=self.session_id,
            auth_time=self.auth_time,
            amr=self.amr,
        )


@dataclass(frozen=True)
class Begun:
    """What a device shows and keeps."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    expires_in: int
    interval: int

    @property
    def verification_uri_complete(self) -> str:
        return f"{self.verification_uri}?user_code={quote_plus(self.user_code)}"

    def as_json(self) -> dict[str, Any]:
        return {
            "device_code": self.device_code,
            "user_code": self.user_code,
            "verification_uri": self.verification_uri,
            "verification_uri_complete": self.verification_uri_complete,
            "expires_in": self.expires_in,
            "interval": self.interval,
        }


@dataclass(frozen=True)
class DeviceRequest:
    """What a person is asked about: this client wants these scopes, and shows this code."""

    user_code: str
    client: KnownClient
    scopes: tuple[str, ...]
    key: str = field(repr=False)


def normalised(user_code: str) -> str:
    """As it is kept: capital letters without what people put between them."""
    return "".join(one for one in user_code.upper() if one in LETTERS)


def shown(user_code: str) -> str:
    return f"{user_code[:4]}-{user_code[4:]}"


async def begin(oauth: OAuth, client: KnownClient, scope: str | None, *, network: str) -> Begun:
    """Raises ``UnauthorizedClient``, ``InvalidScope`` or ``TooManyAttempts``."""
    require_grant_type(client, GrantType.DEVICE_CODE)
    scopes, now = asked_for(client.config, scope), oauth.clock.now()
    await oauth.limits.rates.take(DEVICES_OF_NETWORK, network)
    await oauth.limits.rates.take(DEVICES_OF_CLIENT, client.client_id)
    device_code = "hcd_" + secrets.token_urlsafe(32)
    for _ in range(TRIES):
        user_code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
        waiting = Waiting(
            client_id=client.client_id,
            scopes=scopes,
            user_code=user_code,
            expires_at=now + LIFETIME,
            not_before=now,
            grant_id=oauth.ids.new(),
        )
        try:
            await _keep(oauth, device_code, waiting)
        except VersionConflict:  # somebody waits with this code
            continue
        seconds = int(LIFETIME.total_seconds())
        return Begun(device_code, shown(user_code), oauth.issuer + PAGE, seconds, INTERVAL)
    raise too_contended()


async def _keep(oauth: OAuth, device_code: str, waiting: Waiting) -> None:
    key, value = _key_of(device_code), waiting.model_dump(mode="json")
    name = {"device": key, "expires_at": value["expires_at"]}
    known = await oauth.vault.get(_user_key(waiting.user_code))
    over = known is not None and _is_over(known["expires_at"], oauth.clock.now())
    expected = known["version"] if known is not None and over else 0
    await oauth.vault.put(_user_key(waiting.user_code), name, expected=expected)
    await oauth.vault.put(key, value, expected=0)


async def look_up(oauth: OAuth, user_code: str, *, account_id: str, network: str) -> DeviceRequest:
    """For who is signed in; both that person and the network may guess wrong ten times.

    Raises ``UserCodeNotFound`` or ``TooManyAttempts``.
    """
    who = (f"account:{account_id}", f"network:{network}")
    async with oauth.limits.user_codes.attempt(*who, failure=UserCodeNotFound):
        found = await _found(oauth, normalised(user_code))
        if found is None:
            raise UserCodeNotFound("no device waits with this code")
    key, waiting = found
    client = await oauth.clients.find(waiting.client_id)
    if client is None:
        raise UserCodeNotFound("the client was retired")
    return DeviceRequest(shown(waiting.user_code), client, waiting.scopes, key)


async def _found(oauth: OAuth, user_code: str) -> tuple[str, Waiting] | None:
    name = await oauth.vault.get(_user_key(user_code)) if len(user_code) == LENGTH else None
    held = await oauth.vault.get(name["device"]) if name is not None else None
    if name is None or held is None:
        return None
    waiting = Waiting.model_validate(held)
    if waiting.expires_at <= oauth.clock.now() or waiting.status != Status.PENDING:
        return None
    return name["device"], waiting


async def approve(oauth: OAuth, request: DeviceRequest, signed_in: SignedIn) -> None:
    """The device has its tokens when it asks the next time. Raises ``UserCodeNotFound``."""
    await _decide(
        oauth,
        request,
        status=Status.APPROVED,
        account_id=signed_in.account_id,
        session_id=signed_in.session_id,
        auth_time=signed_in.auth_time,
        amr=signed_in.amr,
    )


async def deny(oauth: OAuth, request: DeviceRequest) -> None:
    """Raises ``UserCodeNotFound``."""
    await _decide(oauth, request, status=Status.DENIED)


async def _decide(oauth: OAuth, request: DeviceRequest, **changes: Any) -> None:
    """The device may ask at the same time, which changes the item too."""
    for _ in range(TRIES):
        found = await _found(oauth, normalised(request.user_code))
        if found is None or found[0] != request.key:
            raise UserCodeNotFound("the device waits no more, or was answered before")
        decided = found[1].model_copy(update=changes).model_dump(mode="json")
        try:
            await oauth.vault.put(request.key, decided, expected=found[1].version)
        except VersionConflict:
            continue
        await oauth.vault.delete(_user_key(normalised(request.user_code)))
        return
    raise too_contended()


async def poll(
    oauth: OAuth,
    context: Context,
    client: KnownClient,
    device_code: str,
    answer: Callable[[Tokens], Awaitable[A]],
) -> tuple[A, tuple[str, ...]]:
    """``answer``, made of the tokens before the code is used up; and the grants that made place.

    Raises ``AuthorizationPending``, ``SlowDown``, ``AccessDenied``, ``ExpiredToken`` or
    ``InvalidGrant``.
    """
    require_grant_type(client, GrantType.DEVICE_CODE)
    key = _key_of(device_code)
    for _ in range(TRIES):
        waiting = await _mine(oauth, client, key)
        if waiting.status != Status.PENDING:
            break
        try:
            await _told_to_wait(oauth, key, waiting)
        except VersionConflict:
            continue
    else:
        raise too_contended()
    if waiting.status == Status.DENIED:
        raise AccessDenied("the person said no")

    async def decide(unit: Unit) -> tuple[A, tuple[str, ...]]:
        now_waiting = await _mine(oauth, client, key)
        if now_waiting.status != Status.APPROVED:
            raise InvalidGrant("the device code was used before")
        approval = now_waiting.approval()
        assert approval.session_id is not None
        await require_session(oauth.vault, approval.session_id, now=unit.at)
        used = now_waiting.model_copy(update={"status": Status.USED}).model_dump(mode="json")
        unit.write_vault(key, used, expected=now_waiting.version)
        tokens, gone = await give(unit, oauth, client, now_waiting.grant_id, approval)
        return await answer(tokens), gone

    result, _ = await oauth.dispatcher.execute(context, decide)
    return result


async def _mine(oauth: OAuth, client: KnownClient, key: str) -> Waiting:
    held = await oauth.vault.get(key)
    waiting = Waiting.model_validate(held) if held is not None else None
    if waiting is None or waiting.client_id != client.client_id:
        raise InvalidGrant("the device code is unknown")
    if waiting.expires_at <= oauth.clock.now():
        raise ExpiredToken("the device code is over")
    return waiting


async def _told_to_wait(oauth: OAuth, key: str, waiting: Waiting) -> None:
    """Raises ``AuthorizationPending``, or ``SlowDown`` where that was too soon."""
    now, interval = oauth.clock.now(), waiting.interval
    too_soon = now < waiting.not_before
    if too_soon:
        interval = min(interval + INTERVAL, SLOWEST)
    # a second less than what was said, as the way here takes longer one time than the other
    again = now + timedelta(seconds=interval - 1)
    asked = waiting.model_copy(update={"interval": interval, "not_before": again})
    await oauth.vault.put(key, asked.model_dump(mode="json"), expected=waiting.version)
    if too_soon:
        raise SlowDown("five seconds more between two times", interval=interval)
    raise AuthorizationPending("the person has not decided yet")


def _is_over(moment: str, now: datetime) -> bool:
    return datetime.fromisoformat(moment) <= now


def _key_of(device_code: str) -> str:
    return "device-code#" + hash_of(device_code)


def _user_key(user_code: str) -> str:
    return "user-code#" + user_code
