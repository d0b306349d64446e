"""What transcoders say of jobs is recorded, hinted, or comes again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from adapters.inbound.workers.transcoder import JobEvents
from commands.media.ports import JobReport, JobStatus, Stage
from domain.kernel.errors import ContractError
from domain.kernel.recorded import Context
from domain.media.creative import JobNotRecorded
from projections.media.ports import Progress
from tests.support.streams import at

REPORT = JobReport(
    "j1", "c1", "6fac3f80", 1, JobStatus.PROGRESSING, at(0), stage=Stage.TRANSCODING, percent=40
)


class Heard:
    """Transcodings, hints and ids in one."""

    def __init__(self, report: JobReport | None, *, fault: Exception | None = None) -> None:
        self.decoded, self.fault = report, fault
        self.reports: list[tuple[Context, JobReport]] = []
        self.hints: list[tuple[str, Progress]] = []

    def events(self) -> JobEvents:
        whole: Any = self
        return JobEvents(transcodings=whole, decode=self.decode, hints=whole, ids=whole)

    def new(self) -> str:
        return "made"

    async def decode(self, event: Mapping[str, Any]) -> JobReport | None:
        return self.decoded

    async def tell(self, creative_id: str, progress: Progress) -> None:
        self.hints.append((creative_id, progress))

    async def report(self, context: Context, report: JobReport) -> None:
        if self.fault is not None:
            raise self.fault
        self.reports.append((context, report))


async def test_a_report_is_recorded_under_the_id_of_its_event_and_hinted() -> None:
    heard = Heard(REPORT)
    await heard.events().handle({"id": "e1"})
    await heard.events().handle({})
    assert [context.causation_id for context, _ in heard.reports] == ["e1", "made"]
    assert heard.hints[0] == ("c1", Progress(Stage.TRANSCODING, 40))


async def test_an_event_about_nothing_of_ours_is_passed_over() -> None:
    heard = Heard(None)
    await heard.events().handle({"id": "e1"})
    assert (heard.reports, heard.hints) == ([], [])


async def test_a_report_ahead_of_its_record_comes_again() -> None:
    heard = Heard(REPORT, fault=JobNotRecorded("not yet"))
    with pytest.raises(JobNotRecorded):
        await heard.events().handle({"id": "e1"})


@pytest.mark.parametrize("body", [None, "x", [], b"{}"])
async def test_what_is_no_event_is_a_broken_contract(body: Any) -> None:
    with pytest.raises(ContractError):
        await Heard(REPORT).events().handle(body)
