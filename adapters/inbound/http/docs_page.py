"""``/docs``: Swagger UI over ``/openapi.json``, served from here with files of a package.

Nothing is loaded from elsewhere, so it also works on a machine without Internet.
"""

from __future__ import annotations

from importlib.resources import files

import fastapi_swagger
from fastapi import FastAPI, Response

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
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}


def mount(app: FastAPI) -> None:
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
