"""Sessions that are held back, and messages that are stored only when asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.jobs.ocr_bench import (
    FIRST,
    LONG,
    OTHER,
    OcrBench,
    alter_readings,
    essentials,
    in_2099,
    load_none,
    session_id,
    session_of,
    take,
    truth,
)

from backfill.errors import (
    TooManySkips,
)
from backfill.ocr.screen.reading import ImageReading

if TYPE_CHECKING:
    from tests.jobs.conftest import OcrBenchFrom

pytestmark = pytest.mark.ocr


def test_a_session_older_than_the_snapshots_does_not_overwrite_it(first: OcrBench) -> None:
    first.add(session_of("newer", screen=FIRST, images=["newer.jpg"], hours=5))
    first.store(FIRST, [], source="newer")
    stored = first.stored()
    given = {"session_id": [str(session_id(FIRST))]}

    with pytest.raises(TooManySkips, match="held back"):
        take(first, **given, apply=True)
    assert first.stored() == stored
    assert first.summary(take(first, **given, apply=True, max_held=1))["sessions_held"] == 1

    take(first, **given, apply=True, allow_older=True)
    assert essentials(first.payload(FIRST)) == truth(FIRST)


def test_a_reading_of_few_shifts_does_not_remove_many(first: OcrBench) -> None:
    many = [{"start": f"{hour:02}:00", "end": f"{hour:02}:30"} for hour in range(20)]
    first.store(FIRST, many)

    planned = take(first)

    document = first.document(planned, FIRST)
    assert (document["status"], document["held_reason"]) == ("held", "suspicious_removal")
    take(first, apply=True, allow_removals=True)
    assert essentials(first.payload(FIRST)) == truth(FIRST)


def test_a_doubtful_shift_holds_its_session_until_it_is_accepted(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def doubt(reading: ImageReading) -> ImageReading:
        flagged = replace(reading.entries[0], flags=("duration_mismatch",))
        return replace(reading, entries=(flagged, *reading.entries[1:]))

    alter_readings(monkeypatch, doubt)

    planned = take(first)

    document = first.document(planned, FIRST)
    assert document["held_reason"] == "needs_review"
    assert document["shifts"][0]["review_reasons"] == ["duration_mismatch"]
    assert first.summary(planned)["sessions_needing_review"] == 1
    take(first, apply=True, accept_review=True)
    assert essentials(first.payload(FIRST)) == truth(FIRST)


def test_images_that_contradict_each_other_hold_their_session(
    ocr_from: OcrBenchFrom, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = ocr_from("none", load_none)
    bench.add(session_of(LONG, OTHER))
    seen: list[int] = []

    def shift_second_image(reading: ImageReading) -> ImageReading:
        seen.append(1)
        if len(seen) % 2:
            return reading
        moved = [replace(e, start="11:25", duration_minutes=220) for e in reading.entries[:1]]
        moved = [replace(e, end="15:25") for e in moved]
        return replace(reading, entries=(*moved, *reading.entries[1:]))

    alter_readings(monkeypatch, shift_second_image)

    document = bench.document(take(bench), LONG)

    assert document["status"] == "held"
    assert document["held_reason"] == "contradicting_images"
    assert document["contradictions"]


def test_sessions_of_one_day_are_planned_on_each_other(chain: OcrBench) -> None:
    # The half of the day ends with a card that the screen cuts: it would be held.
    planned = chain.summary(take(chain, accept_review=True))

    applied = take(chain, apply=True, accept_review=True)

    assert planned["planned_event_count"] > len(truth(LONG)) - 2
    assert chain.summary(applied)["persisted_event_count"] == planned["planned_event_count"]
    assert chain.summary(applied)["total_updated"] == 2
    assert chain.document(applied, "half")["shift_count"] < len(truth(LONG))
    assert essentials(chain.payload(LONG, OTHER)) == truth(LONG)
    assert chain.verify(applied.run_id).is_proven


# -- notifications -----------------------------------------------------------------------------


def test_messages_are_stored_only_when_asked_for(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter_readings(monkeypatch, in_2099)

    document = first.document(take(first), FIRST)
    assert [entry["message"] for entry in document["notifications"]] == [
        "3 shifts updated for 2099-06-02"
    ]
    take(first, apply=True, store_notifications=True, summary_threshold=4)

    rows = first.sql(
        "SELECT status, notification_type, message FROM schedule_ingest.schedule_notification"
    )
    assert len(rows) == 3
    assert {row[:2] for row in rows} == {("pending", "event")}
    assert all("New shift added on 2099-06-02" in row[2] for row in rows)


def test_messages_about_days_gone_by_need_a_word_more(first: OcrBench) -> None:
    take(first, apply=True, store_notifications=True)
    assert first.stored()["schedule_notification"] == []
    first.sql("TRUNCATE schedule_ingest.day_snapshot, schedule_ingest.schedule_event")

    applied = take(first, apply=True, store_notifications=True, notify_past=True)

    assert len(first.stored()["schedule_notification"]) == 1
    assert first.summary(applied)["stored_notifications"] == 1
