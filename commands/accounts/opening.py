"""Opening an account for somebody, by an operator: no mail is sent, so the operator answers for
the address. Its id may be one that tokens and devices are known by already."""

from __future__ import annotations

import re
import secrets

from commands.accounts.addresses import normalise
from commands.accounts.parts import Parts, carry_out
from commands.accounts.passwords import write_password
from commands.accounts.tokens import ACCOUNT as ACCOUNT_ID
from commands.kernel.dispatch import Unit
from domain.accounts import account as accounts
from domain.accounts import email_address
from domain.accounts.account import ACCOUNT
from domain.accounts.email_address import EMAIL_ADDRESS
from domain.kernel.errors import InvalidInput
from domain.kernel.recorded import Context

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that are taken for one another."""
GROUPS, IN_GROUP = 4, 5


def new_password() -> str:
    """To be read and typed; 20 characters of 31, so 99 random bits."""
    groups = ("".join(secrets.choice(LETTERS) for _ in range(IN_GROUP)) for _ in range(GROUPS))
    return "-".join(groups)


async def open_account(
    parts: Parts, context: Context, *, email: str, password: str, account_id: str | None = None
) -> str:
    """The account, its address and its password, in one commit; its id.

    Raises ``InvalidInput``, ``WeakPassword``, ``EmailTaken``, ``AccountExists``,
    ``SubjectForgotten`` and ``Busy``.
    """
    address = normalise(email)
    if account_id is not None and re.fullmatch(ACCOUNT_ID, account_id) is None:
        raise InvalidInput("an account id is a ULID", field="account_id")
    hashed = await parts.passwords.hash(parts.rules.accept(password, email=address))
    email_hash, mine = parts.keys.email_hash(address), account_id or parts.ids.new()

    async def decide(unit: Unit) -> None:
        reserved = await unit.load(EMAIL_ADDRESS, email_hash)
        account = await unit.load(ACCOUNT, mine)
        unit.append(reserved, email_address.reserve(reserved, account_id=mine, at=unit.at))
        carry_out(
            unit,
            ACCOUNT,
            account,
            lambda state: accounts.open_account(
                state, account_id=mine, email=address, email_hash=email_hash, at=unit.at
            ),
            lambda state: accounts.set_password(state, how="sign_up", at=unit.at),
        )
        write_password(unit, None, mine, hashed)

    await parts.dispatcher.execute(context, decide)
    return mine
