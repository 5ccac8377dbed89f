"""Conversion: the design's vectors, policies and decisions, and the edges of the calendar."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from numpy.typing import NDArray

from backfill.errors import UsageError
from backfill.utc.convert import (
    MAX_US,
    MIN_US,
    Candidates,
    Decision,
    FoldPolicy,
    GapPolicy,
    LocalKind,
    classify,
    explain_one,
    in_range,
    resolve,
)
from backfill.utc.oracle import to_us
from backfill.utc.segments import NO_INSTANT

# zone, wall time, kind, first candidate, second candidate
VECTORS = [
    ("Europe/London", "2025-09-07 10:00", "normal", "2025-09-07 09:00", "2025-09-07 09:00"),
    ("America/New_York", "2025-03-09 03:00", "normal", "2025-03-09 07:00", "2025-03-09 07:00"),
    ("Asia/Tokyo", "2025-09-07 10:00", "normal", "2025-09-07 01:00", "2025-09-07 01:00"),
    ("Europe/London", "2025-10-26 01:30", "fold", "2025-10-26 00:30", "2025-10-26 01:30"),
    ("America/New_York", "2025-03-09 02:15", "gap", "2025-03-09 07:15", "2025-03-09 07:00"),
    ("Australia/Lord_Howe", "2024-04-07 01:45", "fold", "2024-04-06 14:45", "2024-04-06 15:15"),
    ("Pacific/Apia", "2011-12-30 12:00", "gap", "2011-12-30 22:00", "2011-12-30 10:00"),
    ("America/Sao_Paulo", "2018-11-04 00:00", "gap", "2018-11-04 03:00", "2018-11-04 03:00"),
    ("Asia/Kathmandu", "2024-06-01 12:00", "normal", "2024-06-01 06:15", "2024-06-01 06:15"),
    ("Europe/London", "1800-01-01 00:00", "normal", "1800-01-01 00:01:15", "1800-01-01 00:01:15"),
]

FOLD = ("Europe/London", "2025-10-26 01:30")
GAP = ("America/New_York", "2025-03-09 02:15")
NORMAL = ("Asia/Tokyo", "2025-09-07 10:00")


def us(text: str) -> int:
    return to_us(dt.datetime.fromisoformat(text))


def classify_pairs(*pairs: tuple[str, str]) -> Candidates:
    zones = [zone for zone, _ in pairs]
    walls = np.array([us(wall) for _, wall in pairs], dtype=np.int64)
    return classify(walls, np.arange(len(pairs)), zones)


@pytest.mark.parametrize(("zone", "wall", "kind", "first", "second"), VECTORS)
def test_design_vectors_hold(zone: str, wall: str, kind: str, first: str, second: str) -> None:
    found = classify_pairs((zone, wall))

    assert found.kind[0] == LocalKind(kind).code
    assert found.first_us[0] == us(first)
    assert found.second_us[0] == us(second)
    assert found.offset_us[0] == us(wall) - us(first)


def test_transition_is_named_for_gap_and_fold_only() -> None:
    found = classify_pairs(FOLD, GAP, NORMAL)

    expected = [us("2025-10-26 01:00"), us("2025-03-09 07:00"), NO_INSTANT]
    assert found.transition_us.tolist() == expected


@pytest.mark.parametrize(
    ("fold", "gap", "expected"),
    [
        (FoldPolicy.EARLIER, GapPolicy.SHIFT_FORWARD, ["2025-10-26 00:30", "2025-03-09 07:15"]),
        (FoldPolicy.LATER, GapPolicy.FIRST_VALID, ["2025-10-26 01:30", "2025-03-09 07:00"]),
    ],
)
def test_policies_choose_the_candidate(
    fold: FoldPolicy, gap: GapPolicy, expected: list[str]
) -> None:
    utc_us, skip_mask = resolve(classify_pairs(FOLD, GAP, NORMAL), fold, gap)

    assert utc_us.tolist() == [us(text) for text in [*expected, "2025-09-07 01:00"]]
    assert not skip_mask.any()


def test_skip_policies_skip_folds_and_gaps_and_nothing_else() -> None:
    utc_us, skip_mask = resolve(classify_pairs(FOLD, GAP, NORMAL), FoldPolicy.SKIP, GapPolicy.SKIP)

    assert skip_mask.tolist() == [True, True, False]
    assert utc_us.tolist() == [NO_INSTANT, NO_INSTANT, us("2025-09-07 01:00")]


def test_decisions_beat_policies_and_leave_normal_times_alone() -> None:
    candidates = classify_pairs(FOLD, FOLD, GAP, GAP, NORMAL, FOLD)
    decisions = np.array(
        [
            Decision.SECOND,
            Decision.SKIP,
            Decision.FIRST,
            Decision.POLICY,
            Decision.SKIP,
            Decision.POLICY,
        ]
    )

    utc_us, skip_mask = resolve(candidates, FoldPolicy.EARLIER, GapPolicy.FIRST_VALID, decisions)

    assert skip_mask.tolist() == [False, True, False, False, False, False]
    assert utc_us.tolist() == [
        us("2025-10-26 01:30"),
        NO_INSTANT,
        us("2025-03-09 07:15"),
        us("2025-03-09 07:00"),
        us("2025-09-07 01:00"),
        us("2025-10-26 00:30"),
    ]


def test_decision_lifts_a_skip_policy() -> None:
    utc_us, skip_mask = resolve(
        classify_pairs(FOLD), FoldPolicy.SKIP, GapPolicy.SKIP, np.array([Decision.SECOND])
    )

    assert not skip_mask[0]
    assert utc_us[0] == us("2025-10-26 01:30")


def test_instants_outside_the_calendar_are_told_apart_from_those_inside() -> None:
    found = classify_pairs(
        ("Asia/Tokyo", "0001-01-01 00:00"),
        ("America/New_York", "9999-12-31 23:30"),
        ("Etc/UTC", "0001-01-01 00:00"),
        ("Etc/UTC", "9999-12-31 23:59:59.999999"),
    )

    assert found.is_in_range().tolist() == [False, False, True, True]
    assert found.first_us[2:].tolist() == [MIN_US, MAX_US]


def test_walls_outside_the_calendar_get_no_instant() -> None:
    int64 = np.iinfo(np.int64)
    walls = np.array([int64.min, MIN_US - 1, MAX_US + 1, int64.max, 0], dtype=np.int64)

    found = classify(walls, np.zeros(5, dtype=np.int16), ["America/New_York"])

    assert in_range(walls).tolist() == [False, False, False, False, True]
    assert found.is_in_range().tolist() == [False, False, False, False, True]
    assert found.first_us[:4].tolist() == [NO_INSTANT] * 4
    assert found.kind[:4].tolist() == [LocalKind.NORMAL.code] * 4


def test_row_without_zone_gets_no_instant() -> None:
    found = classify(np.array([0, 0]), np.array([-1, 0]), ["Asia/Tokyo"])

    assert found.first_us.tolist() == [NO_INSTANT, -9 * 3_600_000_000]


@pytest.mark.parametrize("zones", [[], ["Asia/Tokyo"]])
def test_no_rows_give_no_candidates(zones: list[str]) -> None:
    none: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    assert classify(none, none, zones).kind.size == 0


def test_unknown_zone_is_refused_with_the_likely_name() -> None:
    with pytest.raises(UsageError, match="Europe/London"):
        classify(np.array([0]), np.array([0]), ["europe/london"])


def test_zone_code_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone code 1"):
        classify(np.array([0]), np.array([1]), ["Asia/Tokyo"])


def test_far_future_uses_the_last_rule() -> None:
    found = classify_pairs(("Europe/Stockholm", "9998-07-01 12:00"))

    assert found.first_us[0] == us("9998-07-01 10:00")


def test_gap_is_explained_with_both_offsets_and_its_transition() -> None:
    explained = explain_one(dt.datetime(2025, 3, 9, 2, 15), "America/New_York")  # noqa: DTZ001

    assert explained.kind is LocalKind.GAP
    assert explained.first == dt.datetime(2025, 3, 9, 7, 15, tzinfo=dt.UTC)
    assert explained.second == dt.datetime(2025, 3, 9, 7, 0, tzinfo=dt.UTC)
    assert explained.transition == dt.datetime(2025, 3, 9, 7, 0, tzinfo=dt.UTC)
    assert explained.offset_before == dt.timedelta(hours=-5)
    assert explained.offset_after == dt.timedelta(hours=-4)


def test_fold_is_explained_with_both_offsets_and_its_transition() -> None:
    explained = explain_one(dt.datetime(2024, 4, 7, 1, 45), "Australia/Lord_Howe")  # noqa: DTZ001

    assert explained.kind is LocalKind.FOLD
    assert explained.transition == dt.datetime(2024, 4, 6, 15, 0, tzinfo=dt.UTC)
    assert explained.offset_before == dt.timedelta(hours=11)
    assert explained.offset_after == dt.timedelta(hours=10, minutes=30)


def test_normal_time_is_explained_without_transition() -> None:
    explained = explain_one(dt.datetime(2024, 6, 1, 12, 0), "Asia/Kathmandu")  # noqa: DTZ001

    assert explained.kind is LocalKind.NORMAL
    assert explained.first == explained.second == dt.datetime(2024, 6, 1, 6, 15, tzinfo=dt.UTC)
    assert explained.transition is None
    assert explained.offset_before == explained.offset_after == dt.timedelta(hours=5, minutes=45)


def test_time_that_leaves_the_calendar_cannot_be_explained() -> None:
    with pytest.raises(UsageError, match="outside years"):
        explain_one(dt.datetime(1, 1, 1), "Asia/Tokyo")  # noqa: DTZ001


def test_time_with_an_offset_of_its_own_is_refused() -> None:
    with pytest.raises(UsageError, match="carries an offset"):
        explain_one(dt.datetime(2025, 1, 1, tzinfo=dt.UTC), "Asia/Tokyo")


def test_number_that_is_no_decision_is_refused() -> None:
    with pytest.raises(ValueError, match="no Decision"):
        resolve(classify_pairs(FOLD), FoldPolicy.SKIP, GapPolicy.SKIP, np.array([4]))
