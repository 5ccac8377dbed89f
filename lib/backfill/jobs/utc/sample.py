"""A sample of a table's rows over its whole key range, as extract would read them. Read-only."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from psycopg import sql

from backfill.plans.extract import row_columns, shaped
from backfill.rows.columns import Column
from backfill.rows.spelt import condition as as_condition
from backfill.server.joins import join_clauses
from backfill.server.pending import SAMPLE_ROWS, scope_condition
from backfill.server.postgres import Connection, scalar
from backfill.server.rights import columns_read
from backfill.server.table import Table

#: Of a table of more bytes a share of its pages is looked at.
WHOLE_BYTES = 32 * 2**20
#: Fewer rows than these tell little: then all pages are looked at, up to as many.
FEW_ROWS = 50


def sample_filled(connection: Connection, table: Table, members: Sequence[str] | None) -> pa.Table:
    """Return rows that have a target filled, and what it is computed from."""
    filled = sql.SQL(" OR ").join(
        sql.SQL("(t.{} IS NOT NULL AND t.{} IS NOT NULL)").format(
            sql.Identifier(want.target), sql.Identifier(want.needs[0])
        )
        for want in table.wants
    )
    return _sample(connection, table, filled, members)


def sample_rows(connection: Connection, table: Table, members: Sequence[str] | None) -> pa.Table:
    """Return rows that have what some target is computed from."""
    there = sql.SQL(" OR ").join(
        sql.SQL("t.{} IS NOT NULL").format(sql.Identifier(name))
        for name in dict.fromkeys(want.needs[0] for want in table.wants)
    )
    return _sample(connection, table, there, members)


def _sample(
    connection: Connection, table: Table, condition: sql.Composable, members: Sequence[str] | None
) -> pa.Table:
    size = _bytes_of(connection, table)
    if size <= WHOLE_BYTES:
        return _read(connection, table, condition, members, sql.SQL(""), is_ordered=True)
    share = sql.SQL(" TABLESAMPLE SYSTEM ({}) REPEATABLE (7)").format(
        sql.Literal(100.0 * WHOLE_BYTES / size)
    )
    rows = _read(connection, table, condition, members, share, is_ordered=True)
    if rows.num_rows >= FEW_ROWS:
        return rows
    return _read(connection, table, condition, members, sql.SQL(""), is_ordered=False)


def _bytes_of(connection: Connection, table: Table) -> int:
    return int(
        scalar(
            connection,
            "SELECT pg_relation_size(c.oid) + coalesce((SELECT sum(pg_relation_size(p.relid))"
            " FROM pg_partition_tree(c.oid) AS p WHERE p.relid <> c.oid), 0)"
            " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relname = %s",
            table.relation.schema,
            table.relation.name,
        )
        or 0
    )


def _read(
    connection: Connection,
    table: Table,
    condition: sql.Composable,
    members: Sequence[str] | None,
    share: sql.Composable,
    *,
    is_ordered: bool,
) -> pa.Table:
    where = as_condition(table.where) if table.where else sql.SQL("true")
    # A hash of the key: the same rows each time, from everywhere.
    by_hash = sql.SQL(" ORDER BY md5({})").format(table.key.text_expression("t"))
    query = sql.SQL(
        "SELECT {columns} FROM (SELECT {read} FROM {relation} AS t{share}"
        " WHERE ({condition}) AND {members} AND {where}{order} LIMIT {rows}) AS t{joins}"
    ).format(
        columns=sql.SQL(", ").join(row_columns(table)),
        # No more than the role may read.
        read=sql.SQL(", ").join(
            sql.Identifier("t", name) for name in columns_read(table)[table.relation]
        ),
        relation=table.relation.identifier,
        share=share,
        condition=condition,
        members=scope_condition(table, members),
        where=where,
        order=by_hash if is_ordered else sql.SQL(""),
        rows=sql.Literal(SAMPLE_ROWS),
        joins=join_clauses(table),
    )
    rows = connection.execute(query).fetchall()
    types = [pa.string(), pa.string(), *map(_travels, (*table.source_fields, *table.targets))]
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    return shaped(
        table, [pa.chunked_array([v], kind) for v, kind in zip(columns, types, strict=True)]
    )


def _travels(column: Column) -> pa.DataType:
    return pa.int64() if column.type.is_number else pa.string()
