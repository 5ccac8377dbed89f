"""What makes a table dear to update is named before the run, with its cost and the mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from tests.engine.workshop import Bench
from tests.pasted import statements_in

from backfill.errors import PreflightError
from backfill.server.embedded import EmbeddedServer
from backfill.server.table import Relation
from backfill.server.update_cost import cost_warnings

EVENTS = Relation("public", "events")
TARGETS = ("start_at_utc", "end_at_utc")


def warnings(bench: Bench, pending: int = 1_000_000) -> str:
    return "\n".join(cost_warnings(bench.connection, EVENTS, TARGETS, pending))


def test_a_usual_table_is_worth_no_warning(bench: Bench) -> None:
    bench.sql("CREATE INDEX by_title ON events (title)")

    assert warnings(bench) == ""


@pytest.mark.parametrize(
    "index",
    [
        "(start_at_utc)",
        "(lower(end_at_utc::text))",
        "(id) WHERE end_at_utc IS NULL",
        "(title) INCLUDE (end_at_utc)",
    ],
)
def test_an_index_that_holds_a_target_anywhere_is_named_with_what_it_costs(
    bench: Bench, index: str
) -> None:
    bench.sql(f"CREATE INDEX dear ON events {index}")

    said = warnings(bench)

    assert "Indexes hold a column that will be written (dear)" in said
    assert "about 710 bytes of WAL a row instead of 420 (710.0 MB for 1,000,000 rows)" in said
    assert "DROP INDEX" in said


def test_a_brin_index_counts_before_version_16_only(bench: Bench) -> None:
    bench.sql("CREATE INDEX summary ON events USING brin (start_at_utc)")

    is_dear = bench.connection.info.server_version < 160_000
    assert ("(summary)" in warnings(bench)) is is_dear


def test_only_triggers_that_this_update_fires_are_named(bench: Bench) -> None:
    bench.sql(
        "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
    )
    for name, when in (
        ("touch", "BEFORE UPDATE ON events FOR EACH ROW"),
        ("ours", "BEFORE UPDATE OF start_at_utc ON events FOR EACH ROW"),
        ("other", "BEFORE UPDATE OF title ON events FOR EACH ROW"),
        ("born", "BEFORE INSERT ON events FOR EACH ROW"),
        ("tell", "AFTER UPDATE ON events FOR EACH STATEMENT"),
        ("replica", "BEFORE UPDATE ON events FOR EACH ROW"),
    ):
        bench.sql(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION pass()")
    bench.sql("ALTER TABLE events ENABLE REPLICA TRIGGER replica")

    said = warnings(bench)

    assert "public.events has triggers that every update fires: ours, tell, touch." in said
    assert "Once a row runs ours, touch: one that does nothing costs a sixth more WAL." in said
    assert "ALTER TABLE public.events DISABLE TRIGGER" in said


def test_a_large_table_with_full_pages_is_named_and_one_with_room_is_not(bench: Bench) -> None:
    bench.sql("ALTER TABLE events SET (autovacuum_enabled = false)")
    bench.sql(
        "INSERT INTO events (id, household_id, title, start_at, updated_at)"
        " SELECT 'f' || n, 'hh_demo', repeat('x', 400), 0, 0 FROM generate_series(1, 20000) AS n"
    )
    bench.sql("ANALYZE events")

    said = warnings(bench)

    assert "Little room for HOT updates in public.events (fillfactor 100, about " in said
    for statement in statements_in(said):
        bench.sql(statement)
    assert warnings(bench) == ""


def test_a_table_that_lost_most_of_its_rows_has_room(bench: Bench) -> None:
    bench.sql(
        "INSERT INTO events (id, household_id, title, start_at, updated_at)"
        " SELECT 'f' || n, 'hh_demo', repeat('x', 400), 0, 0 FROM generate_series(1, 20000) AS n"
    )
    bench.sql("DELETE FROM events WHERE id LIKE 'f%' AND right(id, 1) < '5'")
    bench.sql("VACUUM (ANALYZE) events")

    assert warnings(bench) == ""


def test_a_generated_column_and_its_index_are_named(bench: Bench) -> None:
    bench.sql(
        "ALTER TABLE events ADD COLUMN hours bigint"
        " GENERATED ALWAYS AS (start_at_utc / 3600000) STORED"
    )
    bench.sql("CREATE INDEX by_hours ON events (hours)")

    said = warnings(bench)

    assert (
        "Generated columns of public.events are computed from what will be written (hours)" in said
    )
    assert "Indexes hold a column that will be written (by_hours)" in said


def test_foreign_keys_of_and_to_a_target_are_named(bench: Bench) -> None:
    bench.sql("CREATE TABLE instant (at bigint PRIMARY KEY)")
    bench.sql("ALTER TABLE events ADD CONSTRAINT known FOREIGN KEY (end_at_utc) REFERENCES instant")

    assert "Foreign keys hold a column that will be written (known of events)" in warnings(bench)


def test_a_published_table_that_no_update_can_reach_is_refused_before_the_run(
    bench: Bench,
) -> None:
    bench.sql("CREATE PUBLICATION all_of_it FOR TABLE events")
    assert warnings(bench) == ""  # by its primary key
    bench.sql("ALTER TABLE events REPLICA IDENTITY NOTHING")

    with pytest.raises(
        PreflightError, match="no replica identity: PostgreSQL refuses every UPDATE"
    ) as refused:
        warnings(bench)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        bench.sql("UPDATE events SET start_at_utc = 0")
    bench.sql("ALTER PUBLICATION all_of_it SET (publish = 'insert')")
    assert warnings(bench) == ""
    bench.sql("ALTER PUBLICATION all_of_it SET (publish = 'insert, update')")
    for statement in statements_in(str(refused.value)):
        bench.sql(statement)
    assert warnings(bench) == ""
    bench.sql("UPDATE events SET start_at_utc = 0")


def test_a_publication_that_needs_more_of_a_row_than_its_key_is_refused_before_the_run(
    bench: Bench,
) -> None:
    if bench.connection.info.server_version < 150_000:
        return  # conditions and columns of a publication came with 15
    bench.sql("CREATE PUBLICATION part FOR TABLE events WHERE (household_id <> '')")
    with pytest.raises(PreflightError, match="used in the publication WHERE expression") as refused:
        warnings(bench)
    for statement in statements_in(str(refused.value)):
        bench.sql(statement)
    assert "IDENTITY" not in warnings(bench)

    bench.sql("ALTER TABLE events REPLICA IDENTITY DEFAULT")
    bench.sql("ALTER PUBLICATION part SET TABLE events (household_id, start_at_utc)")
    with pytest.raises(PreflightError, match="does not cover the replica identity"):
        warnings(bench)
    bench.sql("ALTER PUBLICATION part SET TABLE events (id, start_at_utc)")
    assert warnings(bench) == ""


def test_partitions_are_looked_at_each_and_their_indexes_named_once(bench: Bench) -> None:
    bench.sql("ALTER TABLE events RENAME TO whole")
    bench.sql("CREATE TABLE events (LIKE whole INCLUDING ALL) PARTITION BY LIST (id)")
    bench.sql("CREATE TABLE first PARTITION OF events FOR VALUES IN ('e01')")
    bench.sql("CREATE TABLE rest PARTITION OF events DEFAULT")
    bench.sql("CREATE INDEX by_start ON events (start_at_utc)")
    bench.sql("CREATE INDEX of_the_first ON first (end_at_utc)")

    assert "will be written (by_start, of_the_first)" in warnings(bench)


@pytest.mark.slow
def test_whole_rows_in_the_wal_are_named_where_logical_decoding_asks_for_them(
    server_folder: Path,
) -> None:
    from tests.engine.workshop import load_noons

    server = EmbeddedServer(
        server_folder / "logical", durable=False, settings={"wal_level": "logical"}
    )
    try:
        server.start()
        load_noons(server.dsn)
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("ANALYZE events")
            assert cost_warnings(connection, EVENTS, TARGETS, 1_000) == []
            connection.execute("ALTER TABLE events REPLICA IDENTITY FULL")

            (said,) = cost_warnings(connection, EVENTS, TARGETS, 1_000)
            assert said.startswith("REPLICA IDENTITY FULL on public.events: each update writes the")
            (mend,) = statements_in(said)
            connection.execute(cast(Any, mend))
            assert cost_warnings(connection, EVENTS, TARGETS, 1_000) == []
    finally:
        server.reset()
