"""The stored schedule against the one read now."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.ocr.day.schedule_diff import ScheduleDiff, diff_schedules
from backfill.ocr.day.schedule_event import identify_events, value_hash
from backfill.ocr.day.session_plan import is_suspicious_removal
from backfill.ocr.shift import Entry, Shift
from backfill.ocr.text.normalise import normalise_entry

from .schedule_examples import make_shift, make_visit, shifts

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "ocr-diff.json").read_text(encoding="utf-8")
)["cases"]
# Where the old worker's events are a defect: what happens instead (see schedule_diff's page).
DECIDED = {
    "diff_probe/activity_swap_same_time": ["shift_reclassified"],
    "diff_probe/label_only_change": [],
}
STORED_BY_OLD_WORKER = {
    "start": "08:00",
    "end": "12:00",
    "customer_name": "Ola Byström",
    "customer_fingerprint": "4f8dcfdc71ed551c9857cca7588683dbb0d0cfe07a28153b013522c75398dee4",
    "street": "Onsala Stenåsliden",
    "street_number": "17",
    "postal_code": "",
    "postal_area": "",
    "city": "B",
    "location_fingerprint": "07de8b47c93ad1cc708d8dc550542acc638319a1770d62974d4a4ada12d2c1e1",
    "shift_type": "HOME_VISIT",
    "raw_type_label": "Storstädning",
}


def _types(diff: ScheduleDiff) -> list[str]:
    return [event.event_type.value for event in diff.events]


def _payload(rows: Sequence[Shift]) -> list[dict[str, str]]:
    return [row.as_json() for row in rows]


def _told(value: Any) -> dict[str, str]:
    return {
        field: text
        for field, text in (value or {}).items()
        if text and not field.endswith("fingerprint")
    }


def _replay(stored: Sequence[Shift], diff: ScheduleDiff) -> Counter[str]:
    """Apply a diff to the stored shifts; raises when it takes away what is not there."""
    shifts = Counter(json.dumps(shift.as_json()) for shift in stored)
    pairs = [(event.old, event.new) for event in diff.events]
    pairs += [(old.as_json(), new.as_json()) for old, new in diff.quiet]
    for old, new in pairs:
        if old is not None:
            assert shifts[json.dumps(old)] > 0
            shifts[json.dumps(old)] -= 1
        if new is not None:
            shifts[json.dumps(new)] += 1
    return +shifts


def _expected(event: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, str]]:
    kind, shift = event["type"], event.get("shift", {})
    before = event.get("before", shift if kind == "shift_removed" else {})
    after = event.get("after", shift if kind == "shift_added" else {})
    return kind, before, after


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_vector_gives_its_events(case: dict[str, Any]) -> None:
    diff = diff_schedules(case["old"], [make_shift(row) for row in case["new"]])

    if case["id"] in DECIDED:
        assert _types(diff) == DECIDED[case["id"]]
        return
    assert [
        (event.event_type.value, _told(event.old), _told(event.new)) for event in diff.events
    ] == [_expected(event) for event in case["reference_events"]]


def test_label_alone_changes_without_an_event() -> None:
    old = make_visit("08:00", "10:00", "Anna Berg", "Ekvägen/3/Askim")
    new = make_visit("08:00", "10:00", "Anna Berg", "Ekvägen/3/Askim", raw_type_label="Fönsterputs")

    diff = diff_schedules(_payload([old]), [new])

    assert diff == ScheduleDiff(events=(), quiet=((old, new),))


def test_address_that_the_older_worker_read_worse_is_no_event() -> None:
    new = normalise_entry(
        Entry("08:00", "12:00", "ola byström • Storstädning", "", "onsala, stenåsliden 17 b")
    )

    diff = diff_schedules([STORED_BY_OLD_WORKER], [new])

    assert diff.events == ()
    assert len(diff.quiet) == 1


def test_address_read_worse_and_another_time_is_one_time_change() -> None:
    new = normalise_entry(
        Entry("09:00", "12:00", "ola byström • Storstädning", "", "onsala, stenåsliden 17 b")
    )

    diff = diff_schedules([STORED_BY_OLD_WORKER], [new])

    assert _types(diff) == ["shift_time_changed"]
    assert diff.events[0].old == STORED_BY_OLD_WORKER


@pytest.mark.parametrize(
    ("stored_place", "place"),
    [
        ("Askim Ekvägen/3/", "Ekvägen/3/Askim"),
        ("Ekvägen/3/", "Ekvägen/3/Askim"),
        ("Asa Hermans Vag/2/Stadservice", "Hermans Väg/2/Åsa"),
        ("Göteborg Storgatan/1/", "Storgatan/1/Göteborg"),
    ],
)
def test_stored_town_in_the_wrong_field_is_no_move(stored_place: str, place: str) -> None:
    old = make_visit("08:00", "10:00", "Anna Berg", stored_place)
    new = make_visit("08:00", "10:00", "Anna Berg", place)

    assert diff_schedules(_payload([old]), [new]).events == ()


@pytest.mark.parametrize("place", ["Ekvägen/3/Lerum", "Ekvägen/5/Askim", "Storgatan/3/Askim"])
def test_other_town_number_or_street_is_a_move(place: str) -> None:
    old = make_visit("08:00", "10:00", "Anna Berg", "Ekvägen/3/Askim")
    new = make_visit("08:00", "10:00", "Anna Berg", place)

    assert _types(diff_schedules(_payload([old]), [new])) == ["shift_relocated"]


@pytest.mark.parametrize(
    ("stored_type", "expected"),
    [("HOME_VISIT", []), ("OFFICE", []), ("", []), ("BREAK", ["shift_reclassified"])],
)
def test_older_word_for_the_same_type_is_no_event(stored_type: str, expected: list[str]) -> None:
    stored = make_visit("08:00", "10:00", "Anna Strastberg", "Ekvägen/3/Lerum").as_json()
    new = make_visit("08:00", "10:00", "Anna Strastberg", "Ekvägen/3/Lerum")

    diff = diff_schedules([{**stored, "shift_type": stored_type}], [new])

    assert _types(diff) == expected


def test_activity_stored_with_its_label_as_name_is_not_renamed() -> None:
    old = make_shift(customer_name="Semester", shift_type="UNKNOWN")
    new = make_shift(shift_type="LEAVE", raw_type_label="Semester")

    assert _types(diff_schedules(_payload([old]), [new])) == ["shift_reclassified"]


def test_name_written_otherwise_is_retitled() -> None:
    old = make_visit("08:00", "10:00", "K. Sjölund", "Ekvägen/3/Lerum")
    new = make_visit("08:00", "10:00", "Karin Sjölund", "Ekvägen/3/Lerum")

    assert _types(diff_schedules(_payload([old]), [new])) == ["shift_retitled"]


def test_nearest_time_is_paired_first() -> None:
    early = make_visit("08:00", "10:00", "Anna Berg", "Ekvägen/3/Lerum")
    late = make_visit("15:00", "17:00", "Anna Berg", "Ekvägen/3/Lerum")
    moved = make_visit("14:30", "17:00", "Anna Berg", "Ekvägen/3/Lerum")

    diff = diff_schedules(_payload([early, late]), [moved])

    assert [(event.event_type.value, (event.old or {})["start"]) for event in diff.events] == [
        ("shift_time_changed", "15:00"),
        ("shift_removed", "08:00"),
    ]


@pytest.mark.parametrize(
    "payload",
    [None, {}, "text", 7, [None, 3, "x", []], [{}], [{"start": 8, "end": None, "city": ["B"]}]],
)
def test_stored_json_of_any_shape_is_read(payload: object) -> None:
    diff = diff_schedules(payload, [])

    assert set(_types(diff)) <= {"shift_removed"}
    assert all(len(event.old or {}) == 12 for event in diff.events)


def test_value_hash_is_of_compact_json_with_letters_kept() -> None:
    assert value_hash(None) == ("74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b")
    assert value_hash({"b": "å", "a": ""}) == value_hash({"a": "", "b": "å"})
    assert value_hash({"city": "Åsa"}) == (
        "7898ac5e87a69de9a20104112fee4eef654ff88695d0f26160a75fb1e7ca3eab"
    )


def test_event_id_is_the_same_on_every_run_and_another_for_another_session() -> None:
    new = make_visit("08:00", "10:00", "Anna Berg", "Ekvägen/3/Lerum")
    day = dt.date(2026, 1, 5)
    events = diff_schedules([], [new]).events

    first, again, other = (
        identify_events(1001, day, session, events)[0] for session in ("s1", "s1", "s2")
    )

    assert first == again
    assert first.event_id != other.event_id
    assert first.unique_key == other.unique_key


@pytest.mark.parametrize(
    ("old_count", "new_count", "expected"),
    [(0, 0, False), (1, 0, True), (4, 2, False), (5, 2, True), (3, 2, False), (2, 5, False)],
)
def test_fewer_than_half_is_suspicious(old_count: int, new_count: int, expected: bool) -> None:
    assert is_suspicious_removal(old_count, new_count) is expected


@given(st.lists(shifts(), max_size=6))
def test_same_schedule_has_no_diff(rows: list[Shift]) -> None:
    assert diff_schedules(_payload(rows), rows) == ScheduleDiff(events=(), quiet=())


@given(st.lists(shifts(), max_size=6), st.lists(shifts(), max_size=6))
def test_replaying_the_diff_over_the_old_gives_the_new(old: list[Shift], new: list[Shift]) -> None:
    diff = diff_schedules(_payload(old), new)

    assert diff.quiet == ()
    assert _replay(old, diff) == Counter(json.dumps(shift.as_json()) for shift in new)


@given(st.lists(shifts(), max_size=6), st.lists(shifts(), max_size=6), st.randoms())
def test_order_of_the_lists_does_not_matter(
    old: list[Shift], new: list[Shift], random: Any
) -> None:
    shuffled = diff_schedules(_payload(random.sample(old, len(old))), random.sample(new, len(new)))

    assert shuffled == diff_schedules(_payload(old), new)


ANY_JSON = st.recursive(
    st.none() | st.text() | st.integers() | st.booleans(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.sampled_from(["start", "end", "city", "street"]), inner)
    ),
)


@given(ANY_JSON)
def test_any_json_is_compared(payload: object) -> None:
    new = make_visit("08:00", "10:00", "Anna Berg", "Ekvägen/3/Lerum")

    diff = diff_schedules(payload, [new])

    assert all(len(event.old or event.new or {}) == 12 for event in diff.events)
