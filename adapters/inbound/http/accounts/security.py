"""Password, authenticator app and recovery codes of who is signed in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import segno
from fastapi import Response

from adapters.inbound.http.accounts.visit import Visit
from adapters.inbound.http.accounts.wording import AT_LEAST, WEAK, WRONG_CODE, WRONG_PASSWORD
from commands.accounts import identity, second_factor
from commands.accounts.oauth.grants import revoke_own_apps
from commands.accounts.password_rules import WeakPassword
from commands.accounts.passwords import WrongCredentials
from commands.accounts.second_factor import EnrolmentOver, TotpIsOn, WrongCode

HERE = "/account/security"
GROUP = 4
"""Characters of a key that are read together."""


async def show(visit: Visit) -> Response:
    return await _page(visit)


async def _page(visit: Visit, errors: dict[str, str] | None = None) -> Response:
    account = await visit.pages.accounts.account(visit.me.account_id)
    return visit.page(
        "security.html",
        errors=errors,
        email=account.email,
        passkeys=[
            {
                "id": one.credential_id,
                "name": account.name_of(one.credential_id),
                "at": one.added_at,
            }
            for one in account.passkeys
        ],
        totp=account.totp,
        codes_left=account.recovery_codes_left,
        password_set_at=account.password_set_at,
        password_hint=AT_LEAST,
        here=HERE,
    )


async def change_password(visit: Visit) -> Response:
    try:
        device = await identity.change_password(
            visit.pages.accounts,
            visit.context,
            visit.me,
            current=visit.field("current"),
            new=visit.field("password"),
            visitor=visit.visitor,
            end_own_apps=partial(revoke_own_apps, visit.pages.oauth, visit.context),
        )
    except WrongCredentials:
        return await _page(visit, {"current": WRONG_PASSWORD})
    except WeakPassword as weak:
        return await _page(visit, {"password": WEAK[weak.extra["reason"]]})
    visit.knows_device(device)
    await visit.end_grants(but=visit.me.session_id)
    return visit.see_other(HERE, done="password-changed")


async def begin_totp(visit: Visit) -> Response:
    """By a form, for it makes a secret: the one shown before is void."""
    return await _enrolling(visit)


async def _enrolling(visit: Visit) -> Response:
    try:
        enrolment = await second_factor.begin_totp(visit.pages.accounts, visit.me)
    except TotpIsOn:
        return visit.see_other(HERE)
    secret = enrolment.secret
    picture = segno.make(enrolment.uri, error="m", micro=False)
    return visit.page(
        "totp.html",
        pictures=True,
        here=HERE,
        qr=picture.svg_data_uri(scale=4, border=2, light="#fff"),
        secret=" ".join(secret[at : at + GROUP] for at in range(0, len(secret), GROUP)),
    )


async def confirm_totp(visit: Visit) -> Response:
    try:
        codes = await second_factor.confirm_totp(
            visit.pages.accounts, visit.context, visit.me, visit.field("code").replace(" ", "")
        )
    except WrongCode:
        return visit.page("totp_again.html", here=HERE, errors={"code": WRONG_CODE})
    except (EnrolmentOver, TotpIsOn):
        return visit.see_other(HERE, done="enrolment-over")
    return _codes(visit, codes)


async def new_codes(visit: Visit) -> Response:
    try:
        codes = await second_factor.new_recovery_codes(
            visit.pages.accounts, visit.context, visit.me
        )
    except EnrolmentOver:
        return visit.see_other(HERE)
    return _codes(visit, codes)


def _codes(visit: Visit, codes: Sequence[str]) -> Response:
    """The answer of the form itself: they are kept nowhere that a page could read them from."""
    return visit.page("recovery_codes.html", codes=codes, here=HERE)


async def end_totp(visit: Visit) -> Response:
    await second_factor.disable_totp(visit.pages.accounts, visit.context, visit.me)
    return visit.see_other(HERE, done="totp-off")
