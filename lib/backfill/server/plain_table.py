"""Any table of the user's by names: key, targets, sources. Every value travels as its own text.

The text is what the server itself writes for a value under the settings of our sessions: it goes to
the plan and back without losing a sign. Read-only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from backfill.errors import PreflightError, UsageError
from backfill.rows.columns import Column, ColumnType
from backfill.rows.keys import Key, KeyColumn
from backfill.server.postgres import Connection
from backfill.server.table import Join, LookedUp, Relation


@dataclass(frozen=True, slots=True)
class PlainColumn:
    """One column as the catalog has it.

    `type_name` with modifier, as a value is written; `base_name` without, as one is compared, so
    that nothing is cut off; `kind` is the type below all domains.
    """

    name: str
    type_name: str
    base_name: str
    kind: str
    is_not_null: bool
    is_generated: bool
    is_always_identity: bool
    has_modifier: bool
    is_own_type: bool  # the type below all domains is none of the server's own

    @property
    def is_json(self) -> bool:
        return self.kind in ("json", "jsonb")

    @property
    def is_plain_text(self) -> bool:
        """Whether any text is a value, as far as the type has a say."""
        return self.base_name in ("text", "character varying") and not self.has_modifier

    def as_column(self) -> Column:
        compared = "jsonb" if self.kind == "json" else "text"
        return Column(self.name, ColumnType.TEXT, self.type_name, compared)


@dataclass(frozen=True, slots=True)
class PlainTable:
    """A table with the columns that a plan reads and writes; it has no scope but itself."""

    relation: Relation
    key: Key
    targets: tuple[Column, ...]
    sources: tuple[Column, ...] = ()

    @property
    def scope(self) -> KeyColumn:
        return self.key.columns[0]

    @property
    def looked_up(self) -> tuple[LookedUp, ...]:
        return ()

    def join(self, name: str) -> Join:
        raise KeyError(name)  # it joins nothing

    @property
    def where(self) -> str:
        return ""

    @property
    def where_columns(self) -> tuple[str, ...]:
        return ()

    def as_json(self) -> dict[str, Any]:
        """Return what a run's row and plan keep of the table."""
        return {
            "schema": self.relation.schema,
            "name": self.relation.name,
            "key": [[column.name, column.type_name] for column in self.key.columns],
            "targets": [_column_json(column) for column in self.targets],
            "sources": [_column_json(column) for column in self.sources],
        }


def plain_from_json(document: Mapping[str, Any]) -> PlainTable:
    """Return the table that a run's row describes."""
    return PlainTable(
        Relation(str(document["schema"]), str(document["name"])),
        Key(tuple(KeyColumn(str(name), str(kind)) for name, kind in document["key"])),
        tuple(_column_from(entry) for entry in document["targets"]),
        tuple(_column_from(entry) for entry in document["sources"]),
    )


def _column_json(column: Column) -> list[str]:
    return [column.name, column.type_name, column.compared_as]


def _column_from(entry: Sequence[str]) -> Column:
    name, type_name, compared = (str(part) for part in entry)
    if compared not in ("text", "jsonb"):
        raise PreflightError(f"The record of column {name} says {compared!r}: it was changed.")
    return Column(name, ColumnType.TEXT, checked_type(type_name), compared)


def checked_type(type_name: str) -> str:
    """Return the name of a type; raise `PreflightError` unless it can be nothing else.

    It is spelt out in casts; a ledger row that somebody edited must not become SQL.
    """
    bare = type_name
    inside = False
    for sign in bare:
        if sign == '"':
            inside = not inside
        elif not inside and not (sign.isalnum() or sign in " _$.,()[]"):
            raise PreflightError(f"{type_name!r} is not the name of a type.")
    if inside or not bare.strip():
        raise PreflightError(f"{type_name!r} is not the name of a type.")
    return type_name


def columns_by_name(connection: Connection, relation: Relation) -> dict[str, PlainColumn]:
    """Return a table's columns in their order, domains followed down to their base type."""
    rows = connection.execute(
        "WITH RECURSIVE down AS ("
        "  SELECT a.attnum, a.atttypid AS typid, a.atttypmod AS typmod FROM pg_attribute a"
        "   JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        "   WHERE n.nspname = %(schema)s AND c.relname = %(name)s AND a.attnum > 0"
        "   AND NOT a.attisdropped"
        "  UNION ALL SELECT d.attnum, t.typbasetype,"
        "   CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE d.typmod END"
        "   FROM down d JOIN pg_type t ON t.oid = d.typid WHERE t.typtype = 'd')"
        " SELECT a.attname::text, format_type(a.atttypid, a.atttypmod),"
        "  CASE WHEN b.oid = 'bpchar'::regtype THEN 'bpchar'"
        "   WHEN b.oid = 'bit'::regtype THEN 'bit varying' ELSE format_type(b.oid, NULL) END,"
        "  b.typname::text, a.attnotnull, a.attgenerated <> '', a.attidentity = 'a',"
        "  d.typmod >= 0 OR a.atttypid <> b.oid, b.typnamespace <> 'pg_catalog'::regnamespace"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN down d ON d.attnum = a.attnum"
        " JOIN pg_type b ON b.oid = d.typid AND b.typtype <> 'd'"
        " WHERE n.nspname = %(schema)s AND c.relname = %(name)s AND NOT a.attisdropped"
        " ORDER BY a.attnum",
        {"schema": relation.schema, "name": relation.name},
    ).fetchall()
    return {str(row[0]): PlainColumn(*row) for row in rows}


def readable_columns(connection: Connection, relation: Relation) -> list[str]:
    """Return the names of the columns that this role may read, in their order."""
    rows = connection.execute(
        "SELECT a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped"
        " AND has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY a.attnum",
        [relation.schema, relation.name],
    ).fetchall()
    return [str(row[0]) for row in rows]


def unique_keys(connection: Connection, relation: Relation) -> list[tuple[tuple[str, ...], bool]]:
    """Return the columns of each unique index over whole columns, and whether it is primary."""
    rows = connection.execute(
        "SELECT array_agg(a.attname::text ORDER BY k.ord), i.indisprimary"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, ord)"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
        " WHERE n.nspname = %s AND c.relname = %s AND i.indisunique AND i.indisvalid"
        " AND i.indpred IS NULL AND i.indexprs IS NULL AND k.ord <= i.indnkeyatts"
        " GROUP BY i.indexrelid, i.indisprimary"
        " ORDER BY i.indisprimary DESC, count(*), i.indexrelid",
        [relation.schema, relation.name],
    ).fetchall()
    return [(tuple(columns), bool(is_primary)) for columns, is_primary in rows]


def key_of(columns: Mapping[str, PlainColumn], names: Iterable[str]) -> Key:
    """Return columns as a key."""
    return Key(tuple(KeyColumn(name, columns[name].base_name) for name in names))


def check_writable(relation: Relation, column: PlainColumn) -> None:
    """Raise `PreflightError` for a column that nobody can write."""
    if column.is_generated:
        raise PreflightError(
            f"{relation}.{column.name} is a generated column: PostgreSQL fills it itself, nobody "
            "can write it. Write the columns that it is made of."
        )
    if column.is_always_identity:
        raise PreflightError(
            f"{relation}.{column.name} is GENERATED ALWAYS AS IDENTITY: PostgreSQL refuses to "
            "update it. Name another column with --set."
        )


def check_names(what: str, names: Iterable[str]) -> None:
    """Raise `UsageError` for names that the database driver can not pass on."""
    for name in names:
        if not name or "\0" in name or "%" in name:
            raise UsageError(
                f"{what} names {name!r}: a name is not empty and holds no percent sign (the "
                "database driver takes it for a place of a value) and no NUL."
            )


def columns_sql(alias: str, columns: Iterable[Column]) -> sql.Composable:
    """Return columns as text, for a SELECT."""
    return sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(alias, column.name)) for column in columns
    )
