"""What the demo does with the broker: configures it, asks for ads as a player would, plays them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httpx

from adapters.inbound.cli.ad_demo.documents import PATHS

SECONDS_BETWEEN_BREAKS = 15.0
MOST_CALLS = 200
"""Of one break."""
PRICE = {"match": "any", "cpm": "8.50", "currency": "EUR"}
CALLS = re.compile(
    r"<(?:Impression|Tracking)\b[^>]*>\s*(?:<!\[CDATA\[)?(https?://127\.0\.0\.1[^\]<\s]+)"
)


def brokers(broker_url: str) -> dict[str, dict[str, Any]]:
    """By name; ``demo`` has one ad of every kind."""
    slate = f"{broker_url}/films/slate.mp4"
    found: dict[str, dict[str, Any]] = {
        f"demo-{path.rpartition('/')[2]}": {"url": f"{broker_url}{path}?cb=[CACHEBUSTING]"}
        for path in PATHS
        if path.startswith("/vast/") and path not in ("/vast/any", "/vast/inner")
    }
    found["demo"] = {"url": f"{broker_url}/vast/any?cb=[CACHEBUSTING]"}
    found["demo-slow"] = {"url": f"{broker_url}/vast/slow"}
    found["demo-vmap"] = {"url": f"{broker_url}/vmap", "format": "vmap"}
    return {name: one | {"prices": [PRICE], "slate": slate} for name, one in found.items()}


async def configure(api: httpx.AsyncClient, broker_url: str) -> None:
    """The same again changes nothing. Raises ``httpx.HTTPError``."""
    for name, config in brokers(broker_url).items():
        answer = await api.put(f"/v1/brokers/{name}", json=config)
        answer.raise_for_status()


async def watch_ads(api: httpx.AsyncClient, say: Callable[[str], None]) -> None:
    """Ask for a break every now and then, and play what is in it; until it is cancelled. What keeps
    it from that is said once, and it goes on asking."""
    said = ""
    async with httpx.AsyncClient(timeout=5, trust_env=False) as player:
        while True:
            try:
                line = await one_break(api, player)
            except httpx.HTTPStatusError as error:
                line = f"ad break of demo: the API answers {error.response.status_code}"
            except httpx.HTTPError as error:
                line = f"ad break of demo: no answer ({type(error).__name__})"
            if line != said:
                say(line)
                said = line
            await asyncio.sleep(SECONDS_BETWEEN_BREAKS)


async def one_break(api: httpx.AsyncClient, player: httpx.AsyncClient) -> str:
    answer = await api.get("/v1/brokers/demo/vast", params={"service": "demo-tv"})
    answer.raise_for_status()
    status = answer.headers["Homecast-Ad-Status"].split(";")
    told = dict(part.partition("=")[::2] for part in status)
    for url in CALLS.findall(answer.text)[:MOST_CALLS]:
        await player.get(url)
    filled, left_out = told.get("filled", "0"), told.get("left-out", "0")
    return f"ad break of demo: {filled} ads played, {left_out} left out until they are ready"
