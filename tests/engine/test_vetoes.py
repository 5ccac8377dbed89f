"""Rows that the database silently leaves as they were are vetoed: not written, and not drifted."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from psycopg.conninfo import make_conninfo
from tests.engine.workshop import Bench, noon_utc

from backfill.errors import RowsLeft

ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}


@pytest.fixture
def clerk(bench: Bench) -> Iterator[str]:
    """A role that may write to the tables, as far as policies let it."""
    name = f"clerk_{secrets.token_hex(4)}"
    bench.sql(f"CREATE ROLE {name} LOGIN; GRANT CREATE ON DATABASE {bench_name(bench)} TO {name}")
    yield name
    bench.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


def bench_name(bench: Bench) -> str:
    return str(bench.scalar("SELECT quote_ident(current_database())"))


def test_rows_that_a_policy_shows_and_does_not_let_change_are_vetoed(
    bench: Bench, clerk: str
) -> None:
    run_id = bench.plan().run_id
    bench.sql(
        f"GRANT ALL ON ALL TABLES IN SCHEMA public, backfill TO {clerk};"
        f" GRANT USAGE ON SCHEMA backfill TO {clerk};"
        " ALTER TABLE events ENABLE ROW LEVEL SECURITY;"
        " CREATE POLICY seen ON events FOR SELECT USING (true);"
        " CREATE POLICY early ON events FOR UPDATE USING (id < 'e10')"
    )
    bench.dsn = make_conninfo(bench.dsn, user=clerk)

    applied = bench.apply_with(run_id, chunk_rows=5)

    assert (applied.counts.updated, applied.counts.drifted, applied.counts.skipped) == (9, 0, 3)
    assert bench.skips(run_id) == dict.fromkeys(("e10", "e11", "e12"), ("", "vetoed"))
    assert bench.verify(run_id).findings == []


def test_a_run_with_vetoed_rows_exits_five_and_says_what_they_are(bench: Bench) -> None:
    bench.sql(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN CASE WHEN OLD.id = 'e06' THEN NULL ELSE NEW END; END $$;"
        "CREATE TRIGGER keeper BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION keep();"
    )

    with pytest.raises(RowsLeft, match="1 row was left alone: the database left them as") as left:
        bench.run(chunk_size=4)

    run_id = bench.scalar("SELECT run_id FROM backfill.run")
    assert left.value.exit_code == 5
    assert bench.skips(run_id) == {"e06": ("", "vetoed")}
    assert bench.summary_of(run_id)["total_drifted"] == 0
    assert bench.folder(run_id).file("drifted.csv").read_text().count("\n") == 1


def test_a_row_edited_meanwhile_is_still_drifted_beside_one_that_is_vetoed(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.sql("UPDATE events SET tz = 'Asia/Tokyo' WHERE id = 'e05'")
    bench.sql(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN CASE WHEN OLD.id IN ('e04', 'e05') THEN NULL ELSE NEW END; END $$;"
        "CREATE TRIGGER keeper BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION keep();"
    )

    applied = bench.apply_with(run_id)

    assert (applied.counts.updated, applied.counts.drifted, applied.counts.skipped) == (10, 1, 1)
    assert bench.skips(run_id) == {"e04": ("", "vetoed"), "e05": ("", "drifted")}


def test_rows_that_a_rule_keeps_are_vetoed_and_the_others_written(bench: Bench) -> None:
    bench.sql(
        "CREATE RULE frozen AS ON UPDATE TO events WHERE OLD.id IN ('e02', 'e09')"
        " DO INSTEAD NOTHING"
    )
    run_id = bench.plan().run_id

    applied = bench.apply_with(run_id, chunk_rows=5)

    assert (applied.counts.updated, applied.counts.skipped) == (10, 2)
    assert bench.filled() == {
        key: (None, None) if key in ("e02", "e09") else value for key, value in ALL_NOONS.items()
    }
    assert bench.skips(run_id) == dict.fromkeys(("e02", "e09"), ("", "vetoed"))
    assert bench.verify(run_id).findings == []


def test_a_table_with_a_rule_that_writes_elsewhere_too_is_written(bench: Bench) -> None:
    bench.sql(
        "CREATE TABLE log (id text);"
        "CREATE RULE logged AS ON UPDATE TO events DO ALSO INSERT INTO log VALUES (OLD.id)"
    )
    run_id = bench.plan().run_id

    applied = bench.apply_with(run_id, chunk_rows=5)

    assert applied.counts.updated == 12
    assert bench.filled() == ALL_NOONS
    assert bench.scalar("SELECT count(DISTINCT id) FROM log") == 12


def test_a_run_of_which_every_row_is_vetoed_is_no_success(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.sql("CREATE RULE frozen AS ON UPDATE TO events DO INSTEAD NOTHING")

    with pytest.raises(RowsLeft, match=r"wrote no row.*12 vetoed"):
        bench.apply_with(run_id)

    assert bench.status(run_id) == "failed"
    assert bench.verify(run_id).findings == []


def test_a_revert_that_is_vetoed_leaves_its_run_unreverted(bench: Bench) -> None:
    run_id = bench.run().run_id
    bench.sql("CREATE RULE frozen AS ON UPDATE TO events WHERE OLD.id = 'e03' DO INSTEAD NOTHING")

    with pytest.raises(RowsLeft):
        bench.revert(run_id)

    assert bench.status(run_id) == "succeeded"
    assert bench.filled()["e03"] == ALL_NOONS["e03"]
    assert bench.filled()["e04"] == (None, None)


def test_verify_tells_a_value_that_a_later_trigger_put_in_place_of_ours(bench: Bench) -> None:
    bench.sql(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE events SET start_at_utc = 5 WHERE id = NEW.id; RETURN NULL; END $$;"
        "CREATE TRIGGER meddler AFTER UPDATE ON events FOR EACH ROW"
        " WHEN (NEW.id = 'e07' AND NEW.start_at_utc <> 5) EXECUTE FUNCTION meddle();"
    )
    run_id = bench.plan().run_id
    bench.apply_with(run_id)

    findings = bench.verify(run_id).findings

    assert len(findings) == 1
    assert findings[0].startswith("Row e07 (chunk 1) is not as written: it is now")
    assert '"start_at_utc": 5' in findings[0]
