"""Whatever is sent, the answer is a problem and never a failure of ours."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.http.world import Client, DeviceKey, World

texts = st.text(st.characters(exclude_categories=()), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
commands = st.sampled_from(["OnOff.On", "LevelControl.MoveToLevel", "OnOff", "."]) | texts
submits = st.fixed_dictionaries(
    {"command": commands},
    optional={
        "args": st.dictionaries(st.sampled_from(["level", "transition_time"]) | texts, values),
        "ttl": values,
        "execution_timeout": values,
        "collapse_key": values,
    },
)
claims = st.fixed_dictionaries(
    {"name": values, "kind": st.sampled_from(["door_lock", "x"]), "proof": values},
    optional={"capabilities": values},
)
headers = st.dictionaries(
    st.sampled_from(["Idempotency-Key", "If-Match", "X-Correlation-ID", "Last-Event-ID",
                     "X-Amzn-Trace-Id", "Content-Type", "Consistency-Token"]),
    st.binary(max_size=80).filter(lambda b: not {0, 10, 13} & set(b)),
    max_size=3,
)  # fmt: skip
paths = st.sampled_from(
    ["/v1/devices", "/v1/devices/{}", "/v1/devices/{}/commands", "/v1/devices/{}/lost",
     "/v1/devices/{}/commands/1", "/v1/devices/{}/commands/2", "/v1/devices/{}/commands/2/cancel"]
)  # fmt: skip


def as_json(content: Any) -> bytes:
    """JSON as loosely as Python writes it: NaN, lone surrogates, huge integers."""
    return json.dumps(content).encode()


def sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def is_no_number(text: str) -> bool:
    """A number would be a wait."""
    return not text.strip().isdigit()


names = st.sampled_from(["wait", "limit", "cursor", "status"])
bodies = st.binary(max_size=200) | values.map(as_json) | submits.map(as_json) | claims.map(as_json)


@settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE"]),
    path=paths,
    body=bodies,
    extra=headers,
    query=st.dictionaries(names, texts.map(sendable).filter(is_no_number), max_size=2),
)
def test_no_request_makes_the_platform_fail(
    method: str, path: str, body: bytes, extra: dict[str, bytes], query: dict[str, str]
) -> None:
    async def send() -> None:
        world = World()
        async with world.app() as app:
            client = Client(app, await world.token())
            key = DeviceKey()
            assert (await client.claim(key)).status_code == 201
            await client.submit(key.id)
            sent = {b"content-type": b"application/json"}
            sent |= {name.lower().encode(): value for name, value in extra.items()}
            response = await client.http.request(
                method, path.format(key.id), content=body, headers=sent, params=query
            )
            assert response.status_code < 500, response.text
            if response.status_code >= 400:
                assert response.headers["content-type"] == "application/problem+json"
                assert orjson.loads(response.content)["status"] == response.status_code

    asyncio.run(send())
