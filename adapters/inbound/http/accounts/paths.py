"""The addresses of the pages, without what it takes to make them: functions ask too (``auth``)."""

from __future__ import annotations

PAGES = frozenset(
    {
        "/account", "/account-assets/{digest}/{name}", "/account/data", "/account/data/delete",
        "/account/data/download", "/account/data/keep", "/account/email", "/account/homes",
        "/account/homes/invite", "/account/homes/join", "/account/homes/leave",
        "/account/homes/remove", "/account/homes/role", "/account/homes/withdraw",
        "/account/security",
        "/account/security/passkeys/add", "/account/security/passkeys/remove",
        "/account/security/password", "/account/security/recovery-codes", "/account/security/totp",
        "/account/security/totp/confirm", "/account/security/totp/off", "/account/services",
        "/account/services/unlink", "/account/sessions", "/account/sessions/end",
        "/account/sessions/end-others", "/dev/outbox", "/dev/outbox/{mail_id}", "/device",
        "/device/confirm", "/device/done", "/email/confirm", "/mail-sent", "/oauth2/authorize",
        "/oauth2/consent", "/oauth2/logout", "/oauth2/logout/confirm", "/password/forgot",
        "/password/reset", "/signin", "/signin/again", "/signin/again/passkey", "/signin/code",
        "/signin/passkey", "/signout", "/signup", "/signup/confirm",
    }
)  # fmt: skip
"""A test holds them beside the routes."""
