"""The rows that events of films make."""

from __future__ import annotations

import pytest

from domain.kernel.event import Event
from domain.media.creative import CREATIVE
from projections.media import creatives
from projections.media.creatives import CREATIVES, MOST_HISTORY, CreativeRow
from tests.support.given import STREAM_ID, given
from tests.support.media import (
    LADDER,
    NEWER,
    UNTIL,
    Step,
    at,
    completed,
    discovered,
    failed,
    fetched,
    quarantined,
    released,
    requested,
    submitted,
)


def row_of(*steps: Step) -> CreativeRow:
    row: CreativeRow | None = None
    for event in given(CREATIVE, *steps).history:
        assert CREATIVES.key_of(event) == (STREAM_ID,)
        row = creatives.fold(row, event)
    assert row is not None
    return row


@pytest.mark.parametrize("status", [one for one in UNTIL if one != "–"])
def test_a_row_has_the_status_of_its_stream(status: str) -> None:
    row = row_of(*UNTIL[status])
    assert row.status == status
    assert row.history[-1]["status"] == status
    assert CreativeRow.model_validate_json(row.model_dump_json(exclude_defaults=True)) == row


def test_a_film_is_ready_from_its_first_rendition_until_it_is_put_aside() -> None:
    steps = UNTIL["COMPLETE"]
    assert not row_of(*UNTIL["PROGRESSING"]).ready
    assert row_of(*steps).ready_at == at(4)
    newer = row_of(*steps, requested(NEWER), submitted("j2", 7, NEWER))
    assert (newer.ready, newer.ladder) == (True, NEWER)
    done = row_of(*steps, requested(NEWER), submitted("j2", 7, NEWER), completed("j2", 9, NEWER))
    assert (done.ready, done.ready_at) == (True, at(4))
    assert not row_of(*steps, quarantined()).ready
    assert row_of(*steps, quarantined(), released()).ready


def test_a_failure_is_shown_until_it_is_past() -> None:
    again = row_of(discovered(), failed("fetch", 2))
    assert (again.error, again.vast_code) == ("broken", 405)
    assert again.retry_at is not None
    past = row_of(discovered(), failed("fetch", 2), fetched(60))
    assert (past.error, past.detail, past.vast_code, past.retry_at) == (None, None, None, None)


def test_the_history_is_bounded() -> None:
    turns = [step for second in range(60) for step in (quarantined(second), released(second))]
    row = row_of(discovered(), *turns)
    assert len(row.history) == MOST_HISTORY
    assert row.history[-1]["event"] == "creative_released"


def test_a_job_is_on_its_row() -> None:
    row = row_of(*UNTIL["SUBMITTED"])
    assert (row.job_id, row.jobs, row.ladder) == ("j1", 1, LADDER)


def test_streams_of_other_categories_have_no_row() -> None:
    other = Event(originator_id="broker-acme", originator_version=1, timestamp=at())
    assert CREATIVES.key_of(other) is None
