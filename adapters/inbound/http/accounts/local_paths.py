"""Where a person may be sent on to after a form: a path of this platform and nothing else."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

LONGEST = 16_000
"""Characters; a request of a client may have 12,000, and comes along in encoded form."""
PLAIN = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/?%#-]*")
"""Characters of a path and a query (RFC 3986); no backslash, no space, no control character."""
HOME = "/account"


def is_local(text: str) -> bool:
    """Whether every browser takes ``text`` for a path of this origin, decoded or not.

    ``//host``, ``/\\host`` and their encoded forms name another host to some reader or other.
    """
    if len(text) > LONGEST or text.startswith("//") or PLAIN.fullmatch(text) is None:
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    path = unquote(unquote(parts.path))
    hidden = path.startswith(("//", "/\\")) or "\\" in path or not path.isprintable()
    dotted = any(segment in (".", "..") for segment in path.split("/"))
    return not (parts.scheme or parts.netloc or hidden or dotted)


def local_path(text: str | None, *, default: str = HOME) -> str:
    """``text`` where it is local, else ``default``."""
    return text if text and is_local(text) else default
