"""The reports again, counted in plain Python from records that are there once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from projections.media.statistics import Kind, Outcome, Pricing, Record

Rows = set[tuple[Any, ...]]
Groups = dict[tuple[Any, ...], list[Record]]


def grouped(records: Iterable[Record], key: Callable[[Record], tuple[Any, ...]]) -> Groups:
    groups: Groups = defaultdict(list)
    for one in records:
        groups[key(one)].append(one)
    return groups


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def fill_rate(records: Sequence[Record]) -> Rows:
    def key(one: Record) -> tuple[Any, ...]:
        return one.broker, one.occurred_at.strftime("%Y-%m-%dT%H:00Z")

    asked = [one for one in records if one.kind in (Kind.REQUEST, Kind.AD)]
    rows: Rows = set()
    for name, group in grouped(asked, key).items():
        outcomes = Counter((one.kind, one.outcome) for one in group)
        requests = [one for one in group if one.kind is Kind.REQUEST]
        slots = sum(1 if one.slots is None else one.slots for one in requests)
        filled = outcomes[Kind.AD, Outcome.FILLED]
        counts = [outcomes[Kind.REQUEST, one] for one in
                  (Outcome.NO_AD, Outcome.TIMEOUT, Outcome.ERROR)]  # fmt: skip
        skipped = outcomes[Kind.AD, Outcome.SKIPPED]
        rows.add((*name, len(requests), *counts, slots, filled, skipped, share(filled, slots)))
    return rows


def completion(records: Sequence[Record]) -> Rows:
    steps = (
        Kind.IMPRESSION, Kind.START, Kind.FIRST_QUARTILE, Kind.MIDPOINT, Kind.THIRD_QUARTILE,
        Kind.COMPLETE, Kind.SKIP,
    )  # fmt: skip
    played = [one for one in records if one.kind in steps]
    rows: Rows = set()
    for name, group in grouped(played, lambda r: (r.campaign, r.creative_id, r.day)).items():
        kinds = Counter(one.kind for one in group)
        rate = share(kinds[Kind.COMPLETE], kinds[Kind.IMPRESSION])
        rows.add((*name, *(kinds[one] for one in steps), rate))
    return rows


EARNS: Mapping[Pricing | None, tuple[Kind, int]] = {
    Pricing.CPM: (Kind.IMPRESSION, 1),
    Pricing.CPC: (Kind.CLICK, 1000),
    Pricing.CPV: (Kind.COMPLETE, 1000),
}


def revenue(records: Sequence[Record]) -> Rows:
    counted = [
        one
        for one in records
        if one.kind in (Kind.IMPRESSION, Kind.CLICK)
        or (one.kind is Kind.COMPLETE and one.pricing is Pricing.CPV)
    ]
    rows: Rows = set()
    names = grouped(counted, lambda r: (r.broker, r.campaign, r.service, r.currency))
    for name, group in names.items():
        kinds = Counter(one.kind for one in group)
        nanos = 0
        for one in group:
            kind, factor = EARNS.get(one.pricing, (None, 0))
            nanos += (one.price_micros or 0) * factor if one.kind is kind else 0
        money, seen = nanos / 10**9, kinds[Kind.IMPRESSION]
        ecpm = money * 1000 / seen if seen else None
        rows.add((*name, seen, kinds[Kind.CLICK], money, ecpm))
    return rows


def errors(records: Sequence[Record]) -> Rows:
    def key(one: Record) -> tuple[Any, ...]:
        return one.broker, one.creative_id, one.error_code, one.kind.value, one.reason

    failed = [one for one in records if one.error_code is not None]
    return {
        (*name, len(group), max(r.occurred_at for r in group).strftime("%Y-%m-%dT%H:%M:%SZ"))
        for name, group in grouped(failed, key).items()
    }


def not_ready(records: Sequence[Record]) -> Rows:
    skipped = [one for one in records if one.kind is Kind.AD and one.error_code == 407]
    return {
        (
            *name,
            len(group),
            len({one.creative_id for one in group}),
            sum((r.price_micros or 0) for r in group if r.pricing is Pricing.CPM) / 10**9,
        )
        for name, group in grouped(skipped, lambda r: (r.broker, r.campaign, r.currency)).items()
    }


def readiness(records: Sequence[Record]) -> Rows:
    """Without the percentiles."""
    ready = grouped([one for one in records if one.kind is Kind.READY], lambda r: (r.day,))
    return {(*day, len(group), max(one.wait_ms or 0 for one in group))
            for day, group in ready.items()}  # fmt: skip


def reach(records: Sequence[Record]) -> Rows:
    seen = [one for one in records if one.kind is Kind.IMPRESSION and one.session]
    rows: Rows = set()
    for name, group in grouped(seen, lambda r: (r.campaign,)).items():
        times = list(Counter(one.session for one in group).values())
        bins = [sum(low <= each <= high for each in times) for low, high in
                ((1, 1), (2, 3), (4, 9), (10, 10**9))]  # fmt: skip
        rows.add((*name, len(times), len(group), len(group) / len(times), *bins, max(times)))
    return rows


def latency(records: Sequence[Record]) -> Rows:
    """Without the percentiles."""
    asked = grouped([one for one in records if one.kind is Kind.REQUEST], lambda r: (r.broker,))
    rows: Rows = set()
    for name, group in asked.items():
        late = sum(one.outcome is Outcome.TIMEOUT for one in group)
        failed = sum(one.outcome is Outcome.ERROR for one in group)
        slowest = max(one.latency_ms or 0 for one in group)
        rows.add((*name, len(group), late, late / len(group), failed, slowest))
    return rows


def failing_creatives(records: Sequence[Record]) -> Rows:
    told = [one for one in records if one.kind in (Kind.IMPRESSION, Kind.ERROR)]
    rows: Rows = set()
    for name, group in grouped(told, lambda r: (r.creative_id, r.broker)).items():
        failed = [one for one in group if one.kind is Kind.ERROR]
        codes = len({one.error_code for one in failed})
        if failed:
            seen = len(group) - len(failed)
            rows.add((*name, len(failed), seen, codes, len(failed) / len(group)))
    return rows


RECOUNTS: Mapping[str, Callable[[Sequence[Record]], Rows]] = {
    "fill-rate": fill_rate,
    "completion": completion,
    "revenue": revenue,
    "errors": errors,
    "not-ready": not_ready,
    "readiness": readiness,
    "reach": reach,
    "latency": latency,
    "failing-creatives": failing_creatives,
}
