"""The cookies of the pages: the session, the browser before it is signed in, and the device.

``__Host-`` (RFC 6265bis section 4.1.3.2) keeps other hosts of the same site from setting them; it
needs https, so that on the loopback they have plain names.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from fastapi import Request, Response

SESSION_FOR = timedelta(days=30)
DEVICE_FOR = timedelta(days=400)
"""As long as browsers keep any cookie."""
VALUE = re.compile(r"[A-Za-z0-9._~-]{1,2048}")


@dataclass(frozen=True)
class Cookie:
    """``lasts`` None: until the browser is closed."""

    name: str
    lasts: timedelta | None = None


SESSION = Cookie("homecast", SESSION_FOR)
BEFORE = Cookie("homecast-before")
PENDING = Cookie("homecast-code", timedelta(minutes=10))
"""The password was right; a code is still to come."""
DEVICE = Cookie("homecast-device", DEVICE_FOR)


class Cookies:
    """``issuer``: the address of the pages, which says whether they come by https."""

    def __init__(self, issuer: str) -> None:
        self.secure = urlsplit(issuer).scheme == "https"

    def name(self, cookie: Cookie) -> str:
        return f"__Host-{cookie.name}" if self.secure else cookie.name

    def get(self, request: Request, cookie: Cookie) -> str | None:
        """None also for what we never set."""
        value = request.cookies.get(self.name(cookie))
        return value if value and VALUE.fullmatch(value) else None

    def put(self, response: Response, cookie: Cookie, value: str) -> None:
        response.set_cookie(
            self.name(cookie),
            value,
            max_age=int(cookie.lasts.total_seconds()) if cookie.lasts else None,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def drop(self, response: Response, cookie: Cookie) -> None:
        response.delete_cookie(
            self.name(cookie), path="/", secure=self.secure, httponly=True, samesite="lax"
        )


def new_value() -> str:
    return secrets.token_urlsafe(32)
