"""Several images of one session become one schedule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.ocr.day.aggregate import aggregate_images
from backfill.ocr.shift import Shift

from .schedule_examples import make_shift, make_visit, shifts

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "ocr-aggregate.json").read_text(encoding="utf-8")
)["cases"]
DEFECT = "aggregate_probe/two_short_activities_in_one_image"


def _told(shift: Shift) -> dict[str, str]:
    return {
        field: value
        for field, value in shift.as_json().items()
        if value and not field.endswith("fingerprint")
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_vector_gives_its_schedule(case: dict[str, Any]) -> None:
    images = [[make_shift(row) for row in image] for image in case["images"]]

    schedule = aggregate_images(images)

    expected = case["reference_shifts"]
    if case["id"] == DEFECT:
        expected = [{**row, "source_count": 1} for row in case["images"][0]]
    assert [
        {**_told(shift), "source_count": len(sources)}
        for shift, sources in zip(schedule.shifts, schedule.sources, strict=True)
    ] == expected


def test_two_clients_at_one_address_and_time_are_two_shifts() -> None:
    anna = make_visit("08:00", "10:00", "Anna Berg", "Ekvägen/3/Askim")
    bo = make_visit("08:00", "10:00", "Bo Ek", "Ekvägen/3/Askim")

    schedule = aggregate_images([[anna, bo], [bo, anna]])

    assert {shift.customer_name for shift in schedule.shifts} == {"Anna Berg", "Bo Ek"}
    assert list(map(len, schedule.sources)) == [2, 2]
    assert schedule.contradictions == ()


def test_rows_of_one_image_stay_apart_even_when_a_second_image_fits_both() -> None:
    first = make_visit("08:00", "08:04", "Anna Berg", "Ekvägen/3/Askim")
    second = make_visit("08:02", "08:06", "Anna Berg", "Ekvägen/3/Askim")

    schedule = aggregate_images([[first, second], [second]])

    assert schedule.shifts == (first, second)
    assert list(map(len, schedule.sources)) == [1, 2]


def test_name_cut_off_at_the_edge_takes_the_longer_name_and_address() -> None:
    cut = make_visit("08:00", "10:00", "Karin Sj", "Ekvägen/3/", city="")
    whole = make_visit("08:00", "10:00", "Karin Sjölund", "Ekvägen/3/", city="")

    (shift,) = aggregate_images([[cut], [whole]]).shifts

    assert shift == whole


def test_range_over_midnight_merges_around_the_clock() -> None:
    late = make_visit("23:58", "02:00", "Anna Berg", "Ekvägen/3/Askim")
    later = make_visit("00:01", "02:01", "Anna Berg", "Ekvägen/3/Askim")

    (shift,) = aggregate_images([[late], [later]]).shifts

    assert (shift.start, shift.end) == ("23:58", "02:01")


def test_highest_type_wins() -> None:
    unknown = make_visit("08:00", "10:00", "Anna Berg", "Ekvägen/3/Askim", shift_type="UNKNOWN")
    training = make_visit("08:00", "10:00", "Anna Berg", "Ekvägen/3/Askim", shift_type="TRAINING")

    (shift,) = aggregate_images([[unknown], [training]]).shifts

    assert shift.shift_type == "TRAINING"


@pytest.mark.parametrize(
    "other",
    [
        make_visit("09:00", "11:00", "Anna Berg", "Ekvägen/3/Askim"),
        make_visit("08:00", "10:00", "Bo Ek", "Storgatan/1/Lerum"),
        make_visit("08:00", "10:00", "Rna Bera", "Ekvägen/3/Askim"),
    ],
    ids=["one client at overlapping times", "two clients at two places", "a name cut by an edge"],
)
def test_images_that_contradict_each_other_are_reported(other: Shift) -> None:
    anna = make_visit("08:00", "10:00", "Anna Berg", "Ekvägen/3/Askim")

    across_images = aggregate_images([[anna], [other]])
    on_one_image = aggregate_images([[anna, other]])

    assert len(across_images.contradictions) == 1
    assert len(across_images.shifts) == 2
    assert on_one_image.contradictions == ()


@given(st.lists(shifts(), max_size=6))
def test_one_image_keeps_every_row(rows: list[Shift]) -> None:
    schedule = aggregate_images([rows])

    assert sorted(map(repr, schedule.shifts)) == sorted(map(repr, rows))


@given(st.lists(shifts(), max_size=6, unique_by=repr))
def test_same_image_twice_adds_nothing(rows: list[Shift]) -> None:
    once, twice = aggregate_images([rows]), aggregate_images([rows, rows])

    assert twice.shifts == once.shifts
    assert list(map(len, twice.sources)) == [2] * len(rows)
    assert twice.contradictions == ()


@given(st.lists(shifts(), max_size=6), st.randoms())
def test_order_of_rows_does_not_matter(rows: list[Shift], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))

    assert aggregate_images([shuffled]).shifts == aggregate_images([rows]).shifts
