"""What a table looks like: columns, key, references and a sample of texts. Read-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from backfill.server.catalog import best_key, find_relation
from backfill.server.catalog_columns import CatalogColumn, columns_of, unique_keys
from backfill.server.postgres import Connection
from backfill.server.table import Relation

SAMPLE_ROWS = 1_000
#: Letters of a value that are read: enough to know what it is, a document may have millions.
SAMPLE_LETTERS = 120
HOPS = 2
#: How many tables beside ours are looked at that refer to what ours refers to.
SIBLINGS = 20
_NO_SAMPLE = ("bytea", "json", "jsonb", "xml", "tsvector", "boolean")


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key to another table; `parts` pair each of its columns with the other table's."""

    other: Relation
    parts: tuple[tuple[str, str], ...]

    @property
    def column(self) -> str:
        """The first of its columns, after which it is called."""
        return self.parts[0][0]


@dataclass(frozen=True, slots=True)
class TableLook:
    """A table as the catalog and a sample show it; `samples` are texts by column, without NULLs."""

    relation: Relation
    columns: Mapping[str, CatalogColumn]
    key: tuple[str, ...]
    is_primary: bool
    samples: Mapping[str, tuple[str, ...]]
    references: tuple[Reference, ...] = ()
    within: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of JSON, by path
    uniques: tuple[frozenset[str], ...] = ()  # columns that tell its rows apart
    #: Tables that refer to what it refers to, by the columns of both: a person's settings.
    siblings: tuple[Reference, ...] = ()
    #: Columns of other tables of its schema, as (table, column): foreign keys may be missing.
    beside: tuple[tuple[str, str], ...] = ()


def look_at(connection: Connection, name: str) -> tuple[TableLook, dict[Relation, TableLook]]:
    """Return the table of that name, and the tables that it refers to, and those of these; also
    those that refer to the same ones."""
    look = _look(connection, find_relation(connection, name))
    others: dict[Relation, TableLook] = {}
    waiting = [reference.other for reference in look.references]
    for _hop in range(HOPS):
        for other in dict.fromkeys(waiting):
            if other not in others:
                others[other] = _look(connection, other)
        waiting = [r.other for other in list(others.values()) for r in other.references]
    siblings = [sibling for own in look.references for sibling in _siblings(connection, look, own)]
    siblings = [sibling for sibling in siblings if sibling.other not in others][:SIBLINGS]
    for sibling in siblings:
        others[sibling.other] = _look(connection, sibling.other)
    beside = _beside(connection, look.relation)
    return replace(look, siblings=tuple(siblings), beside=beside), others


def _beside(connection: Connection, relation: Relation) -> tuple[tuple[str, str], ...]:
    rows = connection.execute(
        "SELECT t.relname::text, a.attname::text FROM pg_class t"
        " JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_attribute a ON a.attrelid = t.oid"
        " WHERE n.nspname = %s AND t.relname <> %s AND t.relkind IN ('r', 'p', 'f', 'v', 'm')"
        " AND NOT t.relispartition AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, a.attnum",
        [relation.schema, relation.name],
    ).fetchall()
    return tuple((str(table), str(column)) for table, column in rows)


def _siblings(connection: Connection, look: TableLook, own: Reference) -> list[Reference]:
    """Return the tables that refer to the same rows of a table, by our columns and theirs."""
    rows = connection.execute(
        "SELECT n.nspname::text, t.relname::text FROM pg_constraint c"
        " JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace"
        " WHERE c.contype = 'f' AND NOT t.relispartition"
        " AND c.confrelid = format('%%I.%%I', %s::text, %s::text)::regclass"
        " GROUP BY 1, 2 ORDER BY 1, 2",
        [own.other.schema, own.other.name],
    ).fetchall()
    ours = {theirs: name for name, theirs in own.parts}
    siblings = []
    for relation in (Relation(*row) for row in rows):
        for reference in _references(connection, relation) if relation != look.relation else ():
            pairs = [(ours.get(theirs, ""), name) for name, theirs in reference.parts]
            if reference.other == own.other and {name for name, _ in pairs} == {*ours.values()}:
                siblings.append(Reference(relation, tuple(pairs)))
    return siblings


def _look(connection: Connection, relation: Relation) -> TableLook:
    columns = columns_of(connection, relation)
    key = best_key(connection, relation)
    samples = {
        name: _sample(connection, relation, name)
        for name, column in columns.items()
        if column.plain_type not in _NO_SAMPLE
    }
    references = _references(connection, relation)
    within: dict[str, tuple[str, ...]] = {}
    for name, column in columns.items():
        if column.plain_type in ("json", "jsonb"):
            within |= _sample_within(connection, relation, name)
    uniques = tuple(frozenset(unique.columns) for unique in unique_keys(connection, relation))
    return TableLook(
        relation, columns, key.columns, key.is_primary, samples, references, within, uniques
    )


def _sample_within(
    connection: Connection, relation: Relation, column: str
) -> dict[str, tuple[str, ...]]:
    """Return short texts of JSON objects by the path that leads to them."""
    query = sql.SQL(
        "WITH sampled AS (SELECT {column}::jsonb AS o FROM {table}"
        " WHERE {column} IS NOT NULL LIMIT {rows}), parts AS (SELECT e.key, e.value FROM sampled"
        " CROSS JOIN LATERAL jsonb_each(CASE WHEN jsonb_typeof(o) = 'object' THEN o"
        " ELSE '{{}}' END) AS e)"
        " SELECT path, array_agg(DISTINCT value) FROM ("
        " SELECT ARRAY[key] AS path, value #>> '{{}}' AS value FROM parts"
        " UNION ALL SELECT ARRAY[p.key, e.key], e.value FROM parts AS p CROSS JOIN LATERAL"
        " jsonb_each_text(CASE WHEN jsonb_typeof(p.value) = 'object' THEN p.value"
        " ELSE '{{}}' END) AS e) AS found"
        " WHERE length(value) BETWEEN 1 AND 60 GROUP BY path ORDER BY cardinality(path), path"
        " LIMIT 100"
    ).format(
        column=sql.Identifier(column), table=relation.identifier, rows=sql.Literal(SAMPLE_ROWS)
    )
    rows = _seen(connection, query)
    return {_path_to(column, path): tuple(map(str, values)) for path, values in rows}


def _seen(connection: Connection, query: sql.Composed) -> list[TupleRow]:
    """Return what a query gives; nothing of what this role may not see: names have to do then."""
    try:
        return connection.execute(query).fetchall()
    except psycopg.errors.InsufficientPrivilege:
        return []


def _path_to(column: str, path: Sequence[str]) -> str:
    """Return a way into JSON as people write it: settings->'size'->>'unit'."""
    *above, last = (key.replace("'", "''") for key in path)
    return "".join([column, *(f"->'{key}'" for key in above), f"->>'{last}'"])


def _sample(connection: Connection, relation: Relation, column: str) -> tuple[str, ...]:
    query = sql.SQL(
        "SELECT DISTINCT left({column}::text, {letters}) FROM (SELECT {column} FROM {table}"
        " WHERE {column} IS NOT NULL LIMIT {rows}) AS sampled ORDER BY 1"
    ).format(
        column=sql.Identifier(column),
        table=relation.identifier,
        rows=sql.Literal(SAMPLE_ROWS),
        letters=sql.Literal(SAMPLE_LETTERS),
    )
    return tuple(str(row[0]) for row in _seen(connection, query))


def _references(connection: Connection, relation: Relation) -> tuple[Reference, ...]:
    rows = connection.execute(
        "SELECT array_agg(a.attname::text ORDER BY k.place), n.nspname::text, t.relname::text,"
        " array_agg(b.attname::text ORDER BY k.place)"
        " FROM pg_constraint c"
        " CROSS JOIN LATERAL unnest(c.conkey, c.confkey) WITH ORDINALITY AS k(own, other, place)"
        " JOIN pg_class t ON t.oid = c.confrelid JOIN pg_namespace n ON n.oid = t.relnamespace"
        " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.own"
        " JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.other"
        " WHERE c.contype = 'f'"
        " AND c.conrelid = format('%%I.%%I', %s::text, %s::text)::regclass"
        " GROUP BY c.oid, c.conname, n.nspname, t.relname ORDER BY c.conname",
        [relation.schema, relation.name],
    ).fetchall()
    return tuple(
        Reference(Relation(*named), tuple(zip(own, other, strict=True)))
        for own, *named, other in rows
    )
