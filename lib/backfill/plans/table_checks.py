"""CHECK constraints of a table that its targets have to fulfil. Read-only."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.server.postgres import Connection
from backfill.server.table import Table


@dataclass(frozen=True, slots=True)
class Check:
    """A CHECK constraint that reads a target, with the columns that it reads; `part` is the oid of
    the partition, or of the table that inherits, whose rows alone it is for, 0 for all rows."""

    name: str
    condition: str
    columns: tuple[str, ...]
    relation: str
    part: int


def checks_of(connection: Connection, table: Table) -> list[Check]:
    """Return the CHECK constraints of the table, and of its parts, that read one of its targets."""
    rows = connection.execute(
        "WITH RECURSIVE part AS (SELECT c.oid, true AS is_whole FROM pg_class c"
        "  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"
        "  UNION SELECT i.inhrelid, false FROM part JOIN pg_inherits i ON i.inhparent = part.oid)"
        " SELECT o.conname::text, pg_get_expr(o.conbin, o.conrelid),"
        "  (SELECT array_agg(a.attname::text) FROM pg_attribute a"
        "   WHERE a.attrelid = o.conrelid AND a.attnum = ANY (o.conkey)),"
        "  c.relname::text, CASE WHEN part.is_whole THEN 0 ELSE part.oid::int8 END"
        " FROM part JOIN pg_constraint o ON o.conrelid = part.oid"
        " JOIN pg_class c ON c.oid = part.oid"
        " WHERE o.contype = 'c' AND (part.is_whole OR o.coninhcount = 0)"
        "  AND to_jsonb(o) ->> 'conenforced' IS DISTINCT FROM 'false'"  # since PostgreSQL 18
        " ORDER BY 5, 1",
        [table.relation.schema, table.relation.name],
    ).fetchall()
    targets = {column.name for column in table.targets}
    return [
        Check(name, condition, tuple(columns or ()), relation, part)
        for name, condition, columns, relation, part in rows
        if targets & set(columns or ())
    ]
