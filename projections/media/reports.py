"""Reports of the statistics of ads: what can be asked, and what an answer looks like.

Two of the usual ones are missing, for what they compare with is not kept here: pacing needs the
impressions that were booked, and a discrepancy report the broker's own count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Protocol

from domain.kernel.errors import HomecastError, InvalidInput, NotFound, Refused, Unavailable
from projections.media.statistics import TEXT_MAX

DAYS_MAX = 92
ROWS_MAX = 10_000
Value = str | int | float | None


class ReportNotFound(NotFound):
    """No report has this name; ``reports`` lists those there are."""

    code = "report_not_found"


class ReportsUnavailable(Unavailable):
    """What reports are made of, or what makes them, cannot be reached or is busy."""

    code = "reports_unavailable"


class ReportTooCostly(Refused):
    """The report took more time, memory or data than it may: ask for fewer days."""

    code = "report_too_costly"


class ReportFailed(HomecastError):
    """The query does not fit the data: a defect here, or files that others have put there."""

    code = "report_failed"


@dataclass(frozen=True)
class Report:
    """``filters``: which of ``Filters`` it heeds, beside the days."""

    title: str
    filters: tuple[str, ...]


REPORTS: Mapping[str, Report] = {
    "fill-rate": Report("Requests, slots and ads by broker and hour", ("broker", "service")),
    "completion": Report(
        "Impressions, quartiles and completions by campaign, creative and day",
        ("broker", "campaign", "creative"),
    ),
    "revenue": Report(
        "Revenue and eCPM by broker, campaign and service", ("broker", "campaign", "service")
    ),
    "errors": Report("Error codes by broker and creative", ("broker", "creative")),
    "not-ready": Report(
        "Ads skipped because their creative was not ready, and what they would have earned",
        ("broker", "campaign"),
    ),
    "readiness": Report("Time from a creative's first sight to ready, by day", ("broker",)),
    "reach": Report("Viewers and frequency by campaign", ("broker", "campaign")),
    "latency": Report("How fast brokers answer, and how often too late", ("broker", "service")),
    "failing-creatives": Report("Creatives with most errors of players", ("broker", "campaign")),
}


@dataclass(frozen=True)
class Filters:
    """UTC days, both included; an empty text stands for all."""

    first: date
    last: date
    broker: str = ""
    campaign: str = ""
    service: str = ""
    creative: str = ""

    def __post_init__(self) -> None:
        """Raises ``InvalidInput``."""
        if self.last < self.first:
            raise InvalidInput("the last day lies before the first", field="to")
        if self.last - self.first >= timedelta(days=DAYS_MAX):
            raise InvalidInput(f"a report is over {DAYS_MAX} days at most", field="from")
        for name in NAMES:
            value = getattr(self, name)
            if len(value) > TEXT_MAX or not value.isprintable():
                raise InvalidInput("a name is short and printable", field=name)

    def parameters(self) -> dict[str, str]:
        """Of the SQL texts, by name."""
        return {
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            **{name: getattr(self, name) for name in NAMES},
        }

    def days(self) -> list[str]:
        count = (self.last - self.first).days + 1
        return [(self.first + timedelta(days=each)).isoformat() for each in range(count)]


NAMES = tuple(one.name for one in fields(Filters) if one.name not in ("first", "last"))


@dataclass(frozen=True)
class Table:
    """``truncated``: there is more than the rows that were asked for."""

    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    truncated: bool = False


class Reports(Protocol):
    async def run(self, name: str, filters: Filters, *, limit: int = ROWS_MAX) -> Table:
        """Raises ``ReportNotFound``, ``InvalidInput`` for a filter that the report does not heed,
        ``ReportTooCostly``, ``ReportsUnavailable``, ``ReportFailed``."""


def report_of(name: str, filters: Filters) -> Report:
    """Raises ``ReportNotFound``, ``InvalidInput``."""
    report = REPORTS.get(name)
    if report is None:
        raise ReportNotFound("no report has this name", reports=sorted(REPORTS))
    for one in NAMES:
        if getattr(filters, one) and one not in report.filters:
            raise InvalidInput(f"the report cannot be had by {one}", field=one)
    return report
