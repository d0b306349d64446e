"""E-mail addresses as people type them, and the one spelling that stands for all of them."""

from __future__ import annotations

import re
import unicodedata

from domain.kernel.errors import InvalidInput

LONGEST = 254
"""Characters of a path without its brackets (RFC 5321 section 4.5.3.1.3, erratum 1690)."""
LONGEST_LOCAL = 64
LONGEST_LABEL = 63
LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*")
LABEL = re.compile(r"[^\W_]([\w-]*[^\W_])?")


def normalise(email: str) -> str:
    """NFC, in lower case, without spaces around; the domain as it is written, not as punycode.

    Quoted local parts and addresses of hosts in brackets are refused, though RFC 5321 has them.
    Raises ``InvalidInput``, which does not quote the address.
    """
    address = unicodedata.normalize("NFC", email.strip()).casefold()
    address = unicodedata.normalize("NFC", address)
    local, at, domain = address.rpartition("@")
    labels = domain.removesuffix(".").split(".")
    fits = len(address.encode()) <= LONGEST and len(local.encode()) <= LONGEST_LOCAL
    if not (at and fits and LOCAL.fullmatch(local) and _is_domain(labels)):
        raise InvalidInput("this is no e-mail address", field="email")
    return f"{local}@{'.'.join(labels)}"


def _is_domain(labels: list[str]) -> bool:
    return len(labels) > 1 and all(
        len(label) <= LONGEST_LABEL and "_" not in label and LABEL.fullmatch(label)
        for label in labels
    )
