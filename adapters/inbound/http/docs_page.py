"""``/docs``: Swagger UI over ``/openapi.json``, served from here with files of a package.

Nothing is loaded from elsewhere, so it also works on a machine without Internet.
"""

from __future__ import annotations

from functools import partial
from importlib.resources import files
from typing import Any, cast

from fastapi import FastAPI, Response

from adapters.inbound.http.problems import MEDIA_TYPE

INDEX = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Homecast API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
"""
START = """SwaggerUIBundle({url: "/openapi.json", dom_id: "#ui", deepLinking: true});
"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SCHEME = "bearer"
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}


def described(app: FastAPI) -> dict[str, Any]:
    """FastAPI's own description, that every operation below ``/v1`` takes a bearer token, and that
    problems have a media type of their own."""
    if app.openapi_schema is None:
        schema = FastAPI.openapi(app)
        schemes = schema.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes[SCHEME] = {"type": "http", "scheme": "bearer"}
        for operation in (one for path in schema["paths"].values() for one in path.values()):
            content = operation["responses"].get("default", {}).get("content", {})
            if "application/json" in content:
                content[MEDIA_TYPE] = content.pop("application/json")
        for path, operations in schema["paths"].items():
            for operation in operations.values() if path.startswith("/v1") else ():
                operation["security"] = [{SCHEME: []}]
    return cast("dict[str, Any]", app.openapi_schema)


def mount(app: FastAPI, *, page: bool = True) -> None:
    """The described ``/openapi.json``, and the page over it unless the API has no pages."""
    app.openapi = partial(described, app)  # type: ignore[method-assign]
    if page:
        mount_page(app)


def mount_page(app: FastAPI) -> None:
    import fastapi_swagger  # here, for without the page the package need not be there

    resources = files(fastapi_swagger) / "resources"
    served = {
        "start.js": (START.encode(), "text/javascript"),
        **{
            name: ((resources / name).read_bytes(), media_type)
            for name, media_type in (
                ("swagger-ui.css", "text/css"),
                ("swagger-ui-bundle.js", "text/javascript"),
            )
        },
    }

    async def index() -> Response:
        return Response(INDEX, media_type="text/html; charset=utf-8", headers=HEADERS)

    async def asset(name: str) -> Response:
        if name not in served:
            return Response(status_code=404, headers=HEADERS)
        content, media_type = served[name]
        caching = {"Cache-Control": "public, max-age=3600"}
        return Response(content, media_type=media_type, headers=HEADERS | caching)

    app.add_api_route("/docs", index, include_in_schema=False)
    app.add_api_route("/docs/{name}", asset, include_in_schema=False)
