"""Capture sessions to try the OCR job on, put into the database the way the live system does."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, LiteralString, TypeAlias

import psycopg
from psycopg.types.json import Jsonb

SCHEMA = "schedule_ingest"

State: TypeAlias = Literal["open", "closed", "processing", "done", "failed"]
# The states a session steps through on its way; the trigger allows no other way.
_WAY: dict[State, tuple[State, ...]] = {
    "open": (),
    "closed": ("closed",),
    "processing": ("closed", "processing"),
    "done": ("closed", "processing", "done"),
    "failed": ("closed", "processing", "failed"),
}
_CLOSED_AFTER = dt.timedelta(minutes=1)
_DEFAULT_ERROR = "the live worker could not read the images"


@dataclass(frozen=True, slots=True)
class DemoSession:
    """One capture session and the keys of its images, in the order of their `sequence`.

    `error` is stored for a failed session only.
    """

    id: uuid.UUID
    user_id: int
    created_at: dt.datetime
    r2_keys: tuple[str, ...]
    state: State = "done"
    error: str = _DEFAULT_ERROR


def create_schema(connection: psycopg.Connection[Any]) -> None:
    """Create the schema with its types, tables and triggers, in one transaction."""
    ddl = resources.files("backfill_lab.demo").joinpath("schedule_ingest.sql").read_bytes()
    with connection.transaction():
        connection.execute(ddl)


def drop_schema(connection: psycopg.Connection[Any]) -> None:
    """Drop the schema and everything in it; a missing schema is no error."""
    connection.execute("DROP SCHEMA IF EXISTS schedule_ingest CASCADE")


def load_sessions(connection: psycopg.Connection[Any], sessions: Sequence[DemoSession]) -> None:
    """Insert each session open, add its images, then step its state; one transaction for all."""
    with connection.transaction(), connection.cursor() as cur:
        for session in sessions:
            _insert_session(cur, session)
            _step_session(cur, session)


def store_snapshot(
    connection: psycopg.Connection[Any],
    user_id: int,
    schedule_date: dt.date,
    payload: Sequence[object],
    source_session_id: uuid.UUID,
) -> None:
    """Store a day's snapshot as the live worker would, over the one that is there."""
    connection.execute(
        "INSERT INTO schedule_ingest.day_snapshot"
        " (user_id, schedule_date, snapshot_payload, source_session_id) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (user_id, schedule_date) DO UPDATE"
        " SET snapshot_payload = excluded.snapshot_payload,"
        " source_session_id = excluded.source_session_id, updated_at = now()",
        [user_id, schedule_date, Jsonb(list(payload)), source_session_id],
    )


def _insert_session(cur: psycopg.Cursor[Any], session: DemoSession) -> None:
    cur.execute(
        "INSERT INTO schedule_ingest.capture_session (id, user_id, created_at) VALUES (%s, %s, %s)",
        [session.id, session.user_id, session.created_at],
    )
    cur.executemany(
        "INSERT INTO schedule_ingest.capture_image (id, session_id, sequence, r2_key, created_at)"
        " VALUES (%s, %s, %s, %s, %s)",
        [
            (uuid.uuid5(session.id, r2_key), session.id, sequence, r2_key, session.created_at)
            for sequence, r2_key in enumerate(session.r2_keys, start=1)
        ],
    )


def _step_session(cur: psycopg.Cursor[Any], session: DemoSession) -> None:
    statement: LiteralString = (
        "UPDATE schedule_ingest.capture_session SET state = %s, closed_at = %s, error = %s"
        " WHERE id = %s"
    )
    for state in _WAY[session.state]:
        error = session.error if state == "failed" else None
        cur.execute(statement, [state, session.created_at + _CLOSED_AFTER, error, session.id])
