"""What the bot would send."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest

from backfill.ocr.day.notify import is_past, write_notifications
from backfill.ocr.day.schedule_event import EventType, PlannedEvent, ScheduleEvent, value_hash

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "ocr-notify.json").read_text(encoding="utf-8")
)["cases"]
DAY = dt.date(2026, 1, 5)


def _planned(row: dict[str, Any]) -> PlannedEvent:
    return PlannedEvent(
        event_id=row["event_id"],
        user_id=row["user_id"],
        schedule_date=dt.date.fromisoformat(row["schedule_date"]),
        source_session_id=row["source_session_id"],
        event=ScheduleEvent(
            event_type=EventType(row["event_type"]),
            old=row["old_value"],
            new=row["new_value"],
            location_fingerprint=row["location_fingerprint"],
            customer_fingerprint=row["customer_fingerprint"],
            old_value_hash=value_hash(row["old_value"]),
            new_value_hash=value_hash(row["new_value"]),
        ),
    )


def _event(
    event_type: str,
    old: dict[str, str] | None,
    new: dict[str, str] | None,
    event_id: str = "e1",
) -> PlannedEvent:
    return _planned(
        {
            "event_id": event_id,
            "user_id": 1001,
            "schedule_date": DAY.isoformat(),
            "event_type": event_type,
            "location_fingerprint": "l",
            "customer_fingerprint": "c",
            "old_value": old,
            "new_value": new,
            "source_session_id": "s",
        }
    )


def _with_absolute_date(message: str, day: str) -> str:
    """Turn the old worker's wording relative to a clock into the absolute one."""
    message = re.sub(r"^(Today|Tomorrow) ", f"On {day} ", message)
    return re.sub(r" (today|tomorrow) ", f" on {day} ", message)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_vector_gives_its_messages(case: dict[str, Any]) -> None:
    # The plan gives the new events of one session and day, each once.
    told_before = case["options"].get("already_notified_event_ids", ())
    fresh = {row["event_id"]: _planned(row) for row in case["events"]}
    groups: dict[tuple[object, ...], list[PlannedEvent]] = {}
    for event in fresh.values():
        if event.event_id not in told_before:
            day = event.user_id, event.schedule_date, event.source_session_id
            groups.setdefault(day, []).append(event)

    notifications = [told for group in groups.values() for told in write_notifications(group)]

    assert [
        (told.notification_type, list(told.event_ids), told.notification_id)
        for told in notifications
    ] == [(told["type"], told["event_ids"], told["notification_id"]) for told in case["reference"]]
    if case["verdict"] == "agree":
        assert [told.message for told in notifications] == [
            _with_absolute_date(told["message"], case["events"][0]["schedule_date"])
            for told in case["reference"]
        ]


LUNCH = {"start": "12:00", "end": "12:30", "shift_type": "BREAK", "raw_type_label": "Lunch"}
RESTID = {"start": "12:00", "end": "12:30", "shift_type": "TRAVEL", "raw_type_label": "Restid"}
NOTHING = {"start": "12:00", "end": "12:30"}


@pytest.mark.parametrize(
    ("event_type", "old", "new", "message"),
    [
        ("shift_added", None, LUNCH, "New shift added on 2026-01-05 12:00–12:30: Lunch"),
        (
            "shift_added",
            None,
            NOTHING,
            "New shift added on 2026-01-05 12:00–12:30 in unknown location",
        ),
        ("shift_removed", LUNCH, None, "Shift removed on 2026-01-05 12:00–12:30: Lunch"),
        (
            "shift_time_changed",
            LUNCH,
            {**LUNCH, "start": "11:00"},
            "On 2026-01-05 Lunch shift moved 12:00 → 11:00",
        ),
        (
            "shift_time_changed",
            {**NOTHING, "city": "Askim"},
            {"start": "13:00", "end": "14:00", "city": "Askim"},
            "On 2026-01-05 Askim shift moved 12:00–12:30 → 13:00–14:00",
        ),
        (
            "shift_time_changed",
            NOTHING,
            {**NOTHING, "end": "13:00"},
            "On 2026-01-05 shift moved ends 12:30 → 13:00",
        ),
        (
            "shift_relocated",
            NOTHING,
            {**NOTHING, "street": "Ekvägen", "street_number": "3"},
            "On 2026-01-05 12:00 shift moved to Ekvägen 3",
        ),
        ("shift_relocated", LUNCH, NOTHING, "On 2026-01-05 12:00 shift moved to unknown location"),
        ("shift_retitled", LUNCH, RESTID, "On 2026-01-05 shift updated for Restid"),
        ("shift_retitled", LUNCH, NOTHING, "On 2026-01-05 shift updated for unknown customer"),
        ("shift_reclassified", LUNCH, RESTID, "On 2026-01-05 job updated to Restid"),
        ("shift_reclassified", LUNCH, NOTHING, "On 2026-01-05 job updated to Unknown shift"),
    ],
)
def test_message_has_no_gap_where_a_field_is_empty(
    event_type: str, old: dict[str, str] | None, new: dict[str, str] | None, message: str
) -> None:
    (told,) = write_notifications([_event(event_type, old, new)])

    assert told.message == message


def test_three_events_of_one_session_are_one_summary() -> None:
    events = [_event("shift_added", None, LUNCH, event_id) for event_id in ("e1", "e2", "e3")]

    (told,) = write_notifications(events)

    assert told.message == "3 shifts updated for 2026-01-05"
    assert told.event_ids == ("e1", "e2", "e3")
    # sha256 of "1001|2026-01-05|s|summary|e1|e2|e3"
    assert told.notification_id == (
        "a4117223705edceab144a5888692e9cf34e951dac2f67d72d90d9d3c7bd2a8f1"
    )


def test_threshold_says_from_how_many_events_on_there_is_one_summary() -> None:
    events = [_event("shift_added", None, LUNCH, "e1"), _event("shift_added", None, RESTID, "e3")]

    told = write_notifications(events)
    summed_up = write_notifications(events, summary_threshold=2)

    assert [notification.event_ids for notification in told] == [("e1",), ("e3",)]
    assert [notification.event_ids for notification in summed_up] == [("e1", "e3")]
    assert write_notifications([]) == ()


def test_day_before_today_is_past_and_today_is_not() -> None:
    assert is_past(DAY, dt.date(2026, 1, 6))
    assert not is_past(DAY, DAY)
