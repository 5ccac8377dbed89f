"""What the database refuses only when a transaction commits costs the rows at fault, no others."""

from __future__ import annotations

import pyarrow as pa
import pytest
from tests.engine.workshop import HOUR_MS, NOON_MS, Bench, noon_utc

from backfill.chunks.careful import CarefulWriter
from backfill.chunks.compare_and_set import TableWriter
from backfill.errors import TooManyRefused
from backfill.jobs.utc.table_json import table_from_json
from backfill.plans.plan import ChunkReader, load
from backfill.server.database import Database

ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}
DEFERRED = """
CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF {condition} THEN RAISE EXCEPTION 'the ledger of % is closed', NEW.id; END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER objector AFTER UPDATE ON events DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION object();
"""


def without(*keys: str) -> dict[str, tuple[int | None, int | None]]:
    return {k: (None, None) if k in keys else v for k, v in ALL_NOONS.items()}


@pytest.mark.parametrize("chunk_rows", [1, 5, 12])
def test_rows_that_a_deferred_trigger_refuses_are_skipped_and_the_rest_goes_on(
    bench: Bench, chunk_rows: int
) -> None:
    bench.sql(DEFERRED.replace("{condition}", "NEW.id IN ('e01', 'e08')"))
    run_id = bench.plan().run_id

    applied = bench.apply_with(run_id, chunk_rows=chunk_rows)

    assert (applied.status, applied.counts.updated, applied.counts.skipped) == ("succeeded", 10, 2)
    assert bench.filled() == without("e01", "e08")
    details = bench.sql("SELECT key, reason, detail FROM backfill.skip ORDER BY key")
    assert details == [
        ("e01", "database_error", "the ledger of e01 is closed"),
        ("e08", "database_error", "the ledger of e08 is closed"),
    ]
    assert bench.verify(run_id).findings == []


def test_a_deferrable_unique_constraint_costs_the_second_of_two_equal_rows(bench: Bench) -> None:
    bench.add_event("twin", tz="Europe/Stockholm", start_at=NOON_MS + 5 * 24 * HOUR_MS)
    bench.sql(
        "UPDATE events SET end_at = start_at + 3600000 WHERE id = 'twin';"
        "ALTER TABLE events ADD UNIQUE (start_at_utc) DEFERRABLE INITIALLY DEFERRED"
    )
    run_id = bench.plan().run_id

    applied = bench.apply_with(run_id, chunk_rows=6)

    assert (applied.counts.updated, applied.counts.skipped) == (12, 1)
    assert bench.skips(run_id) == {"twin": ("", "database_error")}
    assert "e05" in bench.filled() and bench.filled()["e05"] == noon_utc(5)


def test_rows_that_hold_only_together_are_written_together(bench: Bench) -> None:
    """Two rows change places, another takes the place that a later one leaves; one is refused."""
    bench.sql(
        "ALTER TABLE events ADD UNIQUE (end_at_utc) DEFERRABLE INITIALLY DEFERRED;"
        + DEFERRED.replace("{condition}", "NEW.id = 'e11'")
    )
    planned = bench.plan()
    frozen = load(bench.folder(planned.run_id))
    chunk = ChunkReader(bench.folder(planned.run_id), frozen).take(1, 12)
    rows = {row["key"]: row for row in chunk.changes.to_pylist()}
    for key, day in (("e05", 6), ("e06", 5), ("e09", 2)):
        rows[key]["before"]["end_at_utc"] = noon_utc(day)[1]
        bench.sql("UPDATE events SET end_at_utc = %s WHERE id = %s", noon_utc(day)[1], key)
    changes = pa.Table.from_pylist(list(rows.values()), schema=chunk.changes.schema)
    writer = CarefulWriter(TableWriter(table_from_json(frozen.target["table"])), False, False)

    with Database(bench.dsn, is_embedded=False).connect() as connection, connection.transaction():
        written = writer.write(connection, changes)

    assert [skip.key for skip in written.skipped] == ["e11"]
    assert bench.filled() == without("e11")


def test_what_only_the_commit_itself_refuses_is_found_by_smaller_transactions(
    bench: Bench,
) -> None:
    """A deferred trigger that queues another one shows no error before the commit."""
    bench.sql(
        "CREATE TABLE late (id text);"
        "CREATE FUNCTION say_no() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'too late for %', NEW.id; END $$;"
        "CREATE CONSTRAINT TRIGGER no AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION say_no();"
        "CREATE FUNCTION queue() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.id IN ('e05', 'e06') THEN"
        "  SET CONSTRAINTS no DEFERRED; INSERT INTO late VALUES (NEW.id);"
        " END IF; RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER queuer AFTER UPDATE ON events DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION queue();"
    )
    run_id = bench.plan().run_id

    applied = bench.apply_with(run_id, chunk_rows=12)

    assert (applied.counts.updated, applied.counts.skipped) == (10, 2)
    assert bench.filled() == without("e05", "e06")
    assert bench.scalar("SELECT count(*) FROM late") == 0
    numbers = [row[0] for row in bench.checkpoints(run_id)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert bench.verify(run_id).findings == []


def test_a_commit_that_fails_for_every_row_fails_the_run(bench: Bench) -> None:
    bench.sql(DEFERRED.replace("{condition}", "true"))
    run_id = bench.plan().run_id

    with pytest.raises(TooManyRefused, match="12 database_error"):
        bench.apply_with(run_id, chunk_rows=5)

    assert bench.status(run_id) == "failed"
