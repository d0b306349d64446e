"""What each role may do in a home: one table, from which rules, tests and documents come.

A home is its owner's account. What stands in no row is not allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from domain.kernel.errors import NotPermitted


class Role(StrEnum):
    OWNER = "owner"
    MEMBER = "member"
    GUEST = "guest"


class Action(StrEnum):
    LIST_DEVICES = "list devices"
    READ_DEVICE = "read a device"
    READ_OWN_COMMAND = "read one's own commands"
    SEE_HISTORY = "see everybody's commands and the history"
    SEND_COMMAND = "send a command"
    CANCEL_OWN_COMMAND = "cancel one's own command"
    CANCEL_ANY_COMMAND = "cancel anybody's command"
    WATCH_LIVE = "watch live"
    RENAME_DEVICE = "rename a device"
    CLAIM_DEVICE = "claim a device into the home"
    RELEASE_DEVICE = "release a device"
    REPORT_LOST = "report a device lost"
    SEE_MEMBERS = "see who is a member"
    MANAGE_MEMBERS = "invite, change and remove members"


_GUEST = frozenset(
    {
        Action.LIST_DEVICES,
        Action.READ_DEVICE,
        Action.READ_OWN_COMMAND,
        Action.SEND_COMMAND,
        Action.CANCEL_OWN_COMMAND,
        Action.WATCH_LIVE,
    }
)
_MEMBER = _GUEST | {
    Action.SEE_HISTORY,
    Action.CANCEL_ANY_COMMAND,
    Action.RENAME_DEVICE,
    Action.SEE_MEMBERS,
}
ALLOWED: Mapping[Role, frozenset[Action]] = {
    Role.OWNER: frozenset(Action),
    Role.MEMBER: _MEMBER,
    Role.GUEST: _GUEST,
}


class RoleForbids(NotPermitted):
    """The caller's role in the home does not allow it; ``role`` and ``action`` say which."""

    code = "role_forbids"


def may(role: Role, action: Action) -> bool:
    return action in ALLOWED[role]


def require(role: Role, action: Action) -> None:
    """Raises ``RoleForbids``."""
    if not may(role, action):
        raise RoleForbids(f"a {role} may not {action}", role=role, action=action)
