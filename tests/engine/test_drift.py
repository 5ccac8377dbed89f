"""A row that was edited since it was read is listed with its present values, never overwritten."""

from __future__ import annotations

import csv
import json
import threading
from typing import Any

import psycopg
import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, noon_utc

from backfill.errors import RowsDrifted
from backfill.notebook.run_book import RunBook

START, END = noon_utc(3)


def apply_after(bench: Bench, edit: str, *values: Any) -> tuple[str, RunBook]:
    """Plan, edit, apply; return the run's id and its book."""
    run_id = bench.plan().run_id
    bench.sql(edit, *values)
    return run_id, bench.apply(run_id)


def drift_after(bench: Bench, edit: str, *values: Any) -> tuple[str, str]:
    """Plan, edit, apply with drift; return the run's id and the message."""
    run_id = bench.plan().run_id
    bench.sql(edit, *values)
    with pytest.raises(RowsDrifted) as drifted:
        bench.apply(run_id)
    assert int(drifted.value.exit_code) == 5
    return run_id, str(drifted.value)


def details(bench: Bench, run_id: str) -> dict[str, str]:
    """Return the detail of each drifted row, from the database."""
    rows = bench.sql(
        "SELECT key, detail FROM backfill.skip WHERE run_id = %s AND reason = 'drifted'", run_id
    )
    return dict(rows)


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE events SET start_at = start_at + 1 WHERE id = 'e03'",
        "UPDATE events SET end_at = NULL WHERE id = 'e03'",
        "UPDATE events SET tz = 'Europe/London' WHERE id = 'e03'",
        "UPDATE events SET tz = ' Europe/Stockholm' WHERE id = 'e03'",
    ],
)
def test_a_row_whose_source_was_edited_is_left_alone(bench: Bench, edit: str) -> None:
    run_id, _ = drift_after(bench, edit)

    assert bench.filled()["e03"] == (None, None)
    assert list(details(bench, run_id)) == ["e03"]
    assert bench.filled()["e02"] == noon_utc(2)
    assert bench.filled()["e04"] == noon_utc(4)


def test_a_target_filled_with_another_value_is_left_alone(bench: Bench) -> None:
    run_id, message = drift_after(bench, "UPDATE events SET start_at_utc = 7 WHERE id = 'e03'")

    assert bench.filled()["e03"] == (7, None)
    assert message.startswith("1 row was left alone: it was edited since it was read.")
    present = json.loads(details(bench, run_id)["e03"].removeprefix("now "))
    assert (present["start_at_utc"], present["end_at_utc"]) == (7, None)


def test_a_target_filled_with_the_same_values_counts_as_unchanged(bench: Bench) -> None:
    run_id, book = apply_after(
        bench,
        "UPDATE events SET start_at_utc = %s, end_at_utc = %s WHERE id = 'e03'",
        START,
        END,
    )

    summary = bench.summary(book)
    assert (summary["total_updated"], summary["total_unchanged"]) == (11, 1)
    assert details(bench, run_id) == {}
    assert bench.images(run_id)[0][1] == 11


def test_a_deleted_row_is_listed_as_deleted(bench: Bench) -> None:
    run_id, _ = drift_after(bench, "DELETE FROM events WHERE id = 'e03'")

    assert details(bench, run_id) == {"e03": "the row was deleted"}


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE events SET title = 'New title', updated_at = 99 WHERE id = 'e03'",
        "UPDATE events SET rrule = 'FREQ=DAILY', deleted_at = 5 WHERE id = 'e03'",
        "UPDATE household SET name = 'New name', tz = 'Asia/Tokyo'",
    ],
)
def test_columns_that_no_value_came_from_do_not_count_as_drift(bench: Bench, edit: str) -> None:
    _, book = apply_after(bench, edit)

    assert bench.summary(book)["total_updated"] == 12


def test_a_households_new_zone_is_drift_for_the_rows_that_used_the_old_one(bench: Bench) -> None:
    bench.sql("UPDATE events SET tz = NULL WHERE id IN ('e02', 'e03')")

    run_id, _ = drift_after(bench, "UPDATE household SET tz = 'Asia/Tokyo'")

    assert sorted(details(bench, run_id)) == ["e02", "e03"]
    assert [key for key, (start, _) in bench.filled().items() if start is None] == ["e02", "e03"]


def test_a_default_zone_that_comes_first_makes_a_households_zone_unimportant(
    bench: Bench,
) -> None:
    bench.sql("UPDATE events SET tz = NULL")
    run_id = bench.plan(default_tz="Europe/Stockholm", default_tz_first=True).run_id
    bench.sql("DELETE FROM household")

    book = bench.apply(run_id)

    assert bench.summary(book)["total_updated"] == 12


def test_drifted_rows_stand_in_the_output_the_folder_and_the_database(bench: Bench) -> None:
    run_id, message = drift_after(bench, "UPDATE events SET start_at = 0 WHERE id = 'e03'")

    assert "drifted.csv" in message
    assert "skipped e03: drifted (now {" in bench.messages()
    with bench.folder(run_id).file("drifted.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["key"], row["household_id"], row["reason"]) for row in rows] == [
        ("e03", "hh_demo", "drifted")
    ]
    assert json.loads(rows[0]["detail"].removeprefix("now "))["start_at"] == 0
    with bench.folder(run_id).file("skips.csv").open(newline="") as stream:
        assert list(csv.DictReader(stream)) == []


def test_a_run_with_drift_succeeds_and_says_so(bench: Bench) -> None:
    run_id, _ = drift_after(bench, "UPDATE events SET start_at = 0 WHERE id = 'e03'")

    summary = bench.folder(run_id).read_json("summary.json")
    assert (summary["status"], summary["exit_code"]) == ("succeeded", 5)
    assert (summary["total_updated"], summary["total_drifted"]) == (11, 1)
    assert summary["total_scanned"] == 12
    assert summary["households"][0]["total_drifted"] == 1
    assert bench.verify(run_id).findings == []


def test_a_drifted_row_goes_into_the_next_run(bench: Bench) -> None:
    drift_after(bench, "UPDATE events SET start_at = start_at + 86400000 WHERE id = 'e03'")

    summary = bench.summary(bench.run())

    assert (summary["total_scanned"], summary["total_updated"]) == (1, 1)
    assert bench.filled()["e03"] == (noon_utc(4)[0], END)


def test_an_edit_that_is_not_committed_is_waited_for_and_then_respected(bench: Bench) -> None:

    run_id = bench.plan().run_id
    with psycopg.connect(bench.dsn) as other:
        other.execute("UPDATE events SET start_at = 0 WHERE id = 'e03'")
        writer = threading.Thread(target=bench.apply_with, args=(run_id,))
        writer.start()
        bench.wait_for_lock_wait()
        other.commit()
        writer.join(timeout=DEADLINE_SECONDS)

    assert list(details(bench, run_id)) == ["e03"]
    assert bench.filled()["e03"] == (None, None)


def test_a_run_all_of_whose_rows_drifted_is_no_success(bench: Bench) -> None:
    run_id, message = drift_after(bench, "UPDATE events SET start_at = start_at + 60000")

    assert bench.status(run_id) == "failed"
    assert "wrote no row: all were edited since they were read (12 rows)" in message
    assert "backfill utc" in message
    assert len(details(bench, run_id)) == 12
    bench.run()
    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 12
