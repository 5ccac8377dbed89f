"""A run beside what others have on their servers: prepared transactions, locks, foreign tables,
a subscriber of the table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.engine.workshop import Bench, load_noons, noon_utc

from backfill.errors import LeaseHeld, PreflightError
from backfill.records.ledger import Ledger
from backfill.server.embedded import EmbeddedServer
from backfill.server.postgres import connect
from backfill.server.session import SessionLimits

SETTINGS = {"max_prepared_transactions": "4", "wal_level": "logical"}


@pytest.fixture(scope="module")
def others_server(server_folder: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(server_folder / "others", durable=False, settings=SETTINGS)
    try:
        server.start()
        with psycopg.connect(server.dsn_of("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE noons")
        load_noons(server.dsn_of("noons"))
        yield server
    finally:
        server.reset()


@pytest.fixture
def others(
    others_server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """A bench on a server that allows prepared transactions and logical replication."""
    with psycopg.connect(others_server.dsn_of("postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE work TEMPLATE noons")
        dsn = others_server.dsn_of("work")
        monkeypatch.setenv("DATABASE_URL", dsn)
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                yield Bench(dsn, tmp_path / "runs", connection)
        finally:
            admin.execute("DROP DATABASE work WITH (FORCE)")


def test_rows_that_a_prepared_transaction_holds_are_left_and_written_when_it_has_ended(
    others: Bench,
) -> None:
    run_id = others.plan().run_id
    with psycopg.connect(others.dsn) as application:
        application.execute("UPDATE events SET title = 'x' WHERE id IN ('e03', 'e04')")
        application.execute("PREPARE TRANSACTION 'of the application'")

    try:
        others.apply_with(run_id, lock_timeout_ms=20)

        left = [key for key, values in others.filled().items() if values == (None, None)]
        assert left == ["e03", "e04"]
        assert {reason for _column, reason in others.skips(run_id).values()} == {"locked"}
    finally:
        others.sql("COMMIT PREPARED 'of the application'")
    others.apply_with(others.plan().run_id)

    assert all(None not in row for row in others.filled().values())


ADVISORY = range(7_214_906_110, 7_214_906_120)


def test_advisory_locks_of_others_hold_no_run_up(others: Bench) -> None:
    run_id = others.plan().run_id
    with psycopg.connect(others.dsn, autocommit=True) as application:
        for number in ADVISORY:
            application.execute("SELECT pg_advisory_lock(%s)", [number])

        others.apply_with(run_id, lock_timeout_ms=200)

    assert all(None not in row for row in others.filled().values())


def test_who_holds_the_lock_under_which_our_tables_are_made_is_told_of(others: Bench) -> None:
    with psycopg.connect(others.dsn, autocommit=True) as application:
        for number in ADVISORY:
            application.execute("SELECT pg_advisory_lock(%s)", [number])

        with (
            connect(others.dsn, limits=SessionLimits(lock_timeout_ms=200)) as ours,
            pytest.raises(LeaseHeld) as held,
        ):
            Ledger(ours).create()

        query = re.search(r"SELECT pid .*?;", str(held.value))
        assert query
        assert others.sql(query.group()) == [(application.info.backend_pid,)]


def test_zones_come_from_a_foreign_table_and_rows_never_go_to_one(others: Bench) -> None:
    others.sql("CREATE EXTENSION postgres_fdw")
    others.sql(
        f"CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS"
        f" (host '{others.connection.info.host}', dbname 'work')"
    )
    others.sql("CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'postgres')")
    others.sql("ALTER TABLE household RENAME TO there")
    others.sql("UPDATE there SET tz = 'Europe/Stockholm'")
    others.sql("UPDATE events SET tz = NULL")
    others.sql(
        "CREATE FOREIGN TABLE household (id text, tz text) SERVER far OPTIONS (table_name 'there')"
    )

    run_id = others.run().run_id

    assert others.filled()["e01"] == noon_utc(1)
    assert others.verify(run_id).findings == []
    others.sql("ALTER TABLE events RENAME TO events_there")
    others.sql(
        "CREATE FOREIGN TABLE events (id text, household_id text, start_at bigint, end_at bigint,"
        " tz text, start_at_utc bigint, end_at_utc bigint)"
        " SERVER far OPTIONS (table_name 'events_there')"
    )
    with pytest.raises(PreflightError, match="is not a table, but a foreign table"):
        others.plan()


def test_a_subscriber_of_the_table_gets_every_row(
    others: Bench, others_server: EmbeddedServer
) -> None:
    others.sql("CREATE PUBLICATION all_events FOR TABLE events")
    # In one cluster the slot must be there before the subscription waits for it.
    others.sql("SELECT pg_create_logical_replication_slot('of_events', 'pgoutput')")
    with psycopg.connect(others_server.dsn_of("postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE there TEMPLATE noons")
        dsn = others_server.dsn_of("there")
        with psycopg.connect(dsn, autocommit=True) as connection:
            there = Bench(dsn, others.runs, connection)
            there.sql(
                f"CREATE SUBSCRIPTION of_events CONNECTION '{others.dsn}' PUBLICATION all_events"
                " WITH (create_slot = false, copy_data = false)"
            )
            others.run()
            there.wait_until("SELECT count(*) = 0 FROM events WHERE start_at_utc IS NULL")

            assert there.table() == others.table()
            there.sql("DROP SUBSCRIPTION of_events")
        admin.execute("DROP DATABASE there WITH (FORCE)")
