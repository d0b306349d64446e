"""The personal part of a snapshot, sealed as that of an event is."""

from __future__ import annotations

from dataclasses import replace

from adapters.outbound.keys.sealing import Place, Sealed, seal
from commands.kernel.ports import Keyring, Snapshot
from domain.kernel.errors import ContractError


async def seal_snapshot(keyring: Keyring, stream: str, snapshot: Snapshot) -> str | None:
    """None for a snapshot without personal data. Raises ``SubjectForgotten``."""
    if snapshot.subject is None or snapshot.personal is None:
        return None
    key = await keyring.for_sealing(snapshot.subject)
    return seal(key, snapshot.personal, _place(stream, snapshot))


async def open_snapshot(
    keyring: Keyring, stream: str, snapshot: Snapshot, sealed: str | None, *, personal: bool
) -> Snapshot | None:
    """The snapshot with its personal part; None when that can no longer be read."""
    if sealed is None:
        return snapshot
    try:
        parts = Sealed.of(sealed)
        whole = replace(snapshot, subject=parts.subject)
        if not personal:
            return whole
        key = await keyring.for_opening(parts.subject)
        if key is None:
            return None
        return replace(whole, personal=parts.open(key, _place(stream, snapshot)))
    except ContractError:
        return None


def _place(stream: str, snapshot: Snapshot) -> Place:
    return (stream, snapshot.version, f"snapshot {snapshot.code_version}")
