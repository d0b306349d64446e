"""The logins of this user, one file for each platform, and their tokens as they are needed.

A refresh token is good once. So whoever renews a login holds its lock, looks first whether another
one has done it meanwhile, and writes what it got before it lets go.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.inbound.cli.connection import Trouble, trouble
from adapters.inbound.cli.device_grant import ENDED, AuthorizationServer, Tokens

EARLY = 60.0
"""Seconds before its end that an access token is renewed."""
LOCKED_FOR = 30.0
"""Seconds to wait for another command that renews."""
LOOK_EVERY = 0.05


class Login(BaseModel):
    """``expires_at``: of the access token, in seconds of this machine's clock."""

    model_config = ConfigDict(frozen=True)

    api_url: str
    access_token: str = Field(repr=False)
    refresh_token: str | None = Field(repr=False)
    expires_at: float
    scope: str = ""

    def renewed(self, tokens: Tokens, now: float) -> Login:
        """RFC 6749 section 6: without a new refresh token the old one stays good."""
        return login_of(self.api_url, tokens, now, refresh_token=self.refresh_token)


def login_of(
    api_url: str, tokens: Tokens, now: float, *, refresh_token: str | None = None
) -> Login:
    return Login(
        api_url=api_url,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token or refresh_token,
        expires_at=now + tokens.expires_in,
        scope=tokens.scope,
    )


def folder() -> Path:
    """XDG Base Directory: a path that is not absolute is to be ignored."""
    given = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path.home() / ".config"
    return base / "homecast" / "logins"


class Logins:
    """Only this user can read them: folder 0700, files 0600."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or folder()

    def find(self, api_url: str) -> Login | None:
        """What cannot be read is none."""
        try:
            login = Login.model_validate_json(self._file(api_url).read_bytes())
        except (OSError, ValidationError):
            return None
        return login if login.api_url == plain_url(api_url) else None

    def save(self, login: Login) -> None:
        """Whole or not at all, whatever happens meanwhile."""
        self._make_directory()
        file = self._file(login.api_url)
        fresh = file.with_suffix(f".{os.getpid()}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as content:
                content.write(login.model_dump_json().encode())
                content.flush()
                os.fsync(content.fileno())
            fresh.replace(file)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise

    def remove(self, api_url: str) -> None:
        self._file(api_url).unlink(missing_ok=True)

    @contextmanager
    def locked(
        self, api_url: str, *, seconds: float = LOCKED_FOR, sleep: Callable[[float], None]
    ) -> Iterator[None]:
        """One at a time of all commands of this user. Raises ``Trouble``."""
        self._make_directory()
        lock = self._file(api_url).with_suffix(".lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            tries = int(seconds / LOOK_EVERY)
            while not _taken(descriptor):
                tries -= 1
                if tries < 0:
                    raise trouble("login_busy", "another command is renewing the login")
                sleep(LOOK_EVERY)
            yield
        finally:
            os.close(descriptor)  # gives the lock up, as the end of the process would

    def _make_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _file(self, api_url: str) -> Path:
        digest = hashlib.sha256(plain_url(api_url).encode()).hexdigest()[:32]
        return self._directory / f"{digest}.json"


def _taken(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def plain_url(api_url: str) -> str:
    return api_url.rstrip("/")


class Renewal:
    """The access token of a login, renewed when it is over or was refused."""

    def __init__(
        self,
        api_url: str,
        *,
        logins: Logins | None = None,
        server: Callable[[str], AuthorizationServer] = AuthorizationServer,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.api_url = plain_url(api_url)
        self.logins = logins or Logins()
        self._server = server
        self._now = now
        self._sleep = sleep

    def token(self, refused: str | None = None) -> str:
        """Another one than ``refused``. Raises ``Trouble``."""
        login = self._usable(refused)
        if login is not None:
            return login.access_token
        with self.logins.locked(self.api_url, sleep=self._sleep):
            login = self._usable(refused) or self._renewed(refused)
        return login.access_token

    def _usable(self, refused: str | None, early: float = EARLY) -> Login | None:
        login = self.logins.find(self.api_url)
        if login is None or login.access_token == refused:
            return None
        return login if login.expires_at - early > self._now() else None

    def _renewed(self, refused: str | None) -> Login:
        held = self.logins.find(self.api_url)
        if held is None or held.refresh_token is None:
            self.logins.remove(self.api_url)
            raise ended()
        try:
            with self._server(self.api_url) as server:
                tokens = server.refresh(held.refresh_token)
        except Trouble as error:
            if error.problem.get("code") == ENDED:
                self.logins.remove(self.api_url)
                raise ended() from error
            still = self._usable(refused, early=0)
            if still is None:
                raise
            return still
        login = held.renewed(tokens, self._now())
        self.logins.save(login)
        return login


def ended() -> Trouble:
    return trouble("login_ended", "the login has ended", hint="Run `homecast login` again.")
