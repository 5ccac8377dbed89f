"""Count filled rows, for the picture of what is pending among them. Read-only."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from backfill.jobs.utc.encoding_check import scope_condition, wall_micros
from backfill.server.postgres import Connection
from backfill.server.table import Table
from backfill.utc.pairs import Columns


def count_filled(
    connection: Connection, table: Table, columns: Columns, members: Sequence[str] | None
) -> list[tuple[str, int]]:
    """Return the number of filled rows by year of the first wall column, where it is a number.

    Read-only. Text columns and values beyond the calendar are left out.
    """
    wall = columns.walls[0]
    rows = connection.execute(
        sql.SQL(
            "SELECT extract(year FROM to_timestamp(us / 1000000))::int::text, count(*)"
            " FROM (SELECT {us} AS us FROM {table} AS t WHERE {scope} AND t.{target} IS NOT NULL)"
            " AS filled WHERE us BETWEEN -62000000000000000 AND 253000000000000000 GROUP BY 1"
        ).format(
            us=wall_micros(wall, columns.encodings[0]),
            table=table.relation.identifier,
            scope=scope_condition(table, members),
            target=sql.Identifier(columns.targets[0].name),
        ),
        {"members": list(members or [])},
    ).fetchall()
    return [(str(year), int(count)) for year, count in rows]
