"""Bodies of answers, read up to a limit that holds as sent and once decompressed.

Decompression is ours, not aiohttp's: no more than what is left of the limit is ever unpacked, so a
bomb of any kind ends one byte after it.
"""

from __future__ import annotations

import zlib
from typing import Protocol

from adapters.outbound.web.client import Answer
from adapters.outbound.web.errors import RemoteTooLarge, RemoteUndecodable

ACCEPTED = "gzip, deflate"
"""``Accept-Encoding``."""
GZIP_WINDOW, ZLIB_WINDOW, RAW_WINDOW = 31, 15, -15


async def read_whole(answer: Answer, limit: int) -> bytes:
    """Raises ``RemoteTooLarge``, ``RemoteUndecodable``."""
    decoder = decoder_of(answer.header("Content-Encoding"))
    received, pieces, room = 0, [], limit
    if (answer.response.content_length or 0) > limit:
        raise _too_large(limit)
    async for chunk in answer.response.content.iter_any():
        received += len(chunk)
        piece = decoder.decode(chunk, room)
        room -= len(piece)
        if room < 0 or received > limit:
            raise _too_large(limit)
        pieces.append(piece)
    if received:
        decoder.finish()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(limit: int) -> RemoteTooLarge:
    return RemoteTooLarge(f"the host's answer has more than {limit} bytes")


class Decoder(Protocol):
    def decode(self, chunk: bytes, room: int) -> bytes:
        """At most one byte more than ``room``."""

    def finish(self) -> None:
        """Raises ``RemoteUndecodable`` when more had to come."""


def decoder_of(encoding: str) -> Decoder:
    """Raises ``RemoteUndecodable`` for an encoding that was not asked for."""
    match encoding.strip().lower():
        case "" | "identity":
            return Plain()
        case "gzip" | "x-gzip":
            return Inflating(GZIP_WINDOW)
        case "deflate":
            return Inflating(ZLIB_WINDOW)
    raise RemoteUndecodable("the answer is compressed in a way that was not asked for")


class Plain:
    def decode(self, chunk: bytes, _: int) -> bytes:
        return chunk

    def finish(self) -> None:
        return


class Inflating:
    """Deflate should be zlib's format (RFC 9110 section 8.4.1.2); some hosts send it bare.

    What follows the end of the compressed data is dropped, another member of gzip included.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._inflater = zlib.decompressobj(window)
        self._begun = False

    def decode(self, chunk: bytes, room: int) -> bytes:
        if not self._begun:
            self._begun = True
            if self._window == ZLIB_WINDOW and chunk[0] & 0x0F != 8:
                self._inflater = zlib.decompressobj(RAW_WINDOW)
        try:
            return self._inflater.decompress(chunk, room + 1)
        except zlib.error as error:
            raise RemoteUndecodable("the answer's compression is broken") from error

    def finish(self) -> None:
        if not self._inflater.eof:
            raise RemoteUndecodable("the answer's compression breaks off")
