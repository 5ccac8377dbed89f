"""Count pending and filled rows: what status, check and the picture show. Read-only."""

from __future__ import annotations

import json
from collections.abc import Sequence

from psycopg import sql

from backfill.extract import pending_filter
from backfill.jobs.utc.encoding_check import scope_condition, wall_micros
from backfill.postgres import Connection
from backfill.table import Table
from backfill.utc.pairs import Columns


def count_pending(
    connection: Connection, table: Table, members: Sequence[str] | None, *, skip_deleted: bool
) -> dict[str, int]:
    """Return the number of pending rows by household. Read-only."""
    with connection.transaction():
        connection.execute(
            "SELECT set_config('backfill.members', %s, true)",
            [_json_list(members)],
        )
        rows = connection.execute(
            sql.SQL(
                "SELECT t.{scope}::text, count(*) FROM {table} AS t WHERE {filter} GROUP BY 1"
            ).format(
                scope=sql.Identifier(table.scope.name),
                table=table.relation.identifier,
                filter=pending_filter(table, members, skip_deleted=skip_deleted),
            )
        ).fetchall()
    return {str(scope or ""): int(count) for scope, count in rows}


def _json_list(members: Sequence[str] | None) -> str:
    return json.dumps(list(members or []))


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
