"""Count rows: pending ones, which status and check show, and filled ones, for the picture of what
is pending among them. Read-only."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from backfill.errors import BackfillError, PreflightError, first_line
from backfill.jobs.entry import PendingCounts
from backfill.jobs.utc.members import known_households
from backfill.jobs.utc.resolve import resolve_table
from backfill.jobs.utc.spec_file import load_spec
from backfill.jobs.utc.table_spec import EVENTS
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.rows.spelt import condition
from backfill.server.catalog import hidden_rows
from backfill.server.pending import pending_filter, scope_condition
from backfill.server.postgres import Connection
from backfill.server.table import Table
from backfill.utc.described import Target


def count_pending(
    connection: Connection, table: Table, members: Sequence[str] | None, *, skip_deleted: bool
) -> dict[str, int]:
    """Return the number of pending rows by household. Read-only."""
    with connection.transaction():
        connection.execute(
            "SELECT set_config('backfill.members', %s, true)",
            [json.dumps(list(members or []), ensure_ascii=False)],
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


def pending_of(table: str) -> Callable[[Connection], PendingCounts]:
    """Return what counts the pending rows of the table that a file describes. Read-only."""
    spec = load_spec(Path(table)) if table else EVENTS

    def count(connection: Connection) -> PendingCounts:
        try:
            found = resolve_table(connection, spec).table
            counts = count_by_household(connection, found, known_households(connection, found))
            return PendingCounts(counts, hidden_rows(connection, found.relations))
        except (BackfillError, psycopg.Error) as error:
            other = "" if table else " Of another table than events: status --table FILE."
            raise PreflightError(first_line(error) + other) from error

    return count


def count_filled(
    connection: Connection, zoned: ZonedTable, members: Sequence[str] | None
) -> list[tuple[str, int]]:
    """Return the number of filled rows by the year in UTC of the first target. Read-only.

    What is no instant, or beyond the calendar, is left out.
    """
    table, target = zoned.table, zoned.columns.pairs[0].target
    where = condition(table.where) if table.where else sql.SQL("true")
    rows = connection.execute(
        sql.SQL(
            "SELECT year::int::text, count(*) FROM (SELECT {year} AS year FROM {table} AS t"
            " WHERE {scope} AND {where}) AS filled WHERE year BETWEEN 1 AND 9999 GROUP BY year"
        ).format(
            year=_year_of(target),
            table=table.relation.identifier,
            scope=scope_condition(table, members),
            where=where,
        )
    ).fetchall()
    return [(str(year), int(count)) for year, count in rows]


def _year_of(target: Target) -> sql.Composable:
    column = sql.Identifier("t", target.column.name)
    if target.is_text:
        return sql.SQL("substring({}::text from {})::int").format(column, r"^\s*(\d{4})-?\d")
    if not target.is_number:
        return sql.SQL("CASE WHEN isfinite({0}) THEN extract(year FROM {0}) END").format(column)
    per_second = target.unit.per_second
    return sql.SQL(
        "CASE WHEN {0} BETWEEN {1} AND {2}"
        " THEN extract(year FROM to_timestamp(({0} / {3}::numeric)::float8)) END"
    ).format(column, -62_135_596_800 * per_second, 253_402_300_799 * per_second, per_second)
