"""What the mails say: a subject, some paragraphs, and at most one link; as text and as HTML.

Plain enough for every reader: no picture, no tracking, nothing loaded from anywhere. Parameters are
put in as text: in HTML they are escaped, and a subject has one line.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

from commands.accounts.mail import MailKind
from commands.accounts.ports import Mail

LONGEST_VALUE = 2000
NOT_YOU = (
    "If this was not you, somebody else may know your password: sign in, change it, and end the"
    " sessions that you do not know."
)
IGNORE = "If you did not ask for this, you can ignore this mail: nothing changes."


@dataclass(frozen=True)
class Template:
    """``link``: what its button says; the address is the parameter ``link``."""

    subject: str
    paragraphs: tuple[str, ...]
    link: str = ""


TEMPLATES: Mapping[MailKind, Template] = {
    "sign_up": Template(
        "Finish your sign-up",
        (
            "Somebody, probably you, wants to make a Homecast account with this address.",
            "Choose a password to finish. The link works once, for 24 hours.",
            IGNORE,
        ),
        "Choose a password",
    ),
    "already_registered": Template(
        "You have an account already",
        (
            "Somebody, probably you, wanted to sign up with this address. It has a Homecast"
            " account already, so just sign in.",
            "If you do not know the password any more, choose a new one. The link works once, for"
            " one hour.",
            IGNORE,
        ),
        "Choose a new password",
    ),
    "password_reset": Template(
        "Choose a new password",
        (
            "Somebody, probably you, wants a new password for the Homecast account of this"
            " address.",
            "The link works once, for one hour. All browsers will be signed out.",
            IGNORE,
        ),
        "Choose a new password",
    ),
    "no_account": Template(
        "There is no account with this address",
        (
            "Somebody, probably you, wants a new password for the Homecast account of this"
            " address. But it has none: perhaps you signed up with another address.",
            "You can make an account now. The link works once, for 24 hours.",
            IGNORE,
        ),
        "Make an account",
    ),
    "password_changed": Template(
        "Your password was changed",
        (
            "The password of your Homecast account was changed, and other browsers were signed"
            " out.",
            "If this was not you, ask for a new password at once on the sign-in page.",
        ),
        "Look at your account",
    ),
    "email_change": Template(
        "Confirm your new address",
        (
            "Somebody, probably you, wants to use this address for a Homecast account.",
            "The link works once, for one hour, in the browser where this was asked for.",
            IGNORE,
        ),
        "Use this address",
    ),
    "email_change_taken": Template(
        "This address has an account already",
        (
            "Somebody, probably you, wanted to use this address for another Homecast account. It"
            " has an account of its own, so that is not possible.",
            IGNORE,
        ),
        "Sign in with this address",
    ),
    "email_change_requested": Template(
        "Your address is to be changed",
        (
            "Your Homecast account is to have another e-mail address. Until the new address is"
            " confirmed, nothing changes.",
            NOT_YOU,
        ),
        "Look at your account",
    ),
    "email_changed": Template(
        "Your address was changed",
        (
            "Your Homecast account has another e-mail address now; this is the last mail to this"
            " one.",
            "If this was not you, answer to the people who run this platform at once.",
        ),
    ),
    "totp_enabled": Template(
        "Your authenticator app is set up",
        ("From now on, signing in with your password also takes a code of your app.", NOT_YOU),
        "Look at your account",
    ),
    "totp_disabled": Template(
        "Your authenticator app was removed",
        ("From now on, your password alone is enough to sign in.", NOT_YOU),
        "Look at your account",
    ),
    "recovery_codes_issued": Template(
        "You have new recovery codes",
        ("New recovery codes were made for your account; the old ones are void.", NOT_YOU),
        "Look at your account",
    ),
    "recovery_code_used": Template(
        "A recovery code was used",
        (
            "Somebody, probably you, signed in with a recovery code. Codes that are left: {left}.",
            NOT_YOU,
        ),
        "Look at your account",
    ),
    "passkey_added": Template(
        "A passkey was added",
        ("Your account has a new passkey: {name}.", NOT_YOU),
        "Look at your account",
    ),
    "passkey_removed": Template(
        "A passkey was removed",
        ("Your account does not have this passkey any more: {name}.", NOT_YOU),
        "Look at your account",
    ),
    "sign_in_notice": Template(
        "New sign-in to your account",
        (
            "Somebody, probably you, signed in to your Homecast account with a browser that we do"
            " not know yet.",
            "Time: {at}\nIP address: {address} {country}\nBrowser: {agent}",
            NOT_YOU,
        ),
        "Look at your account",
    ),
    "codes_locked": Template(
        "Wrong codes for your account",
        (
            "Somebody who knows the password of your Homecast account entered so many wrong codes"
            " that no code is accepted until {until}.",
            "If this was not you, choose a new password: yours is known to somebody else.",
        ),
        "Look at your account",
    ),
    "deletion_requested": Template(
        "Your account will be deleted",
        (
            "Your Homecast account is to be deleted, with all that belongs to it, on {due}.",
            "Until then everything works, and you can call it off: sign in and choose to keep the"
            " account.",
        ),
        "Keep the account",
    ),
    "deletion_canceled": Template(
        "Your account stays",
        ("The deletion of your Homecast account was called off.", NOT_YOU),
        "Look at your account",
    ),
    "invitation": Template(
        "You are invited to a home",
        (
            "{inviter} invites you to a home on Homecast, as {role}.",
            "Sign in, or make an account with this address, to accept. The link works until"
            " {until}.",
            "If you do not know {inviter}, you can ignore this mail.",
        ),
        "Look at the invitation",
    ),
}


def render(mail_id: str, to: str, kind: MailKind, parameters: Mapping[str, str]) -> Mail:
    """Raises ``KeyError`` for a parameter that the template needs and does not get."""
    template = TEMPLATES[kind]
    values = {name: value[:LONGEST_VALUE] for name, value in parameters.items()}
    link = values["link"] if template.link else ""
    paragraphs = [one.format_map(values) for one in template.paragraphs]
    return Mail(
        id=mail_id,
        to=to,
        subject=" ".join(template.subject.format_map(values).split()),
        text=_text(paragraphs, template.link, link),
        html=_html(template, values, link),
    )


def _text(paragraphs: list[str], label: str, link: str) -> str:
    parts = [*paragraphs]
    if link:
        parts.insert(1, f"{label}:\n{link}")
    return "\n\n".join(("Hello,", *parts, "Homecast")) + "\n"


def _html(template: Template, values: Mapping[str, str], link: str) -> str:
    escaped = {name: html.escape(value) for name, value in values.items()}
    parts = [
        f"<p>{one.format_map(escaped)}</p>".replace("\n", "<br>") for one in template.paragraphs
    ]
    if link:
        parts.insert(1, f'<p><a href="{html.escape(link)}">{template.link}</a></p>')
    title = html.escape(template.subject)
    body = "\n".join(("<p>Hello,</p>", *parts, "<p>Homecast</p>"))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title></head>\n"
        f'<body style="font-family: sans-serif; line-height: 1.5">\n{body}\n</body></html>\n'
    )
