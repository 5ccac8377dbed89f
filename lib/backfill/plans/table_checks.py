"""CHECK constraints of a table that its targets have to fulfil. Read-only."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.server.postgres import Connection
from backfill.server.table import Table


@dataclass(frozen=True, slots=True)
class Check:
    """A CHECK constraint that reads a target, with the columns that it reads."""

    name: str
    condition: str
    columns: tuple[str, ...]


def checks_of(connection: Connection, table: Table) -> list[Check]:
    """Return the CHECK constraints of the table that read one of its targets."""
    rows = connection.execute(
        "SELECT o.conname::text, pg_get_expr(o.conbin, o.conrelid),"
        " (SELECT array_agg(a.attname::text) FROM pg_attribute a"
        "  WHERE a.attrelid = o.conrelid AND a.attnum = ANY (o.conkey))"
        " FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND o.contype = 'c' ORDER BY o.conname",
        [table.relation.schema, table.relation.name],
    ).fetchall()
    targets = {column.name for column in table.targets}
    return [
        Check(str(name), str(condition), tuple(columns or ()))
        for name, condition, columns in rows
        if targets & set(columns or ())
    ]
