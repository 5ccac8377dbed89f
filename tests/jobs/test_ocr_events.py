"""Every event type and its message, from a real screenshot to the rows of a real database."""

from __future__ import annotations

from typing import Any

import pytest
from tests.jobs.ocr_bench import LONG, OTHER, SCREENS, OcrBench, essentials, session_id, take, truth

from backfill_lab.demo.captures import old_shift

pytestmark = pytest.mark.ocr

DAY = SCREENS[LONG].date.isoformat()
GONE = {
    "start": "05:00", "end": "06:00", "customer": "Sigge Ekvall", "street": "Ekstigen",
    "number": "4", "city": "Lerum", "type": "WORK", "label": "Skola",
}  # fmt: skip
MESSAGES = {
    "shift_added": f"New shift added on {DAY} 19:55–21:55 in Särö",
    "shift_removed": f"Shift removed on {DAY} 05:00–06:00 in Lerum",
    "shift_time_changed": f"On {DAY} Mölndal shift moved ends 09:30 → 10:00",
    "shift_relocated": f"On {DAY} 11:05 shift moved to Mölnlycke",
    "shift_retitled": f"On {DAY} shift updated for Håkan Fagerlöv",
    "shift_reclassified": f"On {DAY} job updated to Inter Tid",
}


@pytest.fixture
def told(three: OcrBench) -> OcrBench:
    """A day whose snapshot differs from its screenshots by one event of each type."""
    first, activity, moved, intern, renamed, leave, _missing, cancelled = SCREENS[LONG].shifts
    stored = [
        {**first, "end": "09:30"},
        {**activity, "type": "BREAK"},
        {**moved, "street": "Parkgatan"},
        intern,
        {**renamed, "customer": renamed["customer"].upper()},
        leave,
        cancelled,
        GONE,
    ]
    three.store(LONG, [old_shift(shift) for shift in stored], user=OTHER)
    return three


def applied(bench: OcrBench, **given: Any) -> dict[str, Any]:
    book = take(
        bench, session_id=[str(session_id(LONG))], apply=True, store_notifications=True,
        notify_past=True, **given,
    )  # fmt: skip
    return bench.document(book, LONG)


def test_each_event_type_is_stored_once_with_its_message(told: OcrBench) -> None:
    document = applied(told, summary_threshold=10)

    assert document["persisted_event_types"] == dict.fromkeys(sorted(MESSAGES), 1)
    rows = told.sql(
        "SELECT e.event_type, n.message, n.notification_type, n.status"
        " FROM schedule_ingest.schedule_event AS e JOIN schedule_ingest.schedule_notification AS n"
        " ON n.event_ids = jsonb_build_array(e.event_id)"
    )
    assert {row[0]: row[1] for row in rows} == MESSAGES
    assert {row[2:] for row in rows} == {("event", "pending")}
    assert essentials(told.payload(LONG, OTHER)) == truth(LONG)


def test_many_events_make_one_summary_and_a_second_apply_nothing(told: OcrBench) -> None:
    applied(told)
    after = told.stored()

    again = applied(told)

    assert told.stored() == after
    assert (again["outcome"], again["persisted_event_count"]) == ("unchanged", 0)
    (message,) = told.sql(
        "SELECT message, notification_type, jsonb_array_length(event_ids)"
        " FROM schedule_ingest.schedule_notification"
    )
    assert message == (f"6 shifts updated for {DAY}", "summary", 6)


def test_the_types_of_the_older_worker_give_no_event(three: OcrBench) -> None:
    stored = [
        old_shift({**shift, "type": older if shift["type"] == "WORK" else shift["type"]})
        for shift, older in zip(SCREENS[LONG].shifts, ["HOME_VISIT", "OFFICE"] * 4, strict=True)
    ]
    three.store(LONG, stored, user=OTHER)

    document = applied(three)

    assert (document["outcome"], document["preview_events"]) == ("snapshot_only", [])
    assert essentials(three.payload(LONG, OTHER)) == truth(LONG)
    assert three.sql("SELECT 1 FROM schedule_ingest.schedule_event") == []
