"""A file that is on its way in: what has come so far, and what it takes to go on from there."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from adapters.outbound.web.client import Answer
from adapters.outbound.web.errors import RemoteTooLarge, RemoteUnavailable, RemoteUndecodable

PARTIAL = 206
LONGEST_NOTE = 200
_RANGE = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/(?:([0-9]{1,15})|\*)")


@dataclass(frozen=True)
class Download:
    """``path``: whoever asked removes it. ``sha256``: hex. ``content_type``: what the host says,
    noted and not believed."""

    path: Path
    sha256: str
    size: int
    content_type: str
    etag: str
    final_url: str


class Incoming:
    """``file``: open for writing, empty. Writes block the loop for as long as the disk takes."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file = file
        self._limit = limit
        self._restart()

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0
        self._whole: int | None = None
        self._etag = ""

    def wish(self) -> dict[str, str]:
        """The rest, if the file is still the same (RFC 9110 section 13.1.5); else all of it.

        A weak validator does not say that: then it is begun anew.
        """
        if not self.size or not self._etag.startswith('"'):
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._etag}

    def begin(self, answer: Answer) -> None:
        """Raises ``RemoteUndecodable``, ``RemoteTooLarge``."""
        if answer.header("Content-Encoding").strip().lower() not in ("", "identity"):
            raise RemoteUndecodable("the file is compressed, which was not asked for")
        length = answer.response.content_length
        if answer.status == PARTIAL:
            self._whole = self._rest(answer)
        else:
            self._restart()
            self._etag = answer.header("ETag")[:LONGEST_NOTE]
            self._whole = length
        if self.size + (length or 0) > self._limit:
            raise self._too_large()

    def _rest(self, answer: Answer) -> int | None:
        """The size of the whole file, if the host says it."""
        match = _RANGE.fullmatch(answer.header("Content-Range").strip())
        same = answer.header("ETag") in ("", self._etag)
        if not self.wish() or match is None or int(match[1]) != self.size or not same:
            raise RemoteUndecodable("the host sent another part than was asked for")
        return int(match[2]) if match[2] else None

    def take(self, chunk: bytes) -> None:
        """Raises ``RemoteTooLarge``."""
        if self.size + len(chunk) > self._limit:
            raise self._too_large()
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    def finished(self, answer: Answer) -> Download:
        """Raises ``RemoteUnavailable`` when a part is missing."""
        if self._whole is not None and self.size < self._whole:
            raise RemoteUnavailable("the host sent less than there is")
        if not self.size:
            raise RemoteUndecodable("the file is empty")
        self._file.flush()
        return Download(
            path=Path(self._file.name),
            sha256=self._digest.hexdigest(),
            size=self.size,
            content_type=answer.header("Content-Type")[:LONGEST_NOTE],
            etag=self._etag,
            final_url=str(answer.target),
        )

    def _too_large(self) -> RemoteTooLarge:
        return RemoteTooLarge(f"the file has more than {self._limit} bytes")
