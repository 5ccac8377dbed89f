"""Which rows of a table are pending, as SQL: they miss a value that they could have."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from backfill.server.table import Table


def pending_filter(
    table: Table, members: Sequence[str] | None, *, skip_deleted: bool
) -> sql.Composable:
    """Return the condition of a pending row; members are in the setting `backfill.members`."""
    pending = sql.SQL(" OR ").join(
        sql.SQL("(t.{} IS NOT NULL AND t.{} IS NULL)").format(
            sql.Identifier(wall.name), sql.Identifier(target.name)
        )
        for wall, target in zip(table.walls, table.targets, strict=True)
    )
    conditions: list[sql.Composable] = [sql.SQL("({})").format(pending)]
    if members is not None:
        conditions.append(member_filter(table))
    if skip_deleted and table.deleted:
        conditions.append(sql.SQL("t.{} IS NULL").format(sql.Identifier(table.deleted)))
    return sql.SQL(" AND ").join(conditions)


def member_filter(table: Table) -> sql.Composable:
    """Return whether a row is of the members in the setting, compared in the scope's own type."""
    return sql.SQL(
        "EXISTS (SELECT FROM jsonb_array_elements_text("
        "current_setting('backfill.members')::jsonb) AS m(member) WHERE {})"
    ).format(table.scope.equals("t", sql.Identifier("m", "member")))
