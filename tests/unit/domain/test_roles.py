"""The table of roles, cell by cell."""

from __future__ import annotations

import pytest

from domain.devices.roles import ALLOWED, Action, Role, RoleForbids, may, require

TABLE = {
    Action.LIST_DEVICES: "omg",
    Action.READ_DEVICE: "omg",
    Action.READ_OWN_COMMAND: "omg",
    Action.SEE_HISTORY: "om",
    Action.SEND_COMMAND: "omg",
    Action.CANCEL_OWN_COMMAND: "omg",
    Action.CANCEL_ANY_COMMAND: "om",
    Action.WATCH_LIVE: "omg",
    Action.RENAME_DEVICE: "om",
    Action.CLAIM_DEVICE: "o",
    Action.RELEASE_DEVICE: "o",
    Action.REPORT_LOST: "o",
    Action.SEE_MEMBERS: "om",
    Action.MANAGE_MEMBERS: "o",
}


def test_the_table_has_every_role_and_every_action() -> None:
    assert set(ALLOWED) == set(Role)
    assert set(TABLE) == set(Action)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_a_role_may_what_its_cell_says_and_nothing_else(role: Role, action: Action) -> None:
    allowed = role.value[0] in TABLE[action]
    assert may(role, action) is allowed
    if allowed:
        require(role, action)
        return
    with pytest.raises(RoleForbids) as raised:
        require(role, action)
    assert raised.value.extra == {"role": role, "action": action}
