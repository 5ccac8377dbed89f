"""The door to the database: it opens, and changes nothing that it was not asked to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests import nursery
from tests.longer import longer

from backfill import cli, workbook
from backfill.server.database import Database, open_database
from backfill.server.embedded import HOME_ENV, EmbeddedServer
from backfill_lab.demo.seed import SEEDED, seed_if_empty

TABLE = """
table = "trips"
key = "trip_no"
scope = "fleet"
zone = "zone"

[[pairs]]
wall = "leaves"
target = "leaves_at"
"""
LEDGER = "SELECT coalesce(to_regclass('backfill.run')::text, '')"


@pytest.fixture
def own(started: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> EmbeddedServer:
    """An embedded server that a command without `DATABASE_URL` uses."""
    monkeypatch.setenv(HOME_ENV, str(started.home))
    monkeypatch.setattr("backfill.notebook.kernel.subprocess", nursery.IN_PLACE_OF_SUBPROCESS)
    return started


def _ask(server: EmbeddedServer, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        cur = connection.execute(query)
        return cur.fetchall() if cur.description else []


def _trips(server: EmbeddedServer) -> None:
    _ask(
        server,
        "CREATE TABLE trips (trip_no int PRIMARY KEY, fleet text, leaves timestamp, zone text,"
        " leaves_at timestamptz);"
        "INSERT INTO trips SELECT n, 'north', '2025-03-04 08:00'::timestamp + n * interval '1 day',"
        " 'Asia/Tokyo', NULL FROM generate_series(1, 7) AS n",
    )


def _tables(server: EmbeddedServer) -> list[tuple[Any, ...]]:
    return _ask(
        server,
        "SELECT oid::regclass::text, oid::int FROM pg_class WHERE oid >= 16384 AND relkind = 'r'"
        " AND relnamespace <> 'pg_toast'::regnamespace ORDER BY 1",
    )


def test_a_ledger_of_another_table_outlives_every_command_without_a_url(
    own: EmbeddedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # where init-table writes to
    _trips(own)
    spec = tmp_path / "trips.toml"
    spec.write_text(TABLE, encoding="utf-8")
    monkeypatch.setenv("DATABASE_URL", own.dsn)
    assert cli.main(["utc", "--table", str(spec), "--apply"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["total_updated"] == 7
    monkeypatch.delenv("DATABASE_URL")
    before = _tables(own)

    for command in (["status"], ["check"], ["runs"], ["utc"], ["init-table", "trips"], ["status"]):
        cli.main(command)
    with pytest.raises(Exception, match="events"):
        workbook.open_run("utc", {}).preflight()

    assert _tables(own) == before
    assert cli.main(["verify", summary["run_id"]]) == 0
    assert cli.main(["revert", summary["run_id"], "--apply"]) == 0
    assert _ask(own, "SELECT count(*) FROM trips WHERE leaves_at IS NULL") == [(7,)]


def test_looking_at_an_empty_server_leaves_it_empty(own: EmbeddedServer) -> None:
    for command in (["status"], ["runs"], ["check"], ["verify", "latest"], ["apply", "latest"]):
        cli.main(command)

    assert _tables(own) == []


def test_a_notebook_on_an_empty_server_brings_the_demo(own: EmbeddedServer) -> None:
    workbook.open_run("utc", {}).preflight()

    assert _ask(own, "SELECT count(*) FROM events") == [(20_000,)]


@pytest.mark.parametrize("is_embedded", [True, False])
def test_only_an_embedded_server_that_holds_nothing_is_seeded(
    empty_database: str, is_embedded: bool
) -> None:
    things = {
        "CREATE TABLE one (n int)": "DROP TABLE one",
        "CREATE SCHEMA mine": "DROP SCHEMA mine",
        "CREATE VIEW mine AS SELECT 1 AS n": "DROP VIEW mine",
        "CREATE SEQUENCE numbers": "DROP SEQUENCE numbers",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'": "DROP FUNCTION f",
        "CREATE TYPE mood AS ENUM ('calm')": "DROP TYPE mood",
        "SELECT lo_create(7)": "SELECT lo_unlink(7)",
    }
    said: list[str] = []
    database = Database(empty_database, is_embedded=is_embedded)

    with psycopg.connect(empty_database, autocommit=True) as connection:
        for make, undo in things.items():
            connection.execute(make.encode())
            seed_if_empty(database, said.append)
            connection.execute(undo.encode())
        assert said == []
        seed_if_empty(database, said.append)
        found = connection.execute("SELECT to_regclass('events') IS NOT NULL").fetchone()

    assert found == (is_embedded,)
    assert said == [SEEDED] * is_embedded


@pytest.mark.parametrize(
    ("ours", "named"),
    [
        ("CREATE TABLE events (id int)", "public.events"),
        ("UPDATE events SET household_id = 'ours' WHERE id = 'trap-tz-offset-01'", "public.events"),
        *longer(("INSERT INTO household VALUES ('ours', 'Ours', NULL)", "public.events")),
        *longer(("CREATE SCHEMA schedule_ingest", "schedule_ingest")),
        (
            "INSERT INTO backfill.run (run_id, job, scope, plan_id, plan_rows, status, settings,"
            " target, settings_fingerprint, database_fingerprint, tzdata_version) VALUES ('r',"
            " 'utc', '{\"table\": \"public.trips\"}', 'p', 1, 'succeeded', '{}', '{}', '', '', '')",
            "public.trips",
        ),
        *longer(("CREATE VIEW next_week AS SELECT title FROM events", "next_week")),
    ],
)
def test_seeding_anew_is_refused_where_something_else_would_go(
    own: EmbeddedServer, capsys: pytest.CaptureFixture[str], ours: str, named: str
) -> None:
    if not ours.startswith(("CREATE TABLE", "CREATE SCHEMA")):
        assert cli.main(["db", "seed"]) == 0
        assert cli.main(["utc"]) == 0
    _ask(own, ours)
    before = _tables(own)

    assert cli.main(["db", "seed"]) == 3

    said = capsys.readouterr().err
    assert named in said
    assert "backfill db reset" in said
    assert _tables(own) == before


def test_seeding_anew_begins_the_demo_anew(own: EmbeddedServer) -> None:
    assert cli.main(["db", "seed"]) == 0
    assert cli.main(["utc"]) == 0

    assert cli.main(["db", "seed", "--encoding", "timestamp"]) == 0

    assert _ask(own, LEDGER) == [("",)]
    assert _ask(own, "SELECT count(*) FROM events WHERE start_at_utc IS NULL")[0][0] > 10_000


def test_what_psql_goes_by_is_told_to_name_no_database_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backfill.server.embedded.ensure_running", lambda: "postgresql://demo")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("PGHOST", "db.example")
    monkeypatch.setenv("PGDATABASE", "hotels")
    told: list[str] = []

    assert open_database(told.append).is_embedded

    assert told[0].startswith("PGHOST and PGDATABASE alone name no database")
    assert told[0].endswith("DATABASE_URL=postgresql://")
