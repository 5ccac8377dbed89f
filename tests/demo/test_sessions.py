"""The tables the OCR job serves keep their own rules, and the demo fills them the legal way."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import errors

from backfill_lab.demo.sessions import (
    DemoSession,
    create_schema,
    drop_schema,
    load_sessions,
    store_snapshot,
)

Connection = psycopg.Connection[tuple[Any, ...]]
CREATED_AT = dt.datetime(2026, 1, 4, 18, tzinfo=dt.UTC)


def _session(number: int, **more: Any) -> DemoSession:
    keys = (f"captures/{number}/a.png", f"captures/{number}/b.png")
    return DemoSession(uuid.UUID(int=number), 1001, CREATED_AT, keys, **more)


@pytest.fixture
def tables(connection: Connection) -> Connection:
    create_schema(connection)
    connection.execute("SET search_path TO schedule_ingest")
    return connection


@pytest.mark.parametrize("state", ["closed", "processing", "done", "failed"])
def test_session_is_loaded_with_its_images(tables: Connection, state: Any) -> None:
    load_sessions(tables, [_session(1, state=state), _session(2, state="open")])

    rows = tables.execute(
        "SELECT s.state::text, i.sequence, i.r2_key FROM capture_session s"
        " JOIN capture_image i ON i.session_id = s.id WHERE s.id = %s ORDER BY i.sequence",
        [uuid.UUID(int=1)],
    ).fetchall()
    assert rows == [(state, 1, "captures/1/a.png"), (state, 2, "captures/1/b.png")]


def test_the_schema_is_created_and_dropped(connection: Connection) -> None:
    create_schema(connection)
    load_sessions(connection, [_session(1)])

    drop_schema(connection)
    drop_schema(connection)

    left = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", ["schedule_ingest"])
    assert left.fetchall() == []


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("UPDATE capture_session SET state = 'closed'", errors.CheckViolation),
        ("UPDATE capture_session SET error = 'x'", errors.CheckViolation),
        ("UPDATE capture_session SET closed_at = NULL", errors.CheckViolation),
        (
            "INSERT INTO capture_image (session_id, sequence, r2_key)"
            " SELECT id, 3, 'c' FROM capture_session",
            errors.CheckViolation,
        ),
        (
            "INSERT INTO capture_image (session_id, sequence, r2_key)"
            " VALUES (gen_random_uuid(), 1, 'c')",
            errors.ForeignKeyViolation,
        ),
        (
            "INSERT INTO capture_session (user_id) VALUES (7), (7)",
            errors.UniqueViolation,
        ),
        (
            "INSERT INTO day_snapshot VALUES (1, '2026-01-05', '{}', gen_random_uuid())",
            errors.CheckViolation,
        ),
    ],
    ids=str,
)
def test_tables_refuse_what_the_live_system_refuses(
    tables: Connection, statement: LiteralString, error: type[psycopg.Error]
) -> None:
    load_sessions(tables, [_session(1)])

    with pytest.raises(error):
        tables.execute(statement)


def test_event_of_one_unique_key_is_stored_once(tables: Connection) -> None:
    insert: LiteralString = (
        "INSERT INTO schedule_event VALUES (gen_random_uuid(), 1, '2026-01-05', 'shift_added',"
        " 'l', 'c', 'o', 'n', NULL, '{}', now(), gen_random_uuid()) ON CONFLICT DO NOTHING"
    )

    counts = [tables.execute(insert).rowcount for _ in range(2)]

    assert counts == [1, 0]


def test_deleting_a_session_deletes_its_images(tables: Connection) -> None:
    load_sessions(tables, [_session(1)])

    tables.execute("DELETE FROM capture_session")

    assert tables.execute("SELECT count(*) FROM capture_image").fetchone() == (0,)


def test_snapshot_is_stored_over_the_one_before(tables: Connection) -> None:
    day = dt.date(2026, 1, 5)

    store_snapshot(tables, 1001, day, [{"start": "08:00"}], uuid.UUID(int=1))
    store_snapshot(tables, 1001, day, [], uuid.UUID(int=2))

    rows = tables.execute("SELECT snapshot_payload, source_session_id FROM day_snapshot").fetchall()
    assert rows == [([], uuid.UUID(int=2))]
