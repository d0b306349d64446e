"""Boxes of ISO base media files (ISO/IEC 14496-12): found and made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from domain.kernel.errors import ContractError

HEADER = 8
Bytes = bytes | memoryview


@dataclass(frozen=True)
class Box:
    """Places in the file: ``body`` is where its content starts."""

    kind: bytes
    start: int
    body: int
    end: int


def boxes(data: Bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Those of one level. Raises ``ContractError`` where they do not add up."""
    end = len(data) if end is None else end
    while start < end:
        size, body = number(data, start, 4), start + HEADER
        if size == 1:
            size, body = number(data, start + HEADER, 8), start + 16
        if size < body - start or start + size > end:
            raise ContractError(f"a box at {start} has an impossible size")
        yield Box(bytes(data[start + 4 : start + 8]), start, body, start + size)
        start += size


def find(data: Bytes, inside: Box, *path: bytes) -> Box:
    """The first of this path below a box. Raises ``ContractError`` when there is none."""
    found = maybe(data, inside, *path)
    if found is None:
        raise ContractError(f"no box {b'/'.join(path).decode()}")
    return found


def maybe(data: Bytes, inside: Box, *path: bytes) -> Box | None:
    for kind in path:
        children = boxes(data, inside.body + _skipped(inside.kind), inside.end)
        child = next((one for one in children if one.kind == kind), None)
        if child is None:
            return None
        inside = child
    return inside


def number(data: Bytes, at: int, size: int, *, signed: bool = False) -> int:
    return int.from_bytes(data[at : at + size], "big", signed=signed)


def whole(data: Bytes) -> Box:
    """The file as if it were a box."""
    return Box(b"", 0, 0, len(data))


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return (HEADER + len(body)).to_bytes(4, "big") + kind + body


def full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, bytes([version]) + flags.to_bytes(3, "big"), *parts)


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def _skipped(kind: bytes) -> int:
    """Bytes of fields before the children, of the few that have any."""
    return {b"stsd": 8, b"avc1": 78, b"mp4a": 28}.get(kind, 0)
