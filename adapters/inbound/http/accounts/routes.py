"""All pages of accounts, added to the API of a process."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, Response

from adapters.inbound.http.accounts import (
    addresses,
    consenting,
    data,
    devices,
    homes,
    logging_out,
    outbox,
    overview,
    passkeys,
    security,
    services,
    sessions,
    signing_in,
    signing_up,
)
from adapters.inbound.http.accounts.parts import AccountPages
from adapters.inbound.http.accounts.rendering import ASSETS_PATH
from adapters.inbound.http.accounts.routing import For, Page, add

ANYBODY, RECENT = For.ANYBODY, For.RECENT
BEFORE_SIGN_IN: Sequence[Page] = (
    Page("/signup", signing_up.show_sign_up, signing_up.sign_up, ANYBODY, anonymous=True),
    Page("/mail-sent", signing_up.show_sent, whom=ANYBODY),
    Page("/signup/confirm", signing_up.show_confirm, signing_up.confirm, ANYBODY, anonymous=True),
    Page("/signin", signing_in.show, signing_in.submit, ANYBODY, anonymous=True),
    Page("/signin/code", signing_in.show_code, signing_in.submit_code, ANYBODY, anonymous=True),
    Page("/signin/passkey", None, signing_in.submit_passkey, ANYBODY, anonymous=True),
    Page("/password/forgot", signing_up.show_forgotten, signing_up.forgotten, ANYBODY,
         anonymous=True),
    Page("/password/reset", signing_up.show_reset, signing_up.reset, ANYBODY, anonymous=True),
    Page("/email/confirm", addresses.show_confirm, addresses.confirm, ANYBODY),
)  # fmt: skip
SIGNED_IN: Sequence[Page] = (
    Page("/signout", None, signing_in.sign_out, ANYBODY),
    Page("/signin/again", signing_in.show_again, signing_in.submit_again),
    Page("/signin/again/passkey", None, signing_in.submit_again_passkey),
    Page("/account", overview.show),
    Page("/account/email", addresses.show, addresses.submit, RECENT),
    Page("/account/security", security.show),
    Page("/account/security/password", None, security.change_password),
    Page("/account/security/totp", None, security.begin_totp, RECENT),
    Page("/account/security/totp/confirm", None, security.confirm_totp, RECENT),
    Page("/account/security/totp/off", None, security.end_totp, RECENT),
    Page("/account/security/recovery-codes", None, security.new_codes, RECENT),
    Page("/account/security/passkeys/add", passkeys.show_add, passkeys.add, RECENT),
    Page("/account/security/passkeys/remove", None, passkeys.remove, RECENT),
    Page("/account/sessions", sessions.show),
    Page("/account/sessions/end", None, sessions.end),
    Page("/account/sessions/end-others", None, sessions.end_others),
    Page("/account/services", services.show),
    Page("/account/services/unlink", None, services.unlink),
    Page("/account/data", data.show),
    Page("/account/data/download", None, data.download, RECENT),
    Page("/account/data/delete", None, data.delete, RECENT),
    Page("/account/data/keep", None, data.keep),
)
OF_CLIENTS: Sequence[Page] = (
    Page("/oauth2/authorize", consenting.show, None, ANYBODY, relayed=True),
    Page("/oauth2/consent", None, consenting.submit),
    Page("/oauth2/logout", logging_out.show, None, ANYBODY, relayed=True),
    Page("/oauth2/logout/confirm", None, logging_out.confirm),
    Page("/device", devices.show, devices.ask),
    Page("/device/confirm", None, devices.decide),
    Page("/device/done", devices.done),
)
OF_HOMES: Sequence[Page] = (
    Page("/account/homes", homes.show),
    Page("/account/homes/invite", None, homes.invite, RECENT),
    Page("/account/homes/withdraw", None, homes.withdraw),
    Page("/account/homes/role", None, homes.change_role, RECENT),
    Page("/account/homes/remove", None, homes.remove),
    Page("/account/homes/leave", None, homes.leave),
    Page("/account/homes/join", None, homes.join),
)
DEVELOPMENT: Sequence[Page] = (
    Page("/dev/outbox", outbox.show, whom=ANYBODY),
    Page("/dev/outbox/{mail_id}", outbox.show_one, whom=ANYBODY),
)
"""Only where mail stays on this machine."""
ASSET = f"{ASSETS_PATH}/{{digest}}/{{name}}"
ALL = (*BEFORE_SIGN_IN, *SIGNED_IN, *OF_CLIENTS, *OF_HOMES, *DEVELOPMENT)
PATHS = frozenset({ASSET, *(page.path for page in ALL)})


def mount(app: FastAPI, *, pages: AccountPages) -> None:
    served = [*BEFORE_SIGN_IN, *SIGNED_IN, *OF_CLIENTS]
    if pages.memberships is not None:
        served += OF_HOMES
    if pages.outbox is not None:
        served += DEVELOPMENT
    for page in served:
        add(app, pages, page)

    async def asset(digest: str, name: str) -> Response:
        return pages.renderer.asset(digest, name)

    app.add_api_route(ASSET, asset, methods=["GET", "HEAD"], include_in_schema=False)
