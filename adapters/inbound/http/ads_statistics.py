"""What an ad request leaves in the statistics, and our own beacons for the ads of its answer."""

from __future__ import annotations

from datetime import timedelta

from adapters.inbound.http.beacon_tokens import BeaconTokens
from adapters.inbound.http.beacons import beacon_url
from adapters.vast import Beacons, Version
from commands.kernel.ports import Clock, Ids
from projections.media.statistics import TRACKING, Facts, Kind, Outcome, Record, Records

SINCE_3 = frozenset({"skip", "closeLinear"})
"""Events that VAST 2 does not have (VAST 3.0, section 2.3.1.7)."""


class AdStatistics:
    """Nothing here waits or fails: an answer is worth more than a record."""

    def __init__(
        self, records: Records, tokens: BeaconTokens, *, clock: Clock, ids: Ids, base_url: str
    ) -> None:
        """``base_url``: where players find the API, in public."""
        self._records = records
        self._tokens = tokens
        self._clock = clock
        self._ids = ids
        self._base_url = base_url

    def requested(
        self, asked: Facts, outcome: Outcome, *, latency: timedelta, slots: int | None = None
    ) -> None:
        """A broker was asked: ``ok``, ``no_ad``, ``timeout`` or ``error``. ``slots``: ads that the
        break had room for, where that is known."""
        milliseconds = max(latency // timedelta(milliseconds=1), 0)
        self._offer(Kind.REQUEST, asked, outcome=outcome, latency_ms=milliseconds, slots=slots)

    def filled(self, ad: Facts) -> None:
        """The answer holds this ad."""
        self._offer(Kind.AD, ad, outcome=Outcome.FILLED)

    def skipped(self, ad: Facts, *, reason: str, error_code: int) -> None:
        """It does not: ``reason`` as MediaTailor names it, ``error_code`` of VAST (407: the
        creative is not ready)."""
        self._offer(Kind.AD, ad, outcome=Outcome.SKIPPED, reason=reason, error_code=error_code)

    def beacons(self, ad: Facts, *, version: Version = "3.0") -> Beacons:
        """To be put beside the broker's own; the same facts in the same millisecond give the same
        addresses. ``version``: of the answer, for its schema knows only so many events."""
        now = self._clock.now()

        def url(kind: Kind) -> str:
            return beacon_url(self._base_url, self._tokens, kind, ad, now=now)

        return Beacons(
            impressions=(url(Kind.IMPRESSION),),
            errors=(url(Kind.ERROR),),
            tracking={
                event: url(kind)
                for event, kind in TRACKING.items()
                if version != "2.0" or event not in SINCE_3
            },
        )

    def _offer(self, kind: Kind, facts: Facts, **more: object) -> None:
        """The fields were checked when ``facts`` were made; more of them are ours."""
        self._records.offer(
            Record.model_validate(
                {
                    **facts.model_dump(),
                    **more,
                    "event_id": self._ids.new(),
                    "occurred_at": self._clock.now(),
                    "kind": kind,
                }
            )
        )
