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
from backfill.rows.columns import Column, ColumnType, SqlType
from backfill.rows.keys import Key, KeyColumn
from backfill.server.catalog import columns_of
from backfill.server.postgres import Connection
from backfill.server.table import Join, LookedUp, Relation

#: Types without an equality that means the same value: they are compared as text.
_COMPARED_AS_TEXT = frozenset(
    ("xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "txid_snapshot")
)


@dataclass(frozen=True, slots=True)
class PlainColumn:
    """One column as the catalog has it.

    `type_name` is its type as declared, domains and modifiers included; `kind` the name of the type
    below all domains, `sql_type` that type as values of it travel.
    """

    name: str
    type_name: str
    kind: str
    is_not_null: bool
    is_generated: bool
    is_always_identity: bool
    has_modifier: bool
    sql_type: SqlType

    @property
    def is_json(self) -> bool:
        return self.kind in ("json", "jsonb")

    @property
    def is_plain_text(self) -> bool:
        """Whether any text is a value, as far as the type has a say."""
        return self.kind in ("text", "varchar") and not self.has_modifier

    def as_column(self) -> Column:
        """Return the column as one whose values travel as text, whatever its type."""
        return Column(self.name, ColumnType.TEXT, sql_type=self.sql_type)

    def as_key(self) -> KeyColumn:
        return KeyColumn(self.name, self.sql_type.name, self.sql_type.operators)

    def differs(self, alias: str, value: sql.Composable) -> sql.Composable:
        """Return whether a row holds another value than a text stands for, by its type."""
        column = sql.Identifier(alias, self.name)
        if self.kind in _COMPARED_AS_TEXT:
            return sql.SQL("{}::text IS DISTINCT FROM {}").format(column, value)
        typed = sql.SQL("{}::pg_catalog.jsonb" if self.kind == "json" else "{}")
        left = typed.format(column)
        right = typed.format(self.sql_type.cast(value))
        equal = self.sql_type.compared(left, "=", right)
        return sql.SQL(
            "CASE WHEN {c} IS NULL OR {v} IS NULL THEN {c} IS NOT NULL OR {v} IS NOT NULL"
            " ELSE NOT ({equal}) END"
        ).format(c=column, v=value, equal=equal)


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
            "key": [[c.name, c.type_name, c.operators] for c in self.key.columns],
            "targets": [_column_json(column) for column in self.targets],
            "sources": [_column_json(column) for column in self.sources],
        }


def plain_from_json(document: Mapping[str, Any]) -> PlainTable:
    """Return the table that a run's row describes."""
    return PlainTable(
        Relation(str(document["schema"]), str(document["name"])),
        Key(tuple(KeyColumn(*map(str, entry)) for entry in document["key"])),
        tuple(_column_from(entry) for entry in document["targets"]),
        tuple(_column_from(entry) for entry in document["sources"]),
    )


def _column_json(column: Column) -> list[str]:
    kind = column.sql_type
    return [column.name, kind.name, kind.declared, kind.operators]


def _column_from(entry: Sequence[str]) -> Column:
    name, *kind = (str(part) for part in entry)
    return Column(name, ColumnType.TEXT, sql_type=SqlType(*kind))


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
        "  b.typname::text, a.attnotnull, a.attgenerated <> '', a.attidentity = 'a',"
        "  d.typmod >= 0 OR a.atttypid <> b.oid"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN down d ON d.attnum = a.attnum"
        " JOIN pg_type b ON b.oid = d.typid AND b.typtype <> 'd'"
        " WHERE n.nspname = %(schema)s AND c.relname = %(name)s AND NOT a.attisdropped"
        " ORDER BY a.attnum",
        {"schema": relation.schema, "name": relation.name},
    ).fetchall()
    kinds = columns_of(connection, relation)
    return {
        name: PlainColumn(
            name,
            type_name,
            kind,
            is_not_null=not_null,
            is_generated=generated,
            is_always_identity=identity,
            has_modifier=modified,
            sql_type=kinds[name].sql_type,
        )
        for name, type_name, kind, not_null, generated, identity, modified in rows
    }


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
    return Key(tuple(columns[name].as_key() for name in names))


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
    """Raise `UsageError` for what is no name of PostgreSQL's."""
    for name in names:
        if not name or "\0" in name:
            raise UsageError(f"{what} names {name!r}: a name is not empty and holds no NUL.")


def columns_sql(alias: str, columns: Iterable[Column]) -> sql.Composable:
    """Return columns as text, for a SELECT."""
    return sql.SQL(", ").join(column.read(sql.Identifier(alias, column.name)) for column in columns)


def targets_null(table: PlainTable) -> str:
    """Return the condition of the rows that wait for a value: a target is NULL."""
    names = [column.name.replace('"', '""') for column in table.targets]
    return " OR ".join(f'"{name}" IS NULL' for name in names)
