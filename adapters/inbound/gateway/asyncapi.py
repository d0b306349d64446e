"""The device protocol as an AsyncAPI 3.0 document, from the same models that check the messages.

``python -m adapters.inbound.gateway.asyncapi`` writes ``docs/asyncapi.yaml``.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from adapters.inbound.gateway.protocol import (
    MAX_MESSAGE,
    PATH,
    SUBPROTOCOL,
    Close,
    FromDevice,
    ToDevice,
)

FILE = Path("docs/asyncapi.yaml")
HEAD = "# Generated from adapters/inbound/gateway/protocol.py: make docs\n"
FROM_DEVICE: tuple[type[BaseModel], ...] = get_args(FromDevice)
TO_DEVICE: tuple[type[BaseModel], ...] = get_args(ToDevice)
DESCRIPTION = f"""\
WebSocket, subprotocol {SUBPROTOCOL}. Text messages of JSON, at most {MAX_MESSAGE // 1024} KB each;
unknown fields are refused. The rules stand in docs/device-protocol.md."""


def document() -> dict[str, Any]:
    schemas = _schemas()
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Homecast devices", "version": "1", "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {"gateway": _server()},
        "channels": {"device": _channel()},
        "operations": {
            "fromDevice": _operation("receive", FROM_DEVICE),
            "toDevice": _operation("send", TO_DEVICE),
        },
        "components": {
            "messages": {_name(model): _message(model) for model in (*FROM_DEVICE, *TO_DEVICE)},
            "schemas": schemas,
            "securitySchemes": {"deviceToken": _security()},
        },
        "x-close-codes": {int(code): code.name for code in Close},
    }


def _name(model: type[BaseModel]) -> str:
    return model.__name__.lower()


def _schemas() -> dict[str, Any]:
    models = [(model, "validation") for model in (*FROM_DEVICE, *TO_DEVICE)]
    _, found = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: dict[str, Any] = found["$defs"]
    for schema in schemas.values():
        schema["required"] = sorted({"type", *schema.get("required", [])})
    return schemas


def _server() -> dict[str, Any]:
    return {
        "host": "{host}",
        "protocol": "wss",
        "variables": {"host": {"description": "Name of the gateway", "default": "localhost"}},
        "security": [{"$ref": "#/components/securitySchemes/deviceToken"}],
    }


def _security() -> dict[str, Any]:
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "EdDSA, signed with the device's key: iss (device id), "
        "aud homecast:connect, iat, exp (at most ten minutes later), jti",
    }


def _channel() -> dict[str, Any]:
    return {
        "address": PATH,
        "messages": {
            _name(model): {"$ref": f"#/components/messages/{_name(model)}"}
            for model in (*FROM_DEVICE, *TO_DEVICE)
        },
        "bindings": {"ws": {"method": "GET"}},
    }


def _operation(action: str, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/device"},
        "messages": [{"$ref": f"#/channels/device/messages/{_name(model)}"} for model in models],
    }


def _message(model: type[BaseModel]) -> dict[str, Any]:
    return {
        "name": _name(model),
        "summary": inspect.getdoc(model),
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }


def to_yaml(document: dict[str, Any]) -> str:
    """YAML of maps, lists and JSON's scalars (every JSON string is a YAML one)."""
    return HEAD + "\n".join(_lines(document, 0)) + "\n"


def _lines(value: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    pairs = value.items() if isinstance(value, dict) else ((None, one) for one in value)
    for key, one in pairs:
        lead = f"{indent}-" if key is None else f"{indent}{_key(key)}:"
        if isinstance(one, dict | list) and one:
            yield lead
            yield from _lines(one, depth + 1)
        else:
            yield f"{lead} {json.dumps(one, ensure_ascii=False)}"


def _key(key: Any) -> str:
    text = str(key)
    return text if text.replace("-", "").replace("_", "").isalnum() else json.dumps(text)


if __name__ == "__main__":
    FILE.write_text(to_yaml(document()))
