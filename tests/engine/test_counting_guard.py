"""Rows read are rows counted, and rows written are rows of the image: else nothing is done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.engine.workshop import Bench

from backfill import workbook
from backfill.errors import PreflightError, TooManyRefused


def forget_in_index(bench: Bench, index: str, insert: str) -> None:
    """Insert rows that the index does not hold, as one does that is broken."""
    valid = "UPDATE pg_index SET indisready = %s WHERE indexrelid = %s::regclass"
    bench.sql(valid, False, index)
    bench.sql(insert)
    bench.sql(valid, True, index)


def use_indexes_only(bench: Bench) -> None:
    """Have the server find rows by their key, as it does in a large table."""
    [(name,)] = bench.sql("SELECT current_database()")
    for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
        bench.connection.execute(f'ALTER DATABASE "{name}" SET {setting} = off')


def test_rows_that_the_keys_index_does_not_hold_stop_the_run_by_name(bench: Bench) -> None:
    forget_in_index(
        bench,
        "events_pkey",
        "INSERT INTO events (id, household_id, start_at, tz) SELECT 'e05x', household_id, start_at,"
        " tz FROM events WHERE id = 'e05'",
    )
    use_indexes_only(bench)

    with pytest.raises(
        PreflightError, match=r"counted 13 rows, 12 were read; 1 .* among them e05x"
    ):
        bench.plan()

    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 0


@pytest.mark.parametrize("filled", [0, 5])
def test_repair_counts_all_that_it_looks_at(bench: Bench, filled: int) -> None:
    """Filled rows as well as pending ones: an index that lacks one would leave it wrong."""
    bench.sql(
        "UPDATE events SET start_at_utc = start_at, end_at_utc = end_at"
        f" WHERE id <= 'e{filled:02d}'"
    )
    forget_in_index(
        bench,
        "events_pkey",
        "INSERT INTO events (id, household_id, start_at, end_at, tz, start_at_utc, end_at_utc)"
        " SELECT 'e03x', household_id, start_at, end_at, tz, start_at_utc, end_at_utc"
        " FROM events WHERE id = 'e03'",
    )
    use_indexes_only(bench)

    with pytest.raises(
        PreflightError, match=r"counted 13 rows, 12 were read; 1 .* among them e03x"
    ):
        bench.plan(repair=True)


def test_rows_for_a_notebook_are_counted_as_well(bench: Bench) -> None:
    bench.sql("CREATE TABLE kiln (no int PRIMARY KEY, heat int)")
    bench.sql("INSERT INTO kiln SELECT generate_series(1, 40)")
    forget_in_index(bench, "kiln_pkey", "INSERT INTO kiln VALUES (41), (42)")
    use_indexes_only(bench)
    given = {"table": "kiln", "set": ["heat"], "runs_dir": str(bench.runs)}
    book = workbook.open_run("fill", given)
    book.preflight()

    with pytest.raises(
        PreflightError, match=r"counted 42 rows, 40 were read; .* among them 41, 42"
    ):
        book.extract()


def test_a_file_that_grows_while_it_is_read_is_refused(bench: Bench, tmp_path: Path) -> None:
    bench.sql("CREATE TABLE kiln (no int PRIMARY KEY, heat int)")
    bench.sql("INSERT INTO kiln SELECT generate_series(1, 9)")
    values = tmp_path / "heats.jsonl"
    values.write_text(json.dumps({"no": 1, "heat": 900}) + "\n")
    given = {"table": "kiln", "set": ["heat"], "values": str(values), "runs_dir": str(bench.runs)}
    book = workbook.open_run("fill", given)
    book.preflight()
    with values.open("a") as stream:
        stream.write(json.dumps({"no": 2, "heat": 950}) + "\n")

    with pytest.raises(PreflightError, match=r"counted 1 rows of values, 2 were read"):
        book.extract()


def test_keys_that_an_heir_has_too_are_no_keys(bench: Bench) -> None:
    bench.sql("CREATE TABLE old_events () INHERITS (events)")
    bench.sql("INSERT INTO old_events SELECT * FROM ONLY events WHERE id IN ('e03', 'e04')")

    with pytest.raises(PreflightError, match=r"14 rows were read with 12 keys: .* inherit"):
        bench.plan()


@pytest.mark.parametrize("has_rule", [False, True])
def test_a_row_that_shares_its_key_since_the_plan_is_left_alone_not_written_unrecorded(
    bench: Bench, has_rule: bool
) -> None:
    if has_rule:
        bench.sql("CREATE TABLE heard (id text)")
        bench.sql(
            "CREATE RULE hear AS ON UPDATE TO events DO ALSO INSERT INTO heard VALUES (NEW.id)"
        )
    run_id = bench.plan().run_id
    bench.sql("CREATE TABLE old_events () INHERITS (events)")
    bench.sql("INSERT INTO old_events SELECT * FROM ONLY events WHERE id = 'e07'")

    bench.apply(run_id, max_refused=1.0)

    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 11
    assert bench.skips(run_id)["e07"][1] == "database_error"
    assert bench.scalar("SELECT sum(rows)::int FROM backfill.chunk_image") == 11


def test_when_every_key_finds_two_rows_the_run_is_no_success(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.sql("CREATE TABLE old_events () INHERITS (events)")
    bench.sql("INSERT INTO old_events SELECT * FROM ONLY events")

    with pytest.raises(TooManyRefused):
        bench.apply(run_id)

    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 0
    assert bench.status(run_id) == "failed"
