"""Make the tool's own tables, or bring those of an earlier version up to date."""

from __future__ import annotations

from importlib import resources
from typing import Any, cast

import psycopg

from backfill.errors import LeaseHeld, PreflightError, first_line
from backfill.next_command import next_command
from backfill.server.catalog_columns import quoted_name
from backfill.server.postgres import Connection, scalar
from backfill.server.rights import grant

#: Any number will do, as long as nobody else uses it: one creator of the tables at a time.
_CREATION_LOCK = 7_214_906_113


def has_tables(connection: Connection) -> bool:
    """Return whether this database has our tables, of any version. Read-only."""
    return bool(scalar(connection, "SELECT to_regclass('backfill.chunk_image') IS NOT NULL"))


def has_ranges(connection: Connection) -> bool:
    """Return whether the tables know parts and ranges of a run. Read-only."""
    return bool(
        scalar(
            connection,
            "SELECT to_regclass('backfill.range') IS NOT NULL AND EXISTS (SELECT FROM pg_attribute"
            " WHERE attrelid = to_regclass('backfill.checkpoint') AND attname = 'range_no')",
        )
    )


def has_all_tables(connection: Connection) -> bool:
    """Return whether the tables have all that this version knows of. Read-only."""
    return has_ranges(connection) and bool(
        scalar(
            connection,
            "SELECT to_regclass('backfill.applier') IS NOT NULL"
            " AND to_regclass('backfill.gate') IS NOT NULL"
            " AND to_regprocedure('backfill.record_plan_sums(text, text)') IS NOT NULL"
            " AND to_regprocedure('backfill.request_stop(text, text)') IS NOT NULL"
            " AND EXISTS (SELECT FROM pg_attribute"
            "  WHERE attrelid = to_regclass('backfill.run') AND attname = 'kept')"
            " AND EXISTS (SELECT FROM pg_attribute"
            "  WHERE attrelid = to_regclass('backfill.range') AND attname = 'locked')",
        )
    )


def create_tables(connection: Connection, *, is_new: bool) -> None:
    """Run `ledger.sql`; `is_new` says whether there are no tables of ours yet.

    Raises `PreflightError` where that is refused, `LeaseHeld` while an older version writes.
    """
    script = resources.files("backfill.records").joinpath("ledger.sql").read_text(encoding="utf-8")
    try:
        with connection.transaction():
            _lock_creation(connection)
            if not has_tables(connection):
                _check_free(connection)
            connection.execute(cast(Any, script))
    except psycopg.errors.LockNotAvailable:
        raise LeaseHeld(
            "The tool's own tables are of an earlier version and can not be brought up to date "
            "now: a run of that version is writing. When it has ended, try again; see: "
            + next_command("status")
        ) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise PreflightError(_refusal(connection, is_new, first_line(error))) from None
    except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction):
        raise
    except psycopg.DatabaseError as error:  # what an event trigger that guards DDL raises
        raise PreflightError(
            "The server refused to make the tool's own tables in schema backfill: "
            f"{first_line(error)}. Nothing was written. Does an event trigger guard tables here "
            "(pg_event_trigger)? Have whoever may run what this prints, then type the command "
            "again: " + next_command("grants")
        ) from None


def _check_free(connection: Connection) -> None:
    """Raise `PreflightError` where the schema of our tables is somebody else's."""
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('backfill')"
        " UNION SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace('backfill')"
        " ORDER BY 1 LIMIT 3"
    ).fetchall()
    if found:
        names = ", ".join(quoted_name(str(name)) for (name,) in found)
        raise PreflightError(
            f"Schema backfill of this database is somebody else's: it holds {names}. The tool "
            "keeps its record in a schema of that name, and would mix with theirs. Nothing was "
            "written. Have them take another name: ALTER SCHEMA backfill RENAME TO …"
        )


def _lock_creation(connection: Connection) -> None:
    """Let nobody else make the tables until this transaction ends."""
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_CREATION_LOCK])
    except psycopg.errors.LockNotAvailable:
        raise LeaseHeld(
            "The tool's own tables can not be made now: another session holds the advisory lock "
            f"{_CREATION_LOCK}, by which one at a time makes them. See who: SELECT pid FROM "
            "pg_locks WHERE locktype = 'advisory' AND (classid::bigint << 32) + objid::bigint = "
            f"{_CREATION_LOCK}; and try again when that session has ended."
        ) from None


def _refusal(connection: Connection, is_new: bool, said: str) -> str:
    if not is_new:
        return (
            "The tool's own tables are of an earlier version, and this role may not bring them up "
            "to date. As the database's owner, run what this prints: " + next_command("grants")
        )
    database = quoted_name(str(scalar(connection, "SELECT current_database()")))
    return (
        "This role may not create the tool's own tables in schema backfill "
        f"({said}). Mend, as the database's owner: "
        + grant(connection, "CREATE", f"DATABASE {database}")
    )
