"""The web pages: the home at ``/``, the ads at ``/ads``. Static files of this package, served with
a strict content policy.

The address of an asset holds a digest over all of them, so that a browser may keep each for ever
and a module never meets one of another release. A page itself is always asked for again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response

ASSETS = Path(__file__).parent / "assets"
PAGES = {"/": "index.html", "/ads": "ads.html"}
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
METHODS = ["GET", "HEAD"]
PART = re.compile(r"^( *)\{\{part ([\w-]+)\}\}$", re.MULTILINE)
SCRIPT = re.compile(r'src="\{\{assets\}\}/([\w.-]+\.js)"')
IMPORT = re.compile(r'from "\./([\w.-]+)"')


def policy(*, media: bool = False, media_origin: str = "") -> str:
    """``media``: whether the page plays films; ``media_origin``: where films and posters come from
    beside this origin, if anywhere."""
    films = " ".join(("'self'", *filter(None, [media_origin])))
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            f"img-src {films} data:" if media else "img-src 'self' data:",
            *([f"media-src {films}"] if media else []),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def origin_of(url: str) -> str:
    """Scheme, host and port, for a content policy; empty for none. Raises ``ValueError``."""
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[\w.:\[\]-]+", parts.netloc):
        raise ValueError("films are served at an http address")
    return f"{parts.scheme}://{parts.netloc}"


def headers_of(content_policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": content_policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


@dataclass(frozen=True)
class Release:
    """All files of one release, read once. ``pages``: by their path."""

    digest: str
    pages: dict[str, bytes]
    assets: dict[str, bytes]

    @property
    def etag(self) -> str:
        return f'"{self.digest}"'


def read_release(folder: Path = ASSETS, pages: Mapping[str, str] = PAGES) -> Release:
    texts = {path: read_page(folder, name) for path, name in pages.items()}
    files = sorted(path for path in folder.iterdir() if path.suffix in MEDIA_TYPES)
    assets = {path.name: path.read_bytes() for path in files}
    whole = hashlib.sha256()
    for name, content in {**{p: text.encode() for p, text in texts.items()}, **assets}.items():
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    digest = whole.hexdigest()[:16]
    filled = {path: fill(text, digest, assets).encode() for path, text in texts.items()}
    return Release(digest, filled, assets)


def read_page(folder: Path, name: str) -> str:
    """With the parts that pages share put in, indented as the line that names them."""

    def part(found: re.Match[str]) -> str:
        text = (folder / "parts" / f"{found[2]}.html").read_text(encoding="utf-8")
        return "\n".join(found[1] + line if line else "" for line in text.splitlines())

    return PART.sub(part, (folder / name).read_text(encoding="utf-8"))


def fill(text: str, digest: str, assets: Mapping[str, bytes]) -> str:
    """The address of the assets, and a preload for each module that the page's script needs."""
    needed: list[str] = []
    ahead = SCRIPT.findall(text)
    while ahead:
        name = ahead.pop()
        if name in assets and name not in needed:
            needed.append(name)
            ahead += IMPORT.findall(assets[name].decode())
    preloads = "\n    ".join(
        f'<link rel="modulepreload" href="{{{{assets}}}}/{name}">' for name in sorted(needed)
    )
    return text.replace("{{preloads}}", preloads).replace("{{assets}}", f"/assets/{digest}")


def mount(app: FastAPI, *, media_url: str = "") -> None:
    """Serve the pages and what they load below ``/assets/``; outside the OpenAPI schema.

    ``media_url``: where films are served, if not by this origin. Raises ``ValueError``.
    """
    release = read_release()
    policies = {"/": policy(), "/ads": policy(media=True, media_origin=origin_of(media_url))}
    headers = headers_of(policy())

    async def asset(digest: str, name: str) -> Response:
        content = release.assets.get(name)
        if content is None:
            return Response(status_code=404, headers=headers)
        # Another digest: the page came from a process of another release. Serve, but do not keep.
        same = digest == release.digest
        caching = "public, max-age=31536000, immutable" if same else "no-store"
        return Response(
            content,
            media_type=MEDIA_TYPES[Path(name).suffix],
            headers={**headers, "Cache-Control": caching},
        )

    for path in release.pages:
        page = page_route(release, path, headers_of(policies[path]))
        app.add_api_route(path, page, methods=METHODS, include_in_schema=False)
    app.add_api_route("/assets/{digest}/{name}", asset, methods=METHODS, include_in_schema=False)


def page_route(
    release: Release, path: str, headers: dict[str, str]
) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        kept = {**headers, "Cache-Control": "no-cache", "ETag": release.etag}
        if request.headers.get("if-none-match") == release.etag:
            return Response(status_code=304, headers=kept)
        content = release.pages[path]
        return Response(content, media_type="text/html; charset=utf-8", headers=kept)

    return page
