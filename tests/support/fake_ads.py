"""Ads without a platform: the HTTP API's shapes, a creative in each status and strings to pull.

For the browser tests of the page of ads, as ``fake_home`` is for those of the home.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from adapters.inbound.dashboard import mount
from domain.media.creative import CreativeStatus
from projections.media.broker_health import BOUNDS

TOKEN = "hc_" + "y" * 43
Json = dict[str, Any]
SOURCE = {
    "width": 1920,
    "height": 1080,
    "duration_ms": 15_040,
    "frame_rate": 29.97,
    "video_codec": "h264",
    "audio_codec": None,
    "rotation": 90,
    "interlaced": True,
    "hdr": False,
    "container": "mp4",
    "bit_rate": 8_400_000,
}
TITLES = {
    CreativeStatus.DISCOVERED: "Mountain bikes",
    CreativeStatus.FETCHED: "Oat milk, the long one",
    CreativeStatus.SUBMITTED: "Winter tyres",
    CreativeStatus.PROGRESSING: "Holidays in Portugal",
    CreativeStatus.COMPLETE: "Coffee at home",
    CreativeStatus.LINKED: "Coffee at home (copy)",
    CreativeStatus.RELEASED: "Garden furniture",
    CreativeStatus.FAILED: "Night train",
    CreativeStatus.QUARANTINED: "Casino bonus",
    CreativeStatus.CANCELED: "Spring shoes",
}
REPORTS: dict[str, tuple[list[str], list[list[Any]]]] = {
    "fill-rate": (
        ["broker", "hour", "requests", "slots", "filled", "fill_rate"],
        [
            ["north", "2026-11-24T10:00Z", 120, 240, 180, 0.75],
            ["north", "2026-11-24T11:00Z", 80, 160, 120, 0.75],
            ["south", "2026-11-24T10:00Z", 90, 90, 9, 0.1],
        ],
    ),
    "completion": (
        ["campaign", "creative_id", "day", "impressions", "starts", "first_quartiles",
         "midpoints", "third_quartiles", "completes", "skips", "completion_rate"],
        [["autumn", "c1", "2026-11-24", 1000, 980, 900, 820, 760, 700, 3, 0.7]],
    ),
    "latency": (["broker", "requests", "p50_ms", "p95_ms"], [["north", 200, 84, 1310]]),
    "errors": (["broker", "error_code", "errors"], []),
}  # fmt: skip


class FakeAds:
    """``async with FakeAds() as ads``: served at ``ads.url`` on a free port.

    ``films``: a folder served below ``/media``. ``problems``: answers for the next acts.
    """

    def __init__(self, films: Path | None = None) -> None:
        self.films = films
        self.creatives = {one["id"]: one for one in (_creative(one) for one in CreativeStatus)}
        self.of("LINKED")["linked_to"] = self.of("COMPLETE")["id"]
        self.brokers = _brokers()
        self.problems: list[tuple[int, Json]] = []
        self.acts: list[tuple[str, str, Any]] = []
        self.asked: list[str] = []
        """Statuses of the lists that were asked for, in their order."""
        self.reports: list[Json] = []
        self.reachable = True
        self.refused = 0
        """Requests that came while it was not reachable."""
        self.url = ""

    def of(self, status: str) -> Json:
        return next(one for one in self.creatives.values() if one["status"] == status)

    def move(self, creative: Json, status: str, **more: Any) -> None:
        creative.update(status=status, updated_at=_iso(datetime.now(UTC)), **more)

    # --- HTTP -----------------------------------------------------------------------------------

    def app(self) -> FastAPI:
        app = FastAPI()
        mount(app)
        app.middleware("http")(self._guarded)
        app.add_api_route("/v1/creatives", self._list, methods=["GET"])
        app.add_api_route("/v1/creatives/{creative_id}", self._one, methods=["GET"])
        app.add_api_route("/v1/creatives/{creative_id}/{act}", self._act, methods=["POST"])
        app.add_api_route("/v1/brokers", self._list_brokers, methods=["GET"])
        app.add_api_route("/v1/reports", self._list_reports, methods=["GET"])
        app.add_api_route("/v1/reports/{name}", self._report, methods=["GET"])
        app.add_api_route("/media/{name}", self._media, methods=["GET"])
        return app

    async def _guarded(self, request: Request, call_next: Any) -> Response:
        if request.url.path.startswith("/v1"):
            if not self.reachable:
                self.refused += 1
                return _problem(503, "store_unavailable", "the store cannot be reached")
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return _problem(401, "unauthenticated", "not signed in")
        answer: Response = await call_next(request)
        return answer

    async def _list(self, status: str, limit: int = 50, cursor: str = "") -> Response:
        self.asked.append(status)
        found = [one for one in self.creatives.values() if one["status"] == status]
        found.sort(key=lambda one: str(one["updated_at"]), reverse=True)
        start = int(cursor or 0)
        page, rest = found[start : start + limit], found[start + limit :]
        return JSONResponse({"items": page, "next_cursor": str(start + limit) if rest else None})

    async def _one(self, creative_id: str) -> Response:
        found = self.creatives.get(creative_id)
        return JSONResponse(found) if found else _problem(404, "creative_not_found", "none")

    async def _act(self, creative_id: str, act: str, request: Request) -> Response:
        body = await request.json() if await request.body() else None
        self.acts.append((creative_id, act, body))
        if self.problems:
            status, problem = self.problems.pop(0)
            return _problem(status, problem["code"], problem["detail"])
        creative = self.creatives[creative_id]
        after = {"retry": "FETCHED", "cancel": "CANCELED", "release": "RELEASED"}
        self.move(creative, after.get(act, "QUARANTINED"), reason=(body or {}).get("reason"))
        return JSONResponse(creative)

    async def _list_brokers(self) -> Response:
        return JSONResponse({"items": self.brokers})

    async def _list_reports(self) -> Response:
        items = [{"name": name, "title": f"About {name}", "filters": []} for name in REPORTS]
        return JSONResponse({"items": items})

    async def _report(self, name: str, request: Request) -> Response:
        self.reports.append({"name": name, **request.query_params})
        if name not in REPORTS:
            return _problem(404, "report_not_found", "no report has this name")
        columns, rows = REPORTS[name]
        return JSONResponse({"name": name, "columns": columns, "rows": rows, "truncated": False})

    async def _media(self, name: str) -> Response:
        path = self.films / Path(name).name if self.films else None
        return FileResponse(path) if path and path.exists() else Response(status_code=404)

    async def __aenter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(self.app(), log_level="warning", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._served = asyncio.create_task(self._server.serve([listener]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await self._served


def _problem(status: int, code: str, detail: str) -> Response:
    body = {"title": code, "status": status, "code": code, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")


def _creative(status: CreativeStatus) -> Json:
    at = datetime.now(UTC) - timedelta(minutes=10 - list(CreativeStatus).index(status))
    fetched = status != CreativeStatus.DISCOVERED
    ready = status in (CreativeStatus.COMPLETE, CreativeStatus.RELEASED)
    progressing = status == CreativeStatus.PROGRESSING
    failed = status in (CreativeStatus.FAILED, CreativeStatus.QUARANTINED)
    return {
        "id": f"{status.value.lower():a<26}",
        "status": status.value,
        "kind": "registered",
        "identity": f"ad-id.org:{status.value}",
        "broker": "north",
        "media_url": f"https://films.example/{status.value.lower()}.mp4",
        "ad": {
            "ad_id": f"ad-{status.value.lower()}",
            "ad_system": "North Ads",
            "title": TITLES[status],
            "advertiser": "Example & Sons",
            "campaign": "autumn",
            "duration_ms": 15_000,
        },
        "discovered_at": _iso(at - timedelta(minutes=5)),
        "updated_at": _iso(at),
        "ready_at": _iso(at) if ready else None,
        "content": "ab" * 32 if fetched else "",
        "size": 15_800_000 if fetched else 0,
        "source": SOURCE if fetched else None,
        "linked_to": None,
        "job_id": "job-1" if progressing else "",
        "jobs": 1 if progressing else 0,
        "ladder": "v1",
        "stage": "TRANSCODING" if progressing else None,
        "progress": {"stage": "TRANSCODING", "percent": 42} if progressing else None,
        "rendition": _rendition() if ready else None,
        "error": "undecodable" if failed else None,
        "error_words": "The film cannot be decoded" if failed else None,
        "detail": "moov atom not found" if failed else None,
        "vast_code": 405 if failed else None,
        "retry_at": _iso(datetime.now(UTC) + timedelta(seconds=90))
        if status == CreativeStatus.FAILED
        else None,
        "reason": "against our rules" if status == CreativeStatus.QUARANTINED else None,
        "history": [
            {"at": _iso(at), "event": "creative_discovered", "status": "DISCOVERED", "by": "ads"},
            {"at": _iso(at), "event": "job_progressed", "status": "x", "stage": "TRANSCODING"},
        ],
    }


def _rendition() -> Json:
    sizes = [(416, 234, 200_000), (640, 360, 800_000), (1280, 720, 3_100_000)]
    return {
        "hls_url": "/media/film.m3u8",
        "dash_url": "/media/film.mpd",
        "preview_url": "/media/film.mp4",
        "poster_url": "/media/poster.jpg",
        "duration_ms": 15_040,
        "rungs": [
            {
                "width": width,
                "height": height,
                "bandwidth": peak,
                "average_bandwidth": peak * 4 // 5,
                "codecs": "avc1.640015,mp4a.40.2",
                "frame_rate": 29.97,
            }
            for width, height, peak in sizes
        ],
        "size": 9_000_000,
        "captions": [],
    }


def _brokers() -> list[Json]:
    tally = {"latency_ms": 9_000, "buckets": [0] * (len(BOUNDS) + 1)}
    counts = {
        "north": ("ok", 950, 40, 8, 2, None),
        "south": ("degraded", 70, 10, 15, 5, "the answer is no XML"),
        "west": ("down", 0, 0, 12, 0, "timeout"),
        "east": ("idle", 0, 0, 0, 0, None),
        "old": ("idle", 0, 0, 0, 0, None),
    }
    return [
        {
            "name": name,
            "status": "RETIRED" if name == "old" else "ACTIVE",
            "version": 3,
            "config": {
                "url": f"https://{name}.example/vast?cb=[CACHEBUSTING]",
                "format": "vast",
                "time_limit_ms": 3000,
                "total_limit_ms": 10_000,
                "wrapper_depth": 5,
                "slate": None,
                "key": "url",
                "prices": [{"match": "any", "value": "", "cpm": "4.20", "currency": "EUR"}],
            },
            "health": {
                "broker": name,
                "status": status,
                "requests": fills + no_ads + timeouts + errors,
                "p50_ms": 84.0 if fills else None,
                "p95_ms": 2210.0 if status == "degraded" else (410.0 if fills else None),
                "last_error": {"text": error, "at": _iso(datetime.now(UTC))} if error else None,
                "hour": {
                    "fills": fills,
                    "no_ads": no_ads,
                    "timeouts": timeouts,
                    "errors": errors,
                    **tally,
                },
            },
        }
        for name, (status, fills, no_ads, timeouts, errors, error) in counts.items()
    ]


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
