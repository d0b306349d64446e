"""Creatives and brokers as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from adapters.inbound.http.views import View, iso
from domain.media.broker import Broker, BrokerConfig, BrokerStatus
from domain.media.creative import CreativeStatus
from domain.media.rendition import Rendition
from projections.media.broker_health import BrokerHealth
from projections.media.brokers import BrokerRow
from projections.media.creatives import CreativeRow
from projections.media.ports import Progress

WORDS: Mapping[str, str] = {
    "undecodable": "The film is broken, cut off, or of a kind that cannot be read.",
    "no_picture": "The film has no picture.",
    "too_long": "The film is longer than any ad that is taken.",
    "too_many_pixels": "The film's picture is larger than any that is taken.",
    "remote_not_found": "The film is not at its address any more.",
    "remote_refused": "The film's host refuses to give it.",
    "remote_timeout": "The film's host took too long.",
    "remote_unavailable": "The film's host cannot be reached.",
    "remote_too_large": "The film is larger than any that is taken.",
    "remote_undecodable": "The film's host gave an answer that nobody understands.",
    "address_forbidden": "The film is at an address that must not be reached.",
    "redirect_refused": "The film's host leads elsewhere, where it must not be followed.",
    "url_refused": "The film's address cannot be used.",
    "fetch_lost": "Nobody brought the film within hours; it is tried again.",
    "job_lost": "The job that rendered the film was lost; it is tried again.",
    "job_refused": "The transcoder will not take the film.",
    "crashed": "Several workers died of the film.",
    "disk_full": "There was no room for the film.",
    "render_killed": "The rendering was interrupted.",
    "render_timed_out": "The rendering took too long.",
    "render_failed": "The film could not be rendered.",
    "original_missing": "The stored original is gone.",
    "output_too_large": "What came out was larger than it may be.",
    "too_large": "The stored original is larger than it may be.",
}


class CreativeView(View):
    """``progress``: of a job under way, a hint. ``error_words``: the error for people."""

    id: str
    status: CreativeStatus
    kind: str
    identity: str
    broker: str | None
    media_url: str
    ad: dict[str, JsonValue]
    discovered_at: datetime
    updated_at: datetime
    ready_at: datetime | None
    content: str
    size: int
    source: dict[str, JsonValue] | None
    linked_to: str | None
    job_id: str
    jobs: int
    ladder: str
    stage: str | None
    progress: dict[str, JsonValue] | None
    rendition: dict[str, JsonValue] | None
    error: str | None
    error_words: str | None
    detail: str | None
    vast_code: int | None
    retry_at: datetime | None
    reason: str | None
    history: list[dict[str, JsonValue]]


class CreativePage(View):
    items: list[CreativeView]
    next_cursor: str | None


class BrokerView(View):
    """``health``: of the last hour, null while nothing is known."""

    name: str
    status: BrokerStatus
    version: int
    config: BrokerConfig
    configured_at: datetime | None
    updated_at: datetime | None
    health: dict[str, JsonValue] | None


class BrokerList(View):
    items: list[BrokerView]


def creative_json(row: CreativeRow, progress: Progress | None, base: str) -> dict[str, Any]:
    """``base``: where films are served."""
    return {
        "id": row.creative_id,
        "status": row.status,
        "kind": row.kind,
        "identity": row.identity,
        "broker": row.broker,
        "media_url": row.media_url,
        "ad": row.ad.model_dump(mode="json"),
        "discovered_at": iso(row.discovered_at),
        "updated_at": iso(row.updated_at),
        "ready_at": iso(row.ready_at),
        "content": row.content,
        "size": row.size,
        "source": row.source.model_dump(mode="json") if row.source else None,
        "linked_to": row.linked_to,
        "job_id": row.job_id,
        "jobs": row.jobs,
        "ladder": row.ladder,
        "stage": row.stage,
        "progress": {"stage": progress.stage, "percent": progress.percent} if progress else None,
        "rendition": rendition_json(row.rendition, base) if row.rendition else None,
        "error": row.error,
        "error_words": WORDS.get(row.error, row.detail or row.error) if row.error else None,
        "detail": row.detail,
        "vast_code": row.vast_code,
        "retry_at": iso(row.retry_at),
        "reason": row.reason,
        "history": row.history,
    }


def rendition_json(rendition: Rendition, base: str) -> dict[str, Any]:
    return {
        "ladder": rendition.ladder,
        "hls_url": f"{base}/{rendition.hls}",
        "dash_url": f"{base}/{rendition.dash}",
        "preview_url": f"{base}/{rendition.preview}",
        "poster_url": f"{base}/{rendition.poster}",
        "duration_ms": rendition.duration_ms,
        "rungs": [one.model_dump(mode="json") for one in rendition.rungs],
        "size": rendition.size,
        "captions": list(rendition.captions),
    }


def broker_json(row: BrokerRow, health: BrokerHealth | None) -> dict[str, Any]:
    return {
        "name": row.name,
        "status": row.status,
        "version": row.version,
        "config": row.config.model_dump(mode="json"),
        "configured_at": iso(row.configured_at),
        "updated_at": iso(row.updated_at),
        "health": health_json(health) if health else None,
    }


def state_json(state: Broker, name: str) -> dict[str, Any]:
    """Right after a change, before the read model has it."""
    assert state.config is not None
    return {
        "name": name,
        "status": state.status,
        "version": state.version,
        "config": state.config.model_dump(mode="json"),
        "configured_at": None,
        "updated_at": None,
        "health": None,
    }


def health_json(health: BrokerHealth) -> dict[str, Any]:
    """``hour``: counts of the last hour."""
    last, hour = health.last_error, health.hour
    return {
        "status": health.status,
        "requests": health.requests,
        "fill_rate": health.fill_rate,
        "timeout_rate": health.timeout_rate,
        "error_rate": health.error_rate,
        "mean_ms": health.mean_ms,
        "p50_ms": health.p50_ms,
        "p95_ms": health.p95_ms,
        "last_error": {"text": last.text, "at": iso(last.at)} if last else None,
        "hour": {
            "requests": hour.requests,
            "fills": hour.fills,
            "no_ads": hour.no_ads,
            "timeouts": hour.timeouts,
            "errors": hour.errors,
        },
    }
