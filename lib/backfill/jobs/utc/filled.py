"""Count filled rows, for the picture of what is pending among them. Read-only."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from backfill.jobs.utc.sample import scope_condition
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.rows.columns import ColumnType, read_expression
from backfill.server.postgres import Connection
from backfill.utc.described import Pair


def count_filled(
    connection: Connection, zoned: ZonedTable, members: Sequence[str] | None
) -> list[tuple[str, int]]:
    """Return the number of filled rows by year of the first wall column, where it is a number.

    Read-only. Text columns and values beyond the calendar are left out.
    """
    table, pair = zoned.table, zoned.columns.pairs[0]
    where = sql.SQL("({})").format(sql.SQL(table.where)) if table.where else sql.SQL("true")
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
