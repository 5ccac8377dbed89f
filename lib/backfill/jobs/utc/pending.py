"""Count rows: pending ones, which status and check show, and filled ones, for the picture of what
is pending among them. Read-only."""

from __future__ import annotations

import json
from collections.abc import Sequence

import psycopg
from psycopg import sql

from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.rows.columns import ColumnType, read_expression
from backfill.rows.spelt import condition
from backfill.server.pending import pending_filter, scope_condition
from backfill.server.postgres import Connection
from backfill.server.table import Table
from backfill.utc.described import Pair


def count_pending(
    connection: Connection, table: Table, members: Sequence[str] | None, *, skip_deleted: bool
) -> dict[str, int]:
    """Return the number of pending rows by household. Read-only."""
    with connection.transaction():
        connection.execute(
            "SELECT set_config('backfill.members', %s, true)",
            [json.dumps(list(members or []))],
        )
        rows = connection.execute(
            sql.SQL(
                "SELECT {scope}, count(*) FROM {table} AS t WHERE {filter}"
                " GROUP BY 1 HAVING count(*) > 0"
            ).format(
                scope=sql.SQL("t.{}::text").format(sql.Identifier(table.scope.name))
                if table.scope
                else sql.SQL("''::text"),
                table=table.relation.identifier,
                filter=pending_filter(table, members, skip_deleted=skip_deleted),
            )
        ).fetchall()
    return {str(scope or ""): int(count) for scope, count in rows}


def count_by_household(
    connection: Connection,
    table: Table,
    households: Sequence[str],
    members: Sequence[str] | None = None,
    *,
    skip_deleted: bool = False,
) -> dict[str, int]:
    """Return pending rows by household, sorted; those of `households` without any count 0."""
    pending = count_pending(connection, table, members, skip_deleted=skip_deleted)
    for household in households:
        pending.setdefault(household, 0)
    return dict(sorted(pending.items()))


def stored_member(
    connection: Connection, table: Table, member: str, listed: Sequence[str]
) -> str | None:
    """Return how the server spells a member that rows have, or that is `known`; else None.

    `007` is the number 7, and letters of a uuid have no case. Read-only.
    """
    scope = table.scope
    assert scope is not None
    text = sql.SQL("{}::pg_catalog.text").format(sql.Placeholder("member"))
    try:
        with connection.transaction():
            row = connection.execute(
                sql.SQL(
                    "SELECT {typed}::text, (SELECT t.{name}::text FROM {table} AS t WHERE {equal}"
                    " LIMIT 1)"
                ).format(
                    typed=scope.typed(text),
                    name=sql.Identifier(scope.name),
                    table=table.relation.identifier,
                    equal=scope.equals("t", text),
                ),
                {"member": member},
            ).fetchone()
    except psycopg.DataError:  # no value of the type
        return None
    assert row is not None
    spelt, stored = row
    if scope.type_name == 'pg_catalog."char"' and spelt != member:  # the one type that cuts off
        return None
    if stored is not None:
        return str(stored)
    return str(spelt) if spelt in listed else None


def known_households(connection: Connection, table: Table) -> list[str]:
    """Return the members of the scope that a lookup by the scope lists, sorted. Read-only."""
    if table.scope is None:
        return []
    own = ("", table.scope.name)
    by_scope = [j for j in table.joins if j.parts[0].by == own]
    if not by_scope or len(by_scope[0].parts) > 1 or by_scope[0].since is not None:
        return []
    rows = connection.execute(
        sql.SQL(
            "SELECT DISTINCT {key}::text FROM {table} WHERE {key} IS NOT NULL ORDER BY 1"
        ).format(
            key=sql.Identifier(by_scope[0].parts[0].key), table=by_scope[0].relation.identifier
        )
    ).fetchall()
    return [str(row[0]) for row in rows]


def count_filled(
    connection: Connection, zoned: ZonedTable, members: Sequence[str] | None
) -> list[tuple[str, int]]:
    """Return the number of filled rows by year of the first wall column, where it is a number.

    Read-only. Text columns and values beyond the calendar are left out.
    """
    table, pair = zoned.table, zoned.columns.pairs[0]
    where = condition(table.where) if table.where else sql.SQL("true")
    rows = connection.execute(
        sql.SQL(
            "SELECT extract(year FROM to_timestamp(us / 1000000))::int::text, count(*)"
            " FROM (SELECT {us} AS us FROM {table} AS t WHERE {scope} AND {where}"
            " AND t.{target} IS NOT NULL)"
            " AS filled WHERE us BETWEEN -62000000000000000 AND 253000000000000000 GROUP BY 1"
        ).format(
            us=_wall_micros(pair),
            table=table.relation.identifier,
            scope=scope_condition(table, members),
            where=where,
            target=sql.Identifier(pair.target.column.name),
        )
    ).fetchall()
    return [(str(year), int(count)) for year, count in rows]


def _wall_micros(pair: Pair) -> sql.Composable:
    """Return the SQL for a wall column in microseconds; NULL for text, which SQL need not read."""
    column = pair.walls[0]
    unit = pair.reading.unit
    if column.type is ColumnType.TEXT or pair.reading.form or unit.is_coarse or unit.zero_us:
        return sql.SQL("NULL::numeric")
    expression = read_expression(sql.Identifier("t", column.name), column.type)
    if column.type is not ColumnType.BIGINT:
        return sql.SQL("({})").format(expression)
    # numeric: a value far beyond any date must not overflow here.
    return sql.SQL("trunc({}::numeric * 1000000 / {})").format(
        expression, sql.Literal(pair.reading.unit.per_second)
    )
