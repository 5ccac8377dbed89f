"""Rows that others have locked are passed over, and written at the run's end if they can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.engine.workshop import Bench, add_noons, load_noons

from backfill.errors import RowsLeft

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

ROWS = 60


def load_60(dsn: str) -> None:
    load_noons(dsn, 0)
    with psycopg.connect(dsn, autocommit=True) as connection:
        add_noons(connection, ROWS)


@pytest.fixture
def database(database_from: DatabaseFrom) -> str:
    return database_from("60 noons", load_60)


def after(number: int, act: Callable[[], object]) -> Callable[[str], None]:
    """Return a step that acts once so many chunks are committed."""
    seen: list[str] = []

    def step(name: str) -> None:
        seen.append(name)
        if name == "after_commit" and seen.count(name) == number:
            act()

    return step


def locked_of(bench: Bench, run_id: str) -> list[list[int]]:
    found = bench.scalar("SELECT locked FROM backfill.range WHERE run_id = %s", run_id)
    assert isinstance(found, list)
    return found


def test_locked_rows_are_written_last_and_every_other_row_in_its_turn(bench: Bench) -> None:
    run_id = bench.plan().run_id

    with psycopg.connect(bench.dsn) as other:
        other.execute("SELECT FROM events WHERE id IN ('e07', 'e08', 'e31') FOR UPDATE")
        applied = bench.apply_with(
            run_id, after(6, other.rollback), chunk_rows=10, lock_timeout_ms=30
        )

    assert (applied.status, applied.counts.updated, applied.counts.skipped) == ("succeeded", 60, 0)
    assert [row[3] for row in bench.checkpoints(run_id)] == [8, 10, 10, 9, 10, 10, 3]
    assert bench.checkpoints(run_id)[-1][1:3] == ("e07", "e31")
    assert locked_of(bench, run_id) == []
    assert bench.verify(run_id).findings == []


def test_what_stays_locked_is_listed_as_locked_and_the_run_says_so(bench: Bench) -> None:
    with psycopg.connect(bench.dsn) as other:
        other.execute("SELECT FROM events WHERE id IN ('e22', 'e23') FOR NO KEY UPDATE")
        with pytest.raises(RowsLeft, match="2 rows were left alone: others held a lock") as left:
            bench.run(chunk_size=20, lock_timeout_ms=20)

    run_id = bench.scalar("SELECT run_id FROM backfill.run")
    assert left.value.exit_code == 5
    assert bench.skips(run_id) == {"e22": ("", "locked"), "e23": ("", "locked")}
    assert bench.status(run_id) == "succeeded"
    listed = bench.folder(run_id).file("skips.csv").read_text()
    assert '"e22"' in listed and '"locked"' in listed
    assert bench.verify(run_id).findings == []


def test_a_table_that_is_locked_for_a_while_costs_no_row(bench: Bench) -> None:
    run_id = bench.plan().run_id

    with psycopg.connect(bench.dsn) as other:
        begun: list[str] = []

        def lock_and_let_go(name: str) -> None:
            begun.append(name)
            if name == "after_commit" and begun.count(name) == 1:
                other.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
            if name == "between_chunks" and begun.count(name) == 7:
                other.rollback()  # at the sweep's first chunk

        applied = bench.apply_with(run_id, lock_and_let_go, chunk_rows=10, lock_timeout_ms=20)

    assert (applied.status, applied.counts.updated) == ("succeeded", 60)
    assert [row[3] for row in bench.checkpoints(run_id)] == [10] * 6
    assert bench.verify(run_id).findings == []


def test_a_table_that_stays_locked_ends_the_run_as_failed_with_nothing_lost(bench: Bench) -> None:
    run_id = bench.plan().run_id

    with psycopg.connect(bench.dsn) as other:
        other.execute("LOCK TABLE events IN EXCLUSIVE MODE")
        with pytest.raises(RowsLeft, match=r"wrote no row.*60 locked"):
            bench.apply_with(run_id, chunk_rows=60, lock_timeout_ms=10)

    assert bench.status(run_id) == "failed"
    assert bench.scalar("SELECT count(*) FROM backfill.skip WHERE reason = 'locked'") == 60
    assert bench.verify(run_id).findings == []


def test_a_run_killed_before_its_sweep_comes_back_to_the_locked_rows(bench: Bench) -> None:
    run_id = bench.plan().run_id

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    with psycopg.connect(bench.dsn) as other:
        other.execute("SELECT FROM events WHERE id IN ('e03', 'e55') FOR UPDATE")
        with pytest.raises(Killed):
            bench.apply_with(run_id, after(6, die), chunk_rows=10, lock_timeout_ms=20)
    assert locked_of(bench, run_id) == [[2, 3], [54, 55]]
    applied = bench.apply_with(run_id, chunk_rows=10)

    assert (applied.status, applied.counts.updated) == ("succeeded", 60)
    assert [row[3] for row in bench.checkpoints(run_id)] == [9, 10, 10, 10, 10, 9, 2]
    assert bench.verify(run_id).findings == []


def test_a_run_killed_half_way_knows_the_rows_that_it_passed_over(bench: Bench) -> None:
    run_id = bench.plan().run_id

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    with psycopg.connect(bench.dsn) as other:
        other.execute("SELECT FROM events WHERE id IN ('e03', 'e04') FOR UPDATE")
        with pytest.raises(Killed):
            bench.apply_with(run_id, after(2, die), chunk_rows=10, lock_timeout_ms=20)
    applied = bench.apply_with(run_id, chunk_rows=15, workers=3)

    assert (applied.status, applied.counts.updated) == ("succeeded", 60)
    assert bench.verify(run_id).findings == []
    revert = bench.revert(run_id)
    assert bench.summary(revert)["total_updated"] == 60


def test_a_lock_of_another_table_that_a_trigger_needs_is_come_back_to_as_well(
    bench: Bench,
) -> None:
    run_id = bench.plan().run_id
    bench.sql(
        "CREATE TABLE tally (day int PRIMARY KEY, n int); INSERT INTO tally VALUES (1, 0), (2, 0);"
        "CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE tally SET n = n + 1 WHERE day = CASE OLD.id WHEN 'e13' THEN 1 ELSE 2 END;"
        " RETURN NEW; END $$;"
        "CREATE TRIGGER counter AFTER UPDATE ON events FOR EACH ROW EXECUTE FUNCTION count_it();"
    )

    with psycopg.connect(bench.dsn) as other:
        other.execute("UPDATE tally SET n = 100 WHERE day = 1")
        applied = bench.apply_with(
            run_id, after(3, other.commit), chunk_rows=20, lock_timeout_ms=20
        )

    assert (applied.status, applied.counts.updated) == ("succeeded", 60)
    assert bench.sql("SELECT n FROM tally ORDER BY day") == [(101,), (59,)]
