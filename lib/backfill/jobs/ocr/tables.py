"""The tables of the schedule system: what the job reads and writes, checked before it does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from backfill.errors import PreflightError
from backfill.server.catalog import hidden_rows, require_columns
from backfill.server.catalog_columns import columns_of
from backfill.server.own_casts import check_casts
from backfill.server.postgres import Connection, scalar
from backfill.server.rights import Right, check_rights
from backfill.server.table import Relation
from backfill.server.update_cost import INSERT, UPDATE, check_replica_identity, firing_triggers

#: The comment on a schema that holds the invented demo: only there may --local-root be left out.
DEMO_COMMENT = "backfill: invented demo sessions"
_READ = {
    "capture_session": {"id", "user_id", "state", "created_at"},
    "capture_image": {"id", "session_id", "sequence", "r2_key"},
    "day_snapshot": {
        "user_id", "schedule_date", "snapshot_payload", "source_session_id", "updated_at",
    },
    "schedule_event": {
        "event_id", "user_id", "schedule_date", "event_type", "location_fingerprint",
        "customer_fingerprint", "old_value_hash", "new_value_hash", "old_value", "new_value",
        "detected_at", "source_session_id",
    },
}  # fmt: skip
_NOTIFICATION = {
    "schedule_notification": {
        "notification_id", "user_id", "schedule_date", "source_session_id", "status",
        "notification_type", "message", "event_ids",
    }
}  # fmt: skip
_WRITE = [("INSERT", "day_snapshot"), ("UPDATE", "day_snapshot"), ("INSERT", "schedule_event")]


@dataclass(frozen=True, slots=True)
class Tables:
    """The schema's tables as SQL names."""

    schema: str

    def __getitem__(self, name: str) -> sql.Identifier:
        return sql.Identifier(self.schema, name)

    @property
    def written(self) -> str:
        """The table that a lease is about."""
        return f"{self.schema}.day_snapshot"

    def rights(self) -> list[Right]:
        """Return what roles need: capture tables are read and never written."""
        rights = [("SELECT", name) for name in (*_READ, *_NOTIFICATION)] + [
            ("INSERT, UPDATE, DELETE", "day_snapshot"),
            ("INSERT, DELETE", "schedule_event"),
            ("INSERT, DELETE", "schedule_notification"),
        ]
        return self.rights_of(rights)

    def rights_of(self, rights: Iterable[tuple[str, str]]) -> list[Right]:
        return [Right(what, self.relation(name)) for what, name in rights]

    def relation(self, name: str) -> Relation:
        return Relation(self.schema, name)


def check_tables(
    connection: Connection, tables: Tables, *, writing: bool, notifying: bool
) -> list[str]:
    """Return a warning of rights that applying needs; raise `PreflightError` for a table or column
    that is missing, or a right. Read-only.

    The capture tables are only ever read: no right to write them is asked for.
    """
    read = _READ | (_NOTIFICATION if notifying else {})
    if not scalar(connection, "SELECT to_regnamespace(quote_ident(%s)) IS NOT NULL", tables.schema):
        raise PreflightError(
            f"There is no schema {tables.schema!r} in this database. Name it with --db-schema, or "
            "check DATABASE_URL."
        )
    for name, columns in read.items():
        _check_columns(connection, tables, name, columns)
    rights = [("SELECT", name) for name in read] + _WRITE
    rights += [("INSERT", name) for name in _NOTIFICATION if notifying]
    needed = tables.rights_of(rights)
    check_casts(connection, {right.relation for right in needed})
    return check_rights(connection, needed, writing=writing)


def is_demo(connection: Connection, tables: Tables) -> bool:
    """Return whether the schema is the invented demo's, by its comment. Read-only."""
    comment = scalar(
        connection,
        "SELECT obj_description(to_regnamespace(quote_ident(%s)), 'pg_namespace')",
        tables.schema,
    )
    return bool(comment == DEMO_COMMENT)


def states_of(connection: Connection, tables: Tables) -> list[str]:
    """Return the states that the database knows; empty when the column is no enum. Read-only."""
    rows = connection.execute(
        "SELECT e.enumlabel::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_enum e ON e.enumtypid = a.atttypid"
        " WHERE n.nspname = %s AND c.relname = 'capture_session' AND a.attname = 'state'"
        " ORDER BY e.enumsortorder",
        [tables.schema],
    ).fetchall()
    return [str(row[0]) for row in rows]


def _check_columns(connection: Connection, tables: Tables, name: str, columns: set[str]) -> None:
    relation = tables.relation(name)
    present = columns_of(connection, relation)
    if not present:
        raise PreflightError(
            f"There is no table {tables.schema}.{name}. Is --db-schema the schema of the schedule "
            "system, and DATABASE_URL its database?"
        )
    require_columns(relation, present, sorted(columns), mend="")


# Sessions are few and each is a transaction of its own: what a write costs does not matter here,
# but what it sets off does.
_SNAPSHOT = "day_snapshot"
_FIRING = {_SNAPSHOT: INSERT | UPDATE, "schedule_event": INSERT}
_NOTIFYING = {"schedule_notification": INSERT}
_TAKEN_FOR_MISSING = (
    "what this role may not see there is taken for missing. Use a role with BYPASSRLS to see all."
)
_COLUMNS = ["snapshot_payload", "source_session_id", "updated_at"]


def table_warnings(connection: Connection, tables: Tables, *, notifying: bool) -> list[str]:
    """Return a warning for each table with triggers that apply fires, or with rows that this role
    may not see.

    Raises `PreflightError` where snapshots can not be updated at all.
    """
    check_replica_identity(connection, tables.relation(_SNAPSHOT), _COLUMNS)
    firing = _FIRING | (_NOTIFYING if notifying else {})
    return [
        *(
            text
            for name, events in firing.items()
            if (text := _triggers(connection, tables.relation(name), events))
        ),
        *hidden_rows(connection, map(tables.relation, _READ), _TAKEN_FOR_MISSING),
    ]


def _triggers(connection: Connection, relation: Relation, events: int) -> str:
    names = [name for name, _by_row in firing_triggers(connection, relation, _COLUMNS, events)]
    if not names:
        return ""
    return (
        f"{relation} has triggers that apply fires: {', '.join(names)}. Make sure "
        "that they may run for days gone by: what they send or write is not taken back by a "
        "revert. If they need not run, for the time of the run: "
        f"ALTER TABLE {relation} DISABLE TRIGGER …;"
    )
