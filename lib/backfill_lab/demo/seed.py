"""Fill a database with the invented demo, and take it out again: the demo, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg import sql

from backfill.errors import PreflightError
from backfill.next_command import next_command
from backfill.server.database import Database
from backfill.server.postgres import Connection, scalar
from backfill_lab.demo.customers import TABLE as CUSTOMERS
from backfill_lab.demo.customers import drop_customers, load_customers
from backfill_lab.demo.customers import is_ours as is_the_demos_customers
from backfill_lab.demo.events import EVENT_COLUMNS, HOUSEHOLDS, Encoding, drop_events, load_events
from backfill_lab.demo.sessions import SCHEMA, drop_schema

SEEDED = (
    "Seeded the demo: 20,000 invented events, a dozen invented capture sessions, and 3,000 "
    "invented customers."
)
#: Objects with smaller numbers are the server's own, in every database.
_FIRST_OF_USERS = 16_384
_SEED_LOCK = 7_214_906_116
_TABLES = ("public.events", f"{SCHEMA}.day_snapshot", f"public.{CUSTOMERS}")


def seed_if_empty(database: Database, say: Callable[[str], None]) -> None:
    """Load the demo into an embedded server that holds nothing at all; any other stays as it is."""
    if not database.is_embedded:
        return
    with database.connect() as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SEED_LOCK])
        if _holds_anything(connection):
            return
        _load(connection, "epoch_ms")
        say(SEEDED)


def seed(connection: Connection, encoding: Encoding = "epoch_ms") -> None:
    """Load the demo anew: the same rows each time, nothing of an earlier run of it left.

    Raises `PreflightError`, and changes nothing, where something would go that is not the demo's.
    """
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SEED_LOCK])
            for text in _not_ours(connection):
                raise PreflightError(
                    f"{text}: loading the demo anew would delete that. Nothing was changed. Work "
                    f"on it by its URL ({next_command('db', 'url')}), keep the demo elsewhere "
                    "(BACKFILL_EMBEDDED_DIR names another folder), or delete all that this server "
                    f"holds: {next_command('db', 'reset')}"
                )
            _unload(connection)
            _load(connection, encoding)
    except psycopg.errors.DependentObjectsStillExist as error:
        raise PreflightError(
            f"The demo can not be loaded anew: {error.diag.message_detail or error}. Nothing was "
            "changed. "
            f"Drop what depends on it, or all that this server holds: {next_command('db', 'reset')}"
        ) from None


def _unload(connection: Connection) -> None:
    drop_events(connection)
    drop_customers(connection)
    connection.execute("DROP SCHEMA IF EXISTS backfill CASCADE")
    drop_schema(connection)


def _load(connection: Connection, encoding: Encoding) -> None:
    from backfill_lab.demo.captures import (
        load_captures,  # of images, for which `status` need not wait
    )

    load_events(connection, encoding=encoding)
    load_captures(connection)
    load_customers(connection)


def _holds_anything(connection: Connection) -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_class WHERE oid >= %(first)s)"
        " OR EXISTS (SELECT FROM pg_namespace WHERE oid >= %(first)s"
        "  AND nspname !~ '^pg_(toast_)?temp_')"
        " OR EXISTS (SELECT FROM pg_proc WHERE oid >= %(first)s)"
        " OR EXISTS (SELECT FROM pg_type WHERE oid >= %(first)s)"
        " OR EXISTS (SELECT FROM pg_largeobject_metadata)",
        {"first": _FIRST_OF_USERS},
    ).fetchone()
    return row is None or bool(row[0])


def _not_ours(connection: Connection) -> list[str]:
    """Return what stands where the demo would, or hangs on its record, and is not the demo's."""
    foreign = []
    if _has(connection, "public.events") and not _is_the_demos_calendar(connection):
        foreign.append("This server holds a table public.events that is not the demo's")
    if not is_the_demos_customers(connection):
        foreign.append(f"This server holds a table public.{CUSTOMERS} that is not the demo's")
    if not _is_the_demos_ingest(connection):
        foreign.append(f"This server holds a schema {SCHEMA} that is not the demo's")
    if _has(connection, "backfill.run"):
        runs = scalar(
            connection,
            "SELECT string_agg(DISTINCT coalesce(scope ->> 'table', job), ', ')"
            " FROM backfill.run WHERE NOT coalesce(scope ->> 'table', '') = ANY (%s)",
            list(_TABLES),
        )
        if runs:
            foreign.append(f"This server holds the record of runs on {runs}, and what undoes them")
    return foreign


def _has(connection: Connection, name: str) -> bool:
    return bool(scalar(connection, "SELECT to_regclass(%s) IS NOT NULL", name))


def _is_the_demos_calendar(connection: Connection) -> bool:
    """Whether the calendar has the demo's columns, and no household but the demo's."""
    columns = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'public.events'::regclass"
        " AND attnum > 0 AND NOT attisdropped"
    ).fetchall()
    if {str(name) for (name,) in columns} != set(EVENT_COLUMNS):
        return False
    others = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} <> ALL (%s))")
    households = [str(household[0]) for household in HOUSEHOLDS]
    places = [("events", "household_id")]
    places += [("household", "id")] if _has(connection, "public.household") else []
    return not any(
        scalar(
            connection,
            others.format(sql.Identifier("public", table), sql.Identifier(column)),
            households,
        )
        for table, column in places
    )


def _is_the_demos_ingest(connection: Connection) -> bool:
    from backfill_lab.demo.captures import COMMENT

    comment = connection.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s",
        [SCHEMA],
    ).fetchone()
    return comment is None or comment[0] == COMMENT
