"""The web page at ``/``: static files of this package, served with a strict content policy.

The address of an asset holds a digest over all of them, so that a browser may keep each for ever
and a module never meets one of another release. The page itself is always asked for again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Request, Response

ASSETS = Path(__file__).parent / "assets"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True)
class Page:
    """All files of one release, read once."""

    digest: str
    index: bytes
    assets: dict[str, bytes]

    @property
    def etag(self) -> str:
        return f'"{self.digest}"'


def read_page(folder: Path = ASSETS) -> Page:
    index = (folder / "index.html").read_text(encoding="utf-8")
    files = sorted(path for path in folder.iterdir() if path.suffix in MEDIA_TYPES)
    assets = {path.name: path.read_bytes() for path in files}
    whole = hashlib.sha256(index.encode())
    for name, content in assets.items():
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    digest = whole.hexdigest()[:16]
    modules = [name for name in assets if name.endswith(".js")]
    preloads = "\n    ".join(
        f'<link rel="modulepreload" href="{{{{assets}}}}/{name}">' for name in modules
    )
    page = index.replace("{{preloads}}", preloads).replace("{{assets}}", f"/assets/{digest}")
    return Page(digest, page.encode(), assets)


def mount(app: FastAPI) -> None:
    """Serve the page at ``/`` and what it loads below ``/assets/``; outside the OpenAPI schema."""
    page = read_page()

    async def index(request: Request) -> Response:
        headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": page.etag}
        if request.headers.get("if-none-match") == page.etag:
            return Response(status_code=304, headers=headers)
        return Response(page.index, media_type="text/html; charset=utf-8", headers=headers)

    async def asset(digest: str, name: str) -> Response:
        content = page.assets.get(name)
        if content is None:
            return Response(status_code=404, headers=HEADERS)
        # Another digest: the page came from a process of another release. Serve, but do not keep.
        same = digest == page.digest
        caching = "public, max-age=31536000, immutable" if same else "no-store"
        return Response(
            content,
            media_type=MEDIA_TYPES[Path(name).suffix],
            headers={**HEADERS, "Cache-Control": caching},
        )

    methods = ["GET", "HEAD"]
    app.add_api_route("/", index, methods=methods, include_in_schema=False)
    app.add_api_route("/assets/{digest}/{name}", asset, methods=methods, include_in_schema=False)
