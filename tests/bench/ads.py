"""Ad breaks over HTTP, all films ready: what the API adds to the broker's own time.

The broker is a bare server in this process that answers at once with VAST of 1 or of 10 ads, and
callers keep their connections. **Over the broker** is the median of an ad request less the median
of the same document asked of the broker directly, one caller at a time. Requests a second are those
of eight callers at once; processor time is the API's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import aiohttp

from adapters.bootstrap.core import Core, core
from adapters.bootstrap.operators import operator
from adapters.vast import parse
from commands.accounts.tokens import ADS_MANAGE, ADS_REQUEST, issue_token
from commands.kernel.dispatch import Unit
from commands.media import creatives
from commands.media.creatives import RecordFetched
from domain.kernel.recorded import Context
from domain.media import creative as decisions
from domain.media.creative import CREATIVE
from domain.media.identity import CreativeId, identity_of
from domain.media.ladder import LADDER
from tests.bench.markdown import aim, table
from tests.bench.processes import CpuMeter
from tests.bench.sizes import Sizes
from tests.support.events import RENDITION, SOURCE
from tests.support.platform import Platform
from tests.support.vast import document, inline
from tests.support.waiting import eventually

PROCESSES = ("api", "relay", "projector")
CALLERS = 8
MOST_MS = 3.0
CONTEXT = Context("bench", "bench", "bench")
ACCOUNT = "01KA0000000000000000000009"


@dataclass(frozen=True)
class Break:
    """Milliseconds, but for ``a_second``; ``cpu``: of the API, for each request."""

    ads: int
    requests: int
    alone: float
    broker: float
    a_second: float
    cpu: float


@dataclass(frozen=True)
class AdBreaks:
    breaks: list[Break]


async def measure(directory: Path, sizes: Sizes) -> AdBreaks:
    requests = 200 if sizes.quick else 2_000
    async with AsyncExitStack() as stack:
        bodies = {f"/{ads}": vast(ads) for ads in (1, 10)}
        host = await stack.enter_async_context(broker(bodies))
        extra = {"HOMECAST_ALLOWED_PRIVATE_HOSTS": host}
        platform = Platform(directory, processes=PROCESSES, extra=extra)
        await stack.enter_async_context(platform)
        token = await make_ready(platform, 10)
        headers = {"Authorization": f"Bearer {token}"}
        session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        found = []
        for ads in (1, 10):
            config = {"url": f"http://{host}/{ads}"}
            url = f"{platform.api_url}/v1/brokers/bench-{ads}"
            async with session.put(url, json=config) as answer:
                assert answer.status == 200, await answer.text()
            found.append(await compared(session, platform, ads, url, config["url"], requests))
    return AdBreaks(found)


async def compared(
    session: aiohttp.ClientSession,
    platform: Platform,
    ads: int,
    url: str,
    direct: str,
    requests: int,
) -> Break:
    async def warm() -> bool:
        return len(parse(await ask(session, f"{url}/vast")).ads) == ads

    await eventually(warm, within=30, every=0.3, what=f"{ads} ads")
    alone, plain = [], []
    for _ in range(requests // 4):  # in turns
        alone.append(await timed(session, f"{url}/vast"))
        plain.append(await timed(session, direct))
    meter = CpuMeter({"api": platform.supervisor.pid("api")})
    meter.start()
    began = time.perf_counter()
    each = requests // CALLERS
    await asyncio.gather(*(several(session, f"{url}/vast", each) for _ in range(CALLERS)))
    took = time.perf_counter() - began
    done = each * CALLERS
    return Break(
        ads=ads,
        requests=done,
        alone=1000 * median(alone),
        broker=1000 * median(plain),
        a_second=done / took,
        cpu=1000 * meter.spent()["api"] / done,
    )


async def several(session: aiohttp.ClientSession, url: str, times: int) -> None:
    for _ in range(times):
        await ask(session, url)


async def timed(session: aiohttp.ClientSession, url: str) -> float:
    began = time.perf_counter()
    await ask(session, url)
    return time.perf_counter() - began


async def ask(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


# --- the broker, and its films --------------------------------------------------------------------


def film(number: int) -> str:
    return f"https://films.example/{number}.mp4"


def vast(ads: int) -> bytes:
    media = (
        '<MediaFile delivery="progressive" type="video/mp4" width="1280" height="720" '
        'bitrate="2000"><![CDATA[{}]]></MediaFile>'
    )
    pod = (inline("4.2", n, sequence=n + 1, media=media.format(film(n))) for n in range(ads))
    return document("4.2", "".join(pod))


@asynccontextmanager
async def broker(bodies: dict[str, bytes]) -> AsyncIterator[str]:
    """``host:port`` of a server that knows nothing of HTTP but the path."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = bodies[head.split(b" ", 2)[1].decode().partition("?")[0]]
                length = f"Content-Length: {len(body)}\r\nContent-Type: application/xml"
                writer.write(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def make_ready(platform: Platform, films: int) -> str:
    """As if rendered, for each of both brokers; a token for ad requests."""
    async with core(platform.settings, "bench") as parts:
        for name in ("bench-1", "bench-10"):
            for number in range(films):
                await rendered(parts, name, number)
    async with operator(platform.settings) as parts:
        token, _ = await issue_token(
            parts.vault,
            clock=parts.clock,
            ids=parts.ids,
            account_id=ACCOUNT,
            scopes=(ADS_REQUEST, ADS_MANAGE),
        )
    return token


async def rendered(parts: Core, name: str, number: int) -> None:
    [ad] = parse(document("4.2", inline("4.2", number))).ads
    universal = ad.find(".//UniversalAdId")
    assert universal is not None
    ids = [(universal.get("idRegistry") or "", universal.text or "")]
    identity = identity_of(ids, broker=name, media_url=film(number))
    message = creatives.DiscoverCreative(
        kind=identity.kind, identity=identity.text, broker=name, media_url=film(number)
    )
    creative_id = message.creative_id
    await parts.media.dispatcher.execute(CONTEXT, lambda unit: creatives.discover(unit, message))
    fetched = RecordFetched(
        creative_id=creative_id,
        content=f"{hash((name, number)) & 0xFFFFFFFF:064x}",
        size=1,
        original="originals/x",
        source=SOURCE,
    )
    await parts.media.dispatcher.execute(
        CONTEXT, lambda unit: creatives.record_fetched(unit, fetched)
    )
    await parts.media.dispatcher.execute(CONTEXT, lambda unit: complete(unit, creative_id))


async def complete(unit: Unit, creative_id: CreativeId) -> None:
    rendition = RENDITION.model_copy(update={"ladder": LADDER.version})
    state = await unit.load(CREATIVE, creative_id)
    begun = decisions.record_submitted(state, job_id="j", ladder=LADDER.version, at=unit.at)
    after = CREATIVE.fold(state, begun[0])
    done = decisions.record_complete(after, job_id="j", rendition=rendition, at=unit.at)
    unit.append(state, [*begun, *done])


# --- tables ---------------------------------------------------------------------------------------


def ads_tables(found: AdBreaks) -> str:
    rows = [
        [
            f"VAST of {one.ads}",
            f"{one.alone:.2f}",
            f"{one.broker:.2f}",
            f"**{one.alone - one.broker:.2f}**",
            f"{one.a_second:.0f}",
            f"{one.cpu:.2f}",
        ]
        for one in found.breaks
    ]
    head = ["ad break, all films ready", "p50, ms", "the broker alone, ms", "over the broker, ms",
            "requests a second, 8 callers", "API, ms of processor time each"]  # fmt: skip
    aims = [
        aim(f"p50 over the broker's, ms, VAST of {one.ads}", one.alone - one.broker, MOST_MS)
        for one in found.breaks
    ]
    return "\n\n".join((table(head, rows), table(["aim", "at most", "measured", ""], aims)))
