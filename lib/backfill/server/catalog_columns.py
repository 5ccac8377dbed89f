"""Columns and unique keys of a table, as PostgreSQL's catalog has them. Read-only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from backfill.rows.columns import TEXT, Column, ColumnType, SqlType
from backfill.rows.keys import KeyColumn
from backfill.server.postgres import Connection
from backfill.server.table import Relation


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """One column as the catalog has it.

    `declared` is its type as the table says it, domains and modifiers included; `type_name` and
    `kind` name the type below all domains, for people and as the catalog does; `sql_type` is that
    type for SQL, as values of it travel.
    """

    name: str
    declared: str
    type_name: str
    kind: str
    is_generated: bool
    is_not_null: bool
    is_always_identity: bool
    is_readable: bool  # by this role
    has_modifier: bool
    sql_type: SqlType

    @property
    def plain_type(self) -> str:
        """The type's name without its schema, which stands there where it is not the server's."""
        return self.type_name.rpartition(".")[2].strip('"')

    @property
    def is_json(self) -> bool:
        return self.kind in ("json", "jsonb")

    @property
    def is_plain_text(self) -> bool:
        """Whether any text is a value, as far as the type has a say."""
        return self.kind in ("text", "varchar") and not self.has_modifier

    def as_column(self) -> Column:
        return Column(self.name, self.sql_type.travels, sql_type=self.sql_type)

    def as_text(self) -> Column:
        """Return it as one whose values travel as text, whatever its type."""
        return Column(self.name, ColumnType.TEXT, sql_type=self.sql_type)

    def as_key(self) -> KeyColumn:
        return KeyColumn(self.name, self.sql_type.name, self.sql_type.operators)

    def differs(self, alias: str, value: sql.Composable, *, by_text: bool) -> sql.Composable:
        """Return whether a row holds another value than a text stands for, by its type or, where
        that `lack_equality`, by its text."""
        column = sql.Identifier(alias, self.name)
        if by_text:
            spelt = self.sql_type.cast(value)
            return sql.SQL("{}::text IS DISTINCT FROM {}::text").format(column, spelt)
        typed = sql.SQL("{}::pg_catalog.jsonb" if self.kind == "json" else "{}")
        left = typed.format(column)
        right = typed.format(self.sql_type.cast(value))
        equal = self.sql_type.compared(left, "=", right)
        return sql.SQL(
            # A composite of NULLs is no NULL.
            "CASE WHEN {c} IS NOT DISTINCT FROM NULL OR {v} IS NULL"
            " THEN {c} IS DISTINCT FROM NULL OR {v} IS NOT NULL ELSE NOT ({equal}) END"
        ).format(c=column, v=value, equal=equal)


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A valid unique index over whole columns, all rows in it."""

    columns: tuple[str, ...]
    is_primary: bool
    is_not_null: bool  # all of its columns


def columns_of(connection: Connection, relation: Relation) -> dict[str, CatalogColumn]:
    """Return the table's columns by name, in their order."""
    rows = connection.execute(_COLUMNS, [relation.schema, relation.name]).fetchall()
    columns = {}
    for name, declared, type_name, kind, schema, full, operators, modifier, *flags in rows:
        generated, not_null, identity, readable, is_domain = flags
        columns[name] = CatalogColumn(
            name,
            declared,
            type_name,
            kind,
            is_generated=generated,
            is_not_null=not_null,
            is_always_identity=identity,
            is_readable=readable,
            has_modifier=modifier >= 0 or is_domain,
            sql_type=SqlType(
                spelt_type(schema, kind), declared_type(schema, kind, full), operators
            ),
        )
    return columns


def lack_equality(connection: Connection, columns: Sequence[CatalogColumn]) -> frozenset[str]:
    """Return the names of columns whose types, or what lies within them, have no equality that
    means the same value: none at all (point), or one of areas (box). Read-only."""
    asked = [column for column in columns if column.kind != "json"]  # that is compared as jsonb
    nulls = [sql.NULL, *(column.sql_type.cast(sql.NULL) for column in asked)]
    try:
        connection.execute(sql.SQL("SELECT DISTINCT {}").format(sql.SQL(", ").join(nulls)))
    except psycopg.errors.UndefinedFunction:
        if len(asked) == 1:
            return frozenset([asked[0].name])
        return frozenset().union(*(lack_equality(connection, [column]) for column in asked))
    return frozenset()


def retyped(connection: Connection, relation: Relation, columns: Iterable[Column]) -> list[str]:
    """Return a sentence for each column that has another type than when a plan was made. Read-only.

    A text is left out: versions that did not keep the types called every column so.
    """
    now = columns_of(connection, relation)
    typed = [(column.name, column.sql_type) for column in columns if column.sql_type != TEXT]
    return [
        f"{relation}.{name} is {now[name].declared} now, and was {_plain(was)} when the plan was "
        "made"
        for name, was in typed
        if name in now and _plain(now[name].sql_type) != _plain(was)
    ]


def _plain(kind: SqlType) -> str:
    """Return a type as people write it: `numeric(10,4)`."""
    return (kind.declared or kind.name).removeprefix("pg_catalog.").replace('"', "")


#: Down to the bottom of domains over domains. The operators are those of the type's own default
#: order, which an extension's type brings along; without one it is compared as another type.
_COLUMNS = """
    WITH RECURSIVE layer AS (
      SELECT a.attrelid, a.attnum, a.atttypid AS oid, a.atttypmod AS modifier
      FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
      SELECT attrelid, attnum, t.typbasetype, t.typtypmod
      FROM layer JOIN pg_catalog.pg_type t ON t.oid = layer.oid WHERE t.typtype = 'd')
    SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod),
      pg_catalog.format_type(t.oid, NULL), t.typname::text, n.nspname::text,
      pg_catalog.format_type(t.oid, layer.modifier),
      coalesce((SELECT o.nspname::text FROM pg_catalog.pg_opclass k
        JOIN pg_catalog.pg_amop p ON p.amopfamily = k.opcfamily AND p.amopstrategy = 3
          AND p.amoplefttype = t.oid AND p.amoprighttype = t.oid
        JOIN pg_catalog.pg_operator e ON e.oid = p.amopopr
        JOIN pg_catalog.pg_namespace o ON o.oid = e.oprnamespace
        JOIN pg_catalog.pg_am m ON m.oid = k.opcmethod AND m.amname = 'btree'
        WHERE k.opcdefault AND k.opcintype = t.oid AND o.nspname <> 'pg_catalog' LIMIT 1), ''),
      layer.modifier, a.attgenerated <> '', a.attnotnull, a.attidentity = 'a',
      pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT'), a.atttypid <> t.oid
    FROM layer JOIN pg_catalog.pg_type t ON t.oid = layer.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = layer.attrelid AND a.attnum = layer.attnum
    WHERE t.typtype <> 'd' ORDER BY a.attnum
"""


def unique_keys(connection: Connection, relation: Relation) -> list[UniqueKey]:
    """Return the unique keys of a table: the primary one first, then the shortest."""
    rows = connection.execute(
        "SELECT array_agg(a.attname::text ORDER BY k.ord), i.indisprimary, bool_and(a.attnotnull"
        # One that is NOT VALID holds for new rows only (PostgreSQL 18).
        "  AND NOT EXISTS (SELECT FROM pg_constraint AS n WHERE n.conrelid = a.attrelid"
        "   AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum] AND NOT n.convalidated))"
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
    return [UniqueKey(tuple(columns), primary, not_null) for columns, primary, not_null in rows]


def adding_key(connection: Connection, relation: Relation, names: Iterable[str] = ()) -> str:
    """Return the command that gives a table a primary key; `…` where nobody knows its columns.

    That of a partitioned table must hold what it is divided by: where that is NULL, as a target is
    until it is filled, or an expression, or where a partition is a foreign table, only a partition
    by itself can have a key. Read-only.
    """
    rows = connection.execute(
        "SELECT quote_ident(name), name, true FROM unnest(%s::text[]) AS n(name) UNION ALL"
        # An expression has the number 0, and no column of its own.
        " SELECT quote_ident(a.attname), a.attname, a.attnotnull FROM pg_partitioned_table p"
        " JOIN pg_class c ON c.oid = p.partrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " CROSS JOIN unnest(p.partattrs::int2[]) AS u(number)"
        " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number"
        " WHERE n.nspname = %s AND c.relname = %s",
        [wanted := list(names), relation.schema, relation.name],
    ).fetchall()
    for spelt, name, is_not_null in rows:
        if name is None or (not is_not_null and _has_null(connection, relation, name)):
            why = f"{spelt}, which is NULL in some rows," if name else "an expression"
            return (
                f"ALTER TABLE {relation.spelt} DETACH PARTITION …; and a primary key for that "
                f"partition, which --table then names. {relation.spelt} is divided by {why} and no "
                f"key can hold that. Filled rows come back by INSERT INTO {relation.spelt} SELECT …"
            )
    columns = list(dict.fromkeys(str(spelt) for spelt, _name, _is_not_null in rows))
    listed = ", ".join(columns if wanted else ["…", *columns])
    command = "ALTER TABLE {} ADD PRIMARY KEY ({});".format
    found = connection.execute(_PARTITIONS, [relation.schema, relation.name]).fetchone()
    foreign, here, has_key = found or (None, None, False)
    if foreign is None:
        return command(relation.spelt, listed)
    said = (
        f"{relation.spelt} has a foreign table for a partition ({foreign}), and so can have no key"
    )
    if here is None:
        return f"name the table under {foreign}, on its own server; {said}."
    return (
        f"{'' if has_key else command(here, listed) + ' and then '}--table {here}, and so each "
        f"partition that is here: {said}."
    )


#: A foreign table among the partitions, and of those that are here the first, if it lacks a key.
_PARTITIONS = """
    SELECT min(c.oid::regclass::text) FILTER (WHERE c.relkind = 'f'),
      (array_agg(c.oid::regclass::text ORDER BY has_key, c.relname)
       FILTER (WHERE c.relkind = 'r'))[1],
      bool_and(has_key) FILTER (WHERE c.relkind = 'r')
    FROM pg_partition_tree(to_regclass(format('%%I.%%I', %s::text, %s::text))) AS p
    JOIN pg_class c ON c.oid = p.relid CROSS JOIN LATERAL (SELECT EXISTS (
      SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_key) AS k
    WHERE p.isleaf
"""


def _has_null(connection: Connection, relation: Relation, name: str) -> bool:
    query = sql.SQL("SELECT FROM {relation} WHERE {name} IS NULL LIMIT 1")
    named = query.format(relation=relation.identifier, name=sql.Identifier(name))
    return connection.execute(named).fetchone() is not None


def spelt_type(schema: str, type_name: str) -> str:
    first = schema if schema == "pg_catalog" else quoted_name(schema)
    return f"{first}.{quoted_name(type_name)}"


def declared_type(schema: str, type_name: str, full: str) -> str:
    """Return a type with its modifier: `pg_catalog."numeric"(10,2)`, `interval day to hour`."""
    if full.startswith("interval") and schema == "pg_catalog" and not full.endswith("]"):
        return full  # its modifier is in words
    modifier = re.search(r"\([^()\"]*\)", full)
    return spelt_type(schema, type_name) + (modifier.group() if modifier else "")


def quoted_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
