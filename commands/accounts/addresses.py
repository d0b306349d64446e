"""E-mail addresses as people type them, and the one spelling that stands for all of them."""

from __future__ import annotations

import re
import unicodedata

import idna

from domain.kernel.errors import InvalidInput

LONGEST = 254
"""Characters of a path without its brackets (RFC 5321 section 4.5.3.1.3, erratum 1690)."""
LONGEST_LOCAL = 64
LONGEST_LABEL = 63
LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*")
LABEL = re.compile(r"[^\W_]([\w-]*[^\W_])?")


def normalise(email: str) -> str:
    """As it was typed, in NFC, without spaces around: mails go there.

    Quoted local parts and addresses of hosts in brackets are refused, though RFC 5321 has them.
    Raises ``InvalidInput``, which does not quote the address.
    """
    address = unicodedata.normalize("NFC", email.strip())
    local, at, domain = address.rpartition("@")
    labels = domain.removesuffix(".").split(".")
    fits = len(address.encode()) <= LONGEST and len(local.encode()) <= LONGEST_LOCAL
    if not (at and fits and LOCAL.fullmatch(local) and _is_domain(labels)):
        raise InvalidInput("this is no e-mail address", field="email")
    domain = ".".join(labels)
    try:
        ascii_domain(domain)
    except ValueError as error:
        raise InvalidInput("this is no e-mail address", field="email") from error
    return f"{local}@{domain}"


def folded(address: str) -> str:
    """The one spelling that stands for all of them: in lower case, the domain as punycode.

    No more is folded (``ss`` is not ``\N{LATIN SMALL LETTER SHARP S}``): that would be another
    person's mailbox.
    """
    local, at, domain = unicodedata.normalize("NFC", address).rpartition("@")
    try:
        domain = ascii_domain(domain)
    except ValueError:
        domain = domain.lower()
    return f"{unicodedata.normalize('NFC', local.lower())}{at}{domain}"


def ascii_domain(domain: str) -> str:
    """In lower case, as the DNS has it (IDNA 2008, RFC 5891). Raises ``ValueError``."""
    if domain.isascii():
        return domain.lower()
    return idna.encode(domain, uts46=True).decode()


def _is_domain(labels: list[str]) -> bool:
    return len(labels) > 1 and all(
        len(label) <= LONGEST_LABEL and "_" not in label and LABEL.fullmatch(label)
        for label in labels
    )
