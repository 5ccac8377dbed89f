"""What a run will do with what it has read."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.errors import PreflightError
from backfill.ocr.day.schedule_event import EventKey
from backfill.ocr.day.session import (
    CaptureSession,
    HeldReason,
    PlanStatus,
    SessionFailure,
    SessionPlan,
    SessionReading,
    ShiftEvidence,
    StoredSnapshot,
)
from backfill.ocr.day.session_plan import PlanOptions, SnapshotKey, is_stale, plan_sessions
from backfill.ocr.failure import Stage
from backfill.ocr.shift import Shift

from .schedule_examples import make_visit, shifts

USER = 1001
DAY = dt.date(2026, 1, 5)
ANNA = make_visit("08:00", "10:00", "Anna Berg", "Ekvägen/3/Askim")
BO = make_visit("11:00", "12:00", "Bo Ek", "Storgatan/1/Lerum")
CIA = make_visit("13:00", "15:00", "Cia Alm-Holm", "Parkgatan/2/Onsala")


def _session(number: int) -> CaptureSession:
    """The session with this number, created at that hour of the day."""
    created_at = dt.datetime(2026, 1, 4, number, tzinfo=dt.UTC)
    return CaptureSession(uuid.UUID(int=number), USER, "done", created_at)


def _reading(number: int, *rows: Shift, **more: Any) -> SessionReading:
    return SessionReading(_session(number), DAY, rows, **more)


def _snapshot(number: int, *rows: Shift) -> dict[SnapshotKey, StoredSnapshot]:
    session = _session(number)
    payload = [row.as_json() for row in rows]
    return {(USER, DAY): StoredSnapshot(payload, session.id, session.created_at)}


def _types(plan: SessionPlan) -> list[str]:
    return [planned.event.event_type.value for planned in plan.events]


def _apply(
    plans: list[SessionPlan], snapshots: dict[SnapshotKey, StoredSnapshot], keys: set[EventKey]
) -> None:
    """Do to the values what apply does to the tables; raises where the database would refuse."""
    for plan in plans:
        assert plan.before == snapshots.get((USER, DAY)) or not plan.is_writing
        for planned in plan.events:
            assert planned.unique_key not in keys
            keys.add(planned.unique_key)
        if plan.after is not None:
            payload = json.loads(json.dumps(plan.after))
            session = plan.session
            snapshots[USER, DAY] = StoredSnapshot(payload, session.id, session.created_at)


def test_first_reading_of_a_day_adds_its_shifts_in_order_of_time() -> None:
    (plan,) = plan_sessions([_reading(1, BO, ANNA)], {})

    assert plan.status is PlanStatus.OK
    assert sorted(_types(plan)) == ["shift_added", "shift_added"]
    assert plan.before is None
    assert plan.after == (ANNA.as_json(), BO.as_json())
    assert [len(shift) for shift in plan.after] == [12, 12]
    assert len(plan.notifications) == 2


def test_sessions_of_one_day_are_planned_on_top_of_each_other() -> None:
    first, second = plan_sessions([_reading(2, ANNA, BO), _reading(1, ANNA)], {})

    assert (first.session, second.session) == (_session(1), _session(2))
    assert _types(first) == ["shift_added"]
    assert _types(second) == ["shift_added"]
    assert second.events[0].event.new == BO.as_json()
    assert second.before == StoredSnapshot([ANNA.as_json()], _session(1).id, _session(1).created_at)


def test_days_and_users_do_not_mix() -> None:
    other_day = SessionReading(_session(2), DAY + dt.timedelta(days=1), (ANNA,))

    first, second = plan_sessions([_reading(1, ANNA), other_day], {})

    assert first.before is None and second.before is None


def test_reading_that_equals_the_snapshot_is_unchanged_whatever_its_age() -> None:
    (plan,) = plan_sessions([_reading(1, BO, ANNA)], _snapshot(2, ANNA, BO))

    assert plan.status is PlanStatus.UNCHANGED
    assert (plan.after, plan.events, plan.notifications) == (None, (), ())


def test_nothing_stored_and_nothing_read_is_unchanged() -> None:
    (plan,) = plan_sessions([_reading(1)], {})

    assert plan.status is PlanStatus.UNCHANGED


def test_older_session_does_not_overwrite_unless_allowed() -> None:
    snapshots = _snapshot(2, ANNA)

    (held,) = plan_sessions([_reading(1, BO)], snapshots)
    (allowed,) = plan_sessions([_reading(1, BO)], snapshots, options=PlanOptions(allow_older=True))

    assert (held.status, held.held_reason) == (PlanStatus.HELD, HeldReason.STALE_SESSION)
    assert (held.events, held.after) == ((), None)
    assert len(held.withheld) == 2
    assert "--allow-older" in held.detail
    assert allowed.status is PlanStatus.OK


def test_source_session_itself_may_correct_its_snapshot() -> None:
    (plan,) = plan_sessions([_reading(2, ANNA, BO)], _snapshot(2, ANNA))

    assert plan.status is PlanStatus.OK


@pytest.mark.parametrize("rows", [(), (CIA,)], ids=["no shifts", "fewer than half"])
def test_suspicious_removal_is_held_unless_allowed(rows: tuple[Shift, ...]) -> None:
    snapshots = _snapshot(1, ANNA, BO, CIA)

    (held,) = plan_sessions([_reading(2, *rows)], snapshots)
    (allowed,) = plan_sessions(
        [_reading(2, *rows)], snapshots, options=PlanOptions(allow_removals=True)
    )

    assert held.held_reason is HeldReason.SUSPICIOUS_REMOVAL
    assert set(_types(allowed)) == {"shift_removed"}


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ({"review_reasons": ("farewell does not fit",)}, HeldReason.NEEDS_REVIEW),
        (
            {"evidence": (ShiftEvidence(40.0, review_reasons=("low confidence",)),)},
            HeldReason.NEEDS_REVIEW,
        ),
        (
            {"contradictions": ("overlap",)},
            HeldReason.CONTRADICTING_IMAGES,
        ),
    ],
)
def test_doubtful_reading_is_held_unless_accepted(flaw: Any, reason: HeldReason) -> None:
    (held,) = plan_sessions([_reading(1, ANNA, **flaw)], {})
    (accepted,) = plan_sessions(
        [_reading(1, ANNA, **flaw)], {}, options=PlanOptions(accept_review=True)
    )

    assert (held.status, held.held_reason) == (PlanStatus.HELD, reason)
    assert accepted.status is PlanStatus.OK


@pytest.mark.parametrize("word", ["Dropped", "Struket", "Ersätter"])
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_client_that_is_a_known_one_behind_a_word_is_asked_about(
    word: str, *, is_stored: bool
) -> None:
    longer = make_visit("08:00", "10:00", f"{word} Anna Berg", "Ekvägen/3/Askim")
    sure = (ShiftEvidence(95.0),)
    known = {(USER, DAY - dt.timedelta(30)): next(iter(_snapshot(1, ANNA).values()))}
    other = SessionReading(_session(2), DAY - dt.timedelta(1), (ANNA,), evidence=sure)
    read = _reading(3, longer, evidence=sure)

    *_others, plan = plan_sessions(
        [read] if is_stored else [other, read], known if is_stored else {}
    )
    assert plan.held_reason is HeldReason.NEEDS_REVIEW
    assert "title_unsure" in plan.detail

    looked_at = (ShiftEvidence(95.0, looked_at=("customer_name", "raw_type_label")),)
    (plan,) = plan_sessions([_reading(3, longer, evidence=looked_at)], known)
    assert plan.status is PlanStatus.OK


def test_clients_of_one_family_name_are_no_words_before_one_another() -> None:
    maria = make_visit("08:00", "10:00", "Maria Berg", "Ekvägen/3/Askim")
    both = (ANNA, maria)

    (plan,) = plan_sessions([_reading(3, *both, evidence=(ShiftEvidence(95.0),) * 2)], {})
    assert plan.status is PlanStatus.OK


def test_held_session_leaves_the_snapshot_for_the_next() -> None:
    held, after = plan_sessions(
        [_reading(2, review_reasons=("blurred",)), _reading(3, ANNA, BO)], _snapshot(1, ANNA)
    )

    assert held.status is PlanStatus.HELD
    assert after.before == _snapshot(1, ANNA)[USER, DAY]


def test_failed_session_is_told_and_stops_nobody() -> None:
    failure = SessionFailure(_session(1), Stage.DATE, "NoDate", "no image has a date")

    failed, ok = plan_sessions([failure, _reading(2, ANNA)], {})

    assert (failed.status, failed.detail) == (PlanStatus.FAILED, "date: no image has a date")
    assert ok.status is PlanStatus.OK


def test_label_alone_is_snapshot_only() -> None:
    window = make_visit(
        "08:00", "10:00", "Anna Berg", "Ekvägen/3/Askim", raw_type_label="Fönsterputs"
    )

    (plan,) = plan_sessions([_reading(2, window)], _snapshot(1, ANNA))

    assert plan.status is PlanStatus.SNAPSHOT_ONLY
    assert plan.after == (window.as_json(),)


def test_event_that_the_unique_key_swallows_is_counted_as_such() -> None:
    (first,) = plan_sessions([_reading(1, ANNA)], {})
    keys = {planned.unique_key for planned in first.events}

    (again,) = plan_sessions([_reading(2, ANNA, BO)], {}, stored_event_keys=keys)

    assert [planned.event.new for planned in again.events] == [BO.as_json()]
    assert [planned.event.new for planned in again.swallowed] == [ANNA.as_json()]
    assert len(again.notifications) == 1


def test_key_used_earlier_in_the_same_plan_swallows_too() -> None:
    there, gone, back = plan_sessions(
        [_reading(1, ANNA), _reading(2), _reading(3, ANNA)],
        {},
        options=PlanOptions(allow_removals=True),
    )

    assert (_types(there), _types(gone), _types(back)) == (["shift_added"], ["shift_removed"], [])
    assert len(back.swallowed) == 1
    assert back.after == (ANNA.as_json(),)


def test_session_without_time_zone_is_refused() -> None:
    with pytest.raises(PreflightError, match="timestamptz"):
        CaptureSession(uuid.UUID(int=1), USER, "done", dt.datetime(2026, 1, 4))  # noqa: DTZ001


@given(st.lists(st.lists(shifts(), max_size=4), min_size=1, max_size=4))
def test_planned_twice_changes_nothing_the_second_time(days: list[list[Shift]]) -> None:
    readings = [_reading(number, *rows) for number, rows in enumerate(days, start=1)]
    snapshots: dict[SnapshotKey, StoredSnapshot] = {}
    keys: set[EventKey] = set()

    _apply(plan_sessions(readings, snapshots), snapshots, keys)
    again = plan_sessions(readings, snapshots, stored_event_keys=keys)

    assert not any(plan.is_writing or plan.events or plan.notifications for plan in again)


@given(st.lists(st.lists(shifts(), max_size=4), min_size=1, max_size=4))
def test_plan_ends_in_the_last_reading_that_was_not_held(days: list[list[Shift]]) -> None:
    readings = [_reading(number, *rows) for number, rows in enumerate(days, start=1)]
    snapshots: dict[SnapshotKey, StoredSnapshot] = {}

    plans = plan_sessions(readings, snapshots)
    _apply(plans, snapshots, set())

    written = [plan.after for plan in plans if plan.is_writing]
    payload = snapshots[USER, DAY].payload if snapshots else []
    assert payload == [dict(shift) for shift in (written[-1] if written else ()) or ()]


def test_sessions_of_one_instant_are_ordered_by_id_and_unknown_source_holds_nothing() -> None:
    now = dt.datetime(2026, 1, 4, tzinfo=dt.UTC)
    low, high = (CaptureSession(uuid.UUID(int=one), USER, "done", now) for one in (1, 2))

    assert is_stale(low, StoredSnapshot([], high.id, now))
    assert not is_stale(high, StoredSnapshot([], low.id, now))
    assert not is_stale(low, StoredSnapshot([], low.id, now))
    assert not is_stale(low, StoredSnapshot([], high.id, None))
