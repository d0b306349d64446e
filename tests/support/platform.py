"""The platform in real processes, for tests: engines alone, or with the processes that it takes.

``async with Engines(tmp_path) as engines`` gives MiniStack, Redis and a stack.
``async with Platform(tmp_path) as platform`` gives the whole platform besides.
The fixtures ``shared_engines`` (one pair of engines a session) and ``stack_environment`` (a fresh
stack in them, 0.2 s) come by importing them in a conftest.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest

from adapters.inbound.cli import local
from adapters.inbound.cli.supervisor import Supervisor
from adapters.outbound.embedded.ministack import CREDENTIALS
from adapters.outbound.embedded.ports import Ports
from adapters.settings import Settings

T = TypeVar("T")
_numbers = itertools.count(1)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """As a process with this environment would read them."""
    values: dict[str, Any] = {
        name.removeprefix("HOMECAST_").lower(): value
        for name, value in environment.items()
        if name.startswith("HOMECAST_")
    }
    return Settings(**values)


class Engines:
    """MiniStack and Redis; ``environment`` and ``settings`` name a first stack in them."""

    def __init__(self, directory: Path, *, persist: bool = False) -> None:
        self.directory = directory
        self.ports = Ports(directory / "ports.json")
        self.supervisor = Supervisor(directory, restarts=False)
        self.engines = local.Engines.in_directory(directory, self.ports, persist=persist)
        self.environment: dict[str, str] = {}

    @property
    def endpoint_url(self) -> str:
        return self.engines.ministack.endpoint_url

    @property
    def redis_url(self) -> str:
        return self.engines.redis.url

    @property
    def settings(self) -> Settings:
        return settings_from(self.environment)

    async def fresh_stack(self) -> dict[str, str]:
        """Tables, topic and queues of their own, in the same engines: an environment."""
        return await self.engines.stack(f"test-{os.getpid()}-{next(_numbers)}")

    async def kill(self, name: str) -> None:
        """SIGKILL; nothing starts it again but ``restart``."""
        await self.supervisor.kill(name)

    async def restart(self, name: str) -> None:
        await self.supervisor.restart(name, within=60)

    def log(self, name: str) -> str:
        return self.supervisor.log(name).read_text()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.supervisor.stop_all()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.supervisor.stop_all()

    async def start(self) -> None:
        await self.engines.start(self.supervisor)
        self.environment = await self.fresh_stack()


class Platform(Engines):
    """The chosen processes beside the engines.

    ``endpoint_for_processes``: the address that the processes use for AWS, where a proxy stands.
    It may also be set in ``before_processes``, when MiniStack's own is known: override that.
    ``extra``: further environment of the processes.
    """

    def __init__(
        self,
        directory: Path,
        *,
        processes: Sequence[str] = local.PLATFORM,
        endpoint_for_processes: str | None = None,
        extra: Mapping[str, str] | None = None,
        persist: bool = False,
    ) -> None:
        super().__init__(directory, persist=persist)
        self.processes = processes
        self.endpoint_for_processes = endpoint_for_processes
        self._extra = dict(extra or {})

    @property
    def api_url(self) -> str:
        return self.environment["HOMECAST_API_URL"]

    @property
    def gateway_url(self) -> str:
        return self.environment["HOMECAST_GATEWAY_URL"]

    @property
    def process_environment(self) -> dict[str, str]:
        """That of the processes; ``environment`` goes to the engine directly."""
        endpoint = self.endpoint_for_processes
        proxied = {"HOMECAST_AWS_ENDPOINT_URL": endpoint} if endpoint else {}
        return self.environment | proxied | self._extra

    async def before_processes(self) -> None:
        """The engines run, ``environment`` is complete, no process has been started."""

    async def start(self) -> None:
        await super().start()
        self.environment |= local.addresses(self.ports)
        await self.before_processes()
        environment = self.process_environment
        await self.supervisor.start_together(
            local.process(name, environment) for name in self.processes
        )


class LoopThread:
    """An event loop in a thread of its own, for what must outlive the loop of one test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="shared engines")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result()


@contextlib.contextmanager
def running_engines(directory: Path) -> Iterator[Engines]:
    engines = Engines(directory)
    with LoopThread() as thread:
        thread.run(engines.__aenter__())
        try:
            yield engines
        finally:
            thread.run(engines.__aexit__())


@pytest.fixture(scope="session")
def shared_engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """One pair for the whole run. AWS libraries find the credentials in the environment."""
    with pytest.MonkeyPatch.context() as patch, running_engines(tmp_path_factory.mktemp("e")) as e:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield e


@pytest.fixture
async def stack_environment(shared_engines: Engines) -> dict[str, str]:
    """A stack of the test's own in the shared engines."""
    return await shared_engines.fresh_stack()
