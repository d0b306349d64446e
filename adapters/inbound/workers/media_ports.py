"""What the workers of films need from outside; the adapters under ``outbound`` implement it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from commands.media.ports import Job, JobReport
from domain.media.rendition import Source


class Downloaded(Protocol):
    """``path``: whoever asked for it removes it. ``sha256``: hexadecimal."""

    @property
    def path(self) -> Path: ...
    @property
    def sha256(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def content_type(self) -> str: ...


class Downloads(Protocol):
    async def fetch(self, url: str) -> Downloaded:
        """Raises leaves of the tree with ``vast_code`` in their ``extra``; no file is left then."""


class Probes(Protocol):
    async def probe(self, path: Path) -> Source:
        """Raises a leaf of ``domain.media.unusable.Unusable``."""


class Originals(Protocol):
    """The media bucket. Raises ``StoreUnavailable``."""

    async def put_file(self, key: str, file: Path, *, media_type: str, cache_control: str) -> None:
        """Replaces what is there."""


class Renders(Protocol):
    async def handle(self, job: Job) -> None:
        """Returns when the job has ended; raises ``Unavailable`` when it is to come again."""


class DecodesJobs(Protocol):
    def __call__(self, text: str | bytes, /) -> Job:
        """Raises ``ContractError``."""


class DecodesJobEvents(Protocol):
    async def __call__(self, event: Mapping[str, Any], /) -> JobReport | None:
        """None for what says nothing of a job of ours. Raises ``ContractError``."""
