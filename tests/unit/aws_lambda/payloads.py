"""Golden events as AWS sends them (shapes of the Lambda developer guide), and a context."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).parent / "payloads"
GOLDEN = Path(__file__).parents[2] / "golden"


@dataclass
class FakeContext:
    """As Lambda gives it: the time that is left gets less."""

    seconds: float = 20.0
    aws_request_id: str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    _since: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round((self.seconds - (time.monotonic() - self._since)) * 1000))


def payload(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return loaded


def golden_event(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return loaded


def api_event(method: str = "GET", path: str = "/v1/devices", **more: Any) -> dict[str, Any]:
    """``headers`` add to those that are there."""
    event = payload("api_gateway_v2")
    event["requestContext"]["http"] |= {"method": method, "path": path}
    headers = event["headers"] | more.pop("headers", {})
    return event | {"rawPath": path, "headers": headers} | more


def sqs_event(*messages: tuple[str, str], queue: str = "homecast-dev-inbox.fifo") -> dict[str, Any]:
    """``messages``: group and body; their ids are ``m1``, ``m2``, …"""
    (record,) = payload("sqs_fifo")["Records"]
    records = []
    for number, (group, body) in enumerate(messages, start=1):
        one = copy.deepcopy(record) | {"messageId": f"m{number}", "body": body}
        one["attributes"]["MessageGroupId"] = group
        one["eventSourceARN"] = f"arn:aws:sqs:eu-central-1:123456789012:{queue}"
        records.append(one)
    return {"Records": records}


def stream_event(*streams: str, context: str = "devices") -> dict[str, Any]:
    """An inserted event for each name, numbered within its stream; sequence numbers ``1``, ``2``"""
    (record,) = payload("dynamodb_stream")["Records"]
    records = []
    for number, stream in enumerate(streams, start=1):
        one = copy.deepcopy(record)
        version = {"N": str(streams[:number].count(stream))}
        key = {"stream": {"S": f"lane-{stream}"}, "version": version}
        one["dynamodb"] |= {"SequenceNumber": str(number), "Keys": key}
        one["dynamodb"]["NewImage"] |= key
        one["eventSourceARN"] = one["eventSourceARN"].replace("-devices-", f"-{context}-")
        records.append(one)
    return {"Records": records}
