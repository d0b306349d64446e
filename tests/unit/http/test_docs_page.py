"""The documentation page: complete, from here, and with a place for the token."""

from __future__ import annotations

import re

from tests.unit.http.world import Client


async def test_every_operation_below_v1_takes_a_bearer_token_and_no_other(client: Client) -> None:
    document = (await client.http.get("/openapi.json")).json()
    (scheme,) = document["components"]["securitySchemes"].items()
    assert scheme == ("bearer", {"type": "http", "scheme": "bearer"})
    for path, operations in document["paths"].items():
        for operation in operations.values():
            needed: object = [{"bearer": []}] if path.startswith("/v1") else None
            assert operation.get("security") == needed, path


async def test_the_page_loads_only_what_is_served_here(client: Client) -> None:
    page = await client.http.get("/docs")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 3
    for address in loaded:
        assert address.startswith("/docs/")
        assert (await client.http.get(address)).status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_other_names_below_the_page_do_not_exist(client: Client) -> None:
    assert (await client.http.get("/docs/swagger-ui.js")).status_code == 404
