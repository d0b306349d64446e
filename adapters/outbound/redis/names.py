"""Keys and channels."""

from __future__ import annotations

GRACE_MS = 10_000
"""How long a device counts as online after its session has gone."""
ALIVE_MS = 10_000
"""How long a gateway counts as alive after it last said so."""
REVOCATIONS = "homecast:revocations"
"""Channel: keys of the vault as JSON, ``{"revoked": […]}`` or ``{"changed": […]}``."""


def gateway_channel(gateway_id: str) -> str:
    return f"homecast:gateway:{gateway_id}"


def account_channel(account_id: str) -> str:
    return f"homecast:account:{account_id}"


def presence_key(device_id: str) -> str:
    """Hash: ``session``, ``gateway``, ``account``, and ``left`` once the session has gone."""
    return f"homecast:presence:{device_id}"


def alive_key(gateway_id: str) -> str:
    return f"homecast:alive:{gateway_id}"


def token_key(key: str) -> str:
    """Hash: ``version`` and ``text`` of a vault item of tokens; ``gone`` alone once revoked."""
    return f"homecast:tokens:{key}"
