"""What the schedule's tables do of themselves that a person should know first. Read-only.

Sessions are few and each is a transaction of its own: what a write costs does not matter here, but
what it sets off does.
"""

from __future__ import annotations

from backfill.jobs.ocr.tables import Tables
from backfill.server.catalog import is_row_security_active
from backfill.server.postgres import Connection
from backfill.server.table import Relation
from backfill.server.update_cost import check_replica_identity

_INSERT, _UPDATE = 4, 16  # bits of pg_trigger.tgtype
_SNAPSHOT = "day_snapshot"
_FIRING = {_SNAPSHOT: _INSERT | _UPDATE, "schedule_event": _INSERT}
_NOTIFYING = {"schedule_notification": _INSERT}
_SNAPSHOT_COLUMNS = ["snapshot_payload", "source_session_id", "updated_at"]
_READ = ("capture_session", "capture_image", *_FIRING)


def table_warnings(connection: Connection, tables: Tables, *, notifying: bool) -> list[str]:
    """Return a warning for each table with triggers that apply fires, or with rows that this role
    may not see.

    Raises `PreflightError` where snapshots can not be updated at all.
    """
    check_replica_identity(connection, Relation(tables.schema, _SNAPSHOT))
    firing = _FIRING | (_NOTIFYING if notifying else {})
    return [
        *(
            text
            for name, events in firing.items()
            if (text := _triggers(connection, Relation(tables.schema, name), events))
        ),
        *(
            f"Row-level security is active on {relation}: what this role may not see there is "
            "taken for missing. Use a role with BYPASSRLS to see all."
            for relation in (Relation(tables.schema, name) for name in _READ)
            if is_row_security_active(connection, relation)
        ),
    ]


def _triggers(connection: Connection, relation: Relation, events: int) -> str:
    rows = connection.execute(
        "SELECT t.tgname::text FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND NOT t.tgisinternal"
        " AND t.tgenabled IN ('O', 'A') AND t.tgtype & %s <> 0"
        # UPDATE OF other columns does not fire.
        " AND (t.tgtype & 4 <> 0 OR cardinality(t.tgattr::int2[]) = 0 OR EXISTS"
        "  (SELECT FROM pg_attribute AS a WHERE a.attrelid = t.tgrelid"
        "   AND a.attnum = ANY (t.tgattr::int2[]) AND a.attname = ANY (%s))) ORDER BY 1",
        [relation.schema, relation.name, events, _SNAPSHOT_COLUMNS],
    ).fetchall()
    if not rows:
        return ""
    return (
        f"{relation} has triggers that apply fires: {', '.join(row[0] for row in rows)}. Make sure "
        "that they may run for days gone by: what they send or write is not taken back by a "
        "revert. If they need not run, for the time of the run: "
        f"ALTER TABLE {relation} DISABLE TRIGGER …;"
    )
