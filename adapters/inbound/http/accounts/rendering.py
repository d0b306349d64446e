"""Templates and assets: read and compiled once, and the headers that every page has.

Nothing of another origin, no inline script or style, no frame around a page, no referrer (addresses
hold tokens of mails), nothing kept by caches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from adapters.inbound.http.accounts import words

FOLDER = Path(__file__).parent
TEMPLATES, ASSETS = FOLDER / "templates", FOLDER / "assets"
ASSETS_PATH = "/account-assets"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HSTS = "max-age=63072000"
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def policy(*, pictures: bool = False) -> str:
    """``pictures``: the page shows one that stands in the page itself (a QR code).

    ``form-action`` holds for redirects after a form too, whatever chain of them a client makes; so
    no form is answered by a redirect to another origin, but by a page that leads on (``onward``).
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self'{' data:' if pictures else ''}",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def security_headers(*, secure: bool, pictures: bool = False) -> dict[str, str]:
    hsts = {"Strict-Transport-Security": HSTS} if secure else {}
    return {**ALWAYS, **hsts, "Content-Security-Policy": policy(pictures=pictures)}


class Renderer:
    """``secure``: pages come by https. Raises ``jinja2.TemplateError`` for a broken template."""

    def __init__(self, *, secure: bool) -> None:
        self.secure = secure
        files = sorted(path for path in ASSETS.iterdir() if path.suffix in MEDIA_TYPES)
        self.assets = {path.name: path.read_bytes() for path in files}
        self.digest = _digest(self.assets)
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["assets"] = f"{ASSETS_PATH}/{self.digest}"
        self._environment.filters["day"] = words.day
        self._environment.filters["moment"] = words.moment
        self._environment.filters["ago"] = words.ago
        names = self._environment.list_templates()
        self._templates = {name: self._environment.get_template(name) for name in names}

    def page(
        self, name: str, values: Mapping[str, Any], *, status: int = 200, pictures: bool = False
    ) -> Response:
        headers = security_headers(secure=self.secure, pictures=pictures)
        return Response(
            self._templates[name].render(values),
            status,
            {**headers, "Cache-Control": "no-store"},
            media_type="text/html; charset=utf-8",
        )

    def asset(self, digest: str, name: str) -> Response:
        content = self.assets.get(name)
        headers = security_headers(secure=self.secure)
        if content is None:
            return Response(status_code=404, headers=headers)
        # Another digest: the page came from a process of another release. Serve, but do not keep.
        same = digest == self.digest
        caching = "public, max-age=31536000, immutable" if same else "no-store"
        return Response(
            content,
            media_type=MEDIA_TYPES[Path(name).suffix],
            headers={**headers, "Cache-Control": caching},
        )


def _digest(assets: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name, content in assets.items():
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()[:16]
