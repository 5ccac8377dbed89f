"""Errors that hit every row stop a run at once; refusals of too many rows stop it as failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.engine.workshop import Bench, add_noons, load_noons, noon_utc
from tests.longer import longer

from backfill.errors import EveryRowRefused, PreflightError, TooManyRefused

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

ROWS = 250


def load_250(dsn: str) -> None:
    load_noons(dsn, 0)
    with psycopg.connect(dsn, autocommit=True) as connection:
        add_noons(connection, ROWS)


@pytest.fixture
def database(database_from: DatabaseFrom) -> str:
    return database_from("250 noons", load_250)


def written(bench: Bench) -> int:
    return int(bench.scalar("SELECT count(*) FROM events WHERE start_at_utc IS NOT NULL"))


def skipped(bench: Bench) -> list[tuple[str, int]]:
    return bench.sql("SELECT reason, count(*) FROM backfill.skip GROUP BY 1")


def refuse(bench: Bench, condition: str, body: str = "RAISE EXCEPTION 'closed'") -> None:
    """Let a trigger raise for the rows of a condition on OLD."""
    bench.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF {condition} THEN {body}; END IF; RETURN NEW; END $$;"
        " CREATE TRIGGER refuser BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION refuse();"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("ALTER TABLE events ALTER end_at_utc TYPE text", "operator does not exist: text"),
        ("ALTER TABLE events DROP COLUMN start_at_utc", "start_at_utc does not exist"),
        ("ALTER TABLE events RENAME TO moved", '"public.events" does not exist'),
    ],
)
def test_a_table_that_is_another_one_by_now_stops_the_run_at_its_first_chunk(
    bench: Bench, change: str, says: str
) -> None:
    run_id = bench.plan().run_id
    bench.sql(change)

    with pytest.raises(PreflightError, match=says) as stopped:
        bench.apply_with(run_id, chunk_rows=40)

    assert f"backfill resume {run_id}" in str(stopped.value)
    assert "Make a new plan: backfill utc" in str(stopped.value)
    assert bench.status(run_id) == "failed"
    assert bench.checkpoints(run_id) == skipped(bench) == []


def test_a_type_that_changes_half_way_stops_the_run_and_it_goes_on_when_it_is_mended(
    bench: Bench,
) -> None:
    run_id = bench.plan().run_id
    seen: list[str] = []

    def spoil(name: str) -> None:
        seen.append(name)
        if name == "between_chunks" and seen.count(name) == 3:
            bench.sql("ALTER TABLE events ALTER start_at_utc TYPE text")

    with pytest.raises(PreflightError, match=r"after chunk 2 \(200 of 250 rows\)"):
        bench.apply_with(run_id, spoil, chunk_rows=100)
    bench.sql("ALTER TABLE events ALTER start_at_utc TYPE bigint USING start_at_utc::bigint")
    applied = bench.apply_with(run_id, chunk_rows=100)

    assert (applied.status, applied.counts.updated) == ("succeeded", ROWS)
    assert bench.verify(run_id).findings == []


def test_a_trigger_that_names_a_column_that_is_gone_stops_the_run_too(bench: Bench) -> None:
    run_id = bench.plan().run_id
    refuse(bench, "true", "NEW.updated_by := 'me'")

    with pytest.raises(EveryRowRefused, match="updated_by"):
        bench.apply_with(run_id, chunk_rows=60)

    assert bench.status(run_id) == "failed"
    assert bench.checkpoints(run_id) == []


def test_such_a_trigger_stops_a_run_of_single_rows_after_a_few(bench: Bench) -> None:
    run_id = bench.plan().run_id
    refuse(bench, "true", "NEW.updated_by := 'me'")

    with pytest.raises(EveryRowRefused, match="chunk 3"):
        bench.apply_with(run_id, chunk_rows=1)

    assert bench.status(run_id) == "failed"


def test_a_policy_that_forbids_a_single_row_costs_that_row_only(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.sql("CREATE ROLE clerk_of_noons LOGIN")
    bench.sql("GRANT ALL ON ALL TABLES IN SCHEMA public, backfill TO clerk_of_noons")
    bench.sql("GRANT USAGE ON SCHEMA backfill TO clerk_of_noons")
    bench.sql(
        "ALTER TABLE events ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY most ON events USING (true)"
        f" WITH CHECK (start_at_utc IS DISTINCT FROM {noon_utc(77)[0]})"
    )
    owner = bench.dsn
    bench.dsn = psycopg.conninfo.make_conninfo(owner, user="clerk_of_noons")

    try:
        applied = bench.apply_with(run_id, chunk_rows=50)
    finally:
        bench.sql("DROP OWNED BY clerk_of_noons")
        bench.sql("DROP ROLE clerk_of_noons")

    assert (applied.counts.updated, applied.counts.skipped) == (ROWS - 1, 1)
    assert bench.skips(run_id) == {"e77": ("", "database_error")}


def test_refusals_of_more_than_a_tenth_of_a_large_chunk_stop_the_run_before_it_is_committed(
    bench: Bench,
) -> None:
    run_id = bench.plan().run_id
    refuse(bench, "OLD.id LIKE 'e2%'")  # e20 to e29, e200 to e250

    with pytest.raises(TooManyRefused, match=r"of 125 rows up to chunk 2.*closed") as stopped:
        bench.apply_with(run_id, chunk_rows=125)

    assert stopped.value.exit_code == 7
    assert bench.status(run_id) == "failed"
    assert len(bench.checkpoints(run_id)) == 1
    bench.sql("DROP TRIGGER refuser ON events")
    assert bench.apply_with(run_id, chunk_rows=125).status == "succeeded"


def test_small_chunks_are_judged_together(bench: Bench) -> None:
    run_id = bench.plan().run_id
    refuse(bench, "right(OLD.id, 1) IN ('3', '8')")

    with pytest.raises(TooManyRefused, match="20 of 100 rows up to chunk 10"):
        bench.apply_with(run_id, chunk_rows=10)

    assert written(bench) == 90 - 17


def test_a_share_that_is_allowed_is_skipped(bench: Bench) -> None:
    run_id = bench.plan().run_id
    refuse(bench, "right(OLD.id, 1) IN ('3', '8')")

    applied = bench.apply_with(run_id, chunk_rows=125, max_refused=0.2)

    assert (applied.status, applied.counts.updated, applied.counts.skipped) == (
        "succeeded",
        200,
        50,
    )


@pytest.mark.parametrize("chunk_rows", [50, *longer(1, 7)])
def test_a_run_of_which_every_row_is_refused_is_no_success(bench: Bench, chunk_rows: int) -> None:
    run_id = bench.plan().run_id
    refuse(bench, "true")

    with pytest.raises(TooManyRefused, match="wrote no row") as failed:
        bench.apply_with(run_id, chunk_rows=chunk_rows, max_refused=1.0)

    assert "250 database_error" in str(failed.value)
    assert bench.status(run_id) == "failed"
    assert written(bench) == 0
    assert bench.verify(run_id).findings == []


def test_a_run_that_could_write_nothing_is_over_and_the_same_command_plans_anew(
    bench: Bench,
) -> None:
    bench.sql("ALTER TABLE events ADD CONSTRAINT shut CHECK (start_at_utc IS NULL)")
    with pytest.raises(TooManyRefused, match="wrote no row"):
        bench.run(max_refused=1.0)
    bench.sql("ALTER TABLE events DROP CONSTRAINT shut")

    bench.run()

    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 250
    assert bench.sql("SELECT status FROM backfill.run ORDER BY planned_at") == [
        ("failed",),
        ("succeeded",),
    ]
