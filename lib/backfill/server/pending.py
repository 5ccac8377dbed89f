"""Which rows of a table are pending, as SQL: they miss a value that they could have."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from backfill.rows.keys import KeyColumn
from backfill.rows.spelt import condition
from backfill.server.table import Table, Want

#: A sample of so many rows says what is to be expected of the others.
SAMPLE_ROWS = 5_000
_DECIMAL = 'pg_catalog."numeric"'


def pending_filter(
    table: Table, members: Sequence[str] | None, *, skip_deleted: bool, has_filled: bool = False
) -> sql.Composable:
    """Return the condition of a pending row; members are in the setting `backfill.members`.

    With `has_filled` rows that have their value already are meant as well.
    """
    wants = sql.SQL(" OR ").join(
        sql.SQL("({})").format(_wants(table, want, has_filled=has_filled)) for want in table.wants
    )
    conditions: list[sql.Composable] = [sql.SQL("({})").format(wants)]
    if members is not None and table.scope is not None:
        conditions.append(member_filter(table.scope))
    if table.where:
        conditions.append(condition(table.where))
    if skip_deleted and table.deleted:
        deleted = sql.Identifier(table.deleted)  # a moment, or a boolean
        conditions.append(sql.SQL("(t.{0} IS NULL OR t.{0}::text = 'false')").format(deleted))
    return sql.SQL(" AND ").join(conditions)


def _wants(table: Table, want: Want, *, has_filled: bool) -> sql.Composable:
    needed = [sql.SQL("t.{} IS NOT NULL").format(sql.Identifier(name)) for name in want.needs]
    if want.void:
        # Decimals are equal whatever zeros end them.
        types = {column.name: column.sql_type.name for column in table.sources}
        form = (
            "t.{}::text::numeric" if types.get(want.needs[0]) == _DECIMAL else "btrim(t.{}::text)"
        )
        needed.append(
            sql.SQL(form + " NOT IN ({})").format(
                sql.Identifier(want.needs[0]),
                sql.SQL(", ").join(sql.Literal(text) for text in want.void),
            )
        )
    if not has_filled:
        needed.append(sql.SQL("t.{} IS NULL").format(sql.Identifier(want.target)))
    return sql.SQL(" AND ").join(needed)


def member_filter(scope: KeyColumn) -> sql.Composable:
    """Return whether a row is of the members in the setting, compared in the scope's own type."""
    return sql.SQL(
        "EXISTS (SELECT FROM jsonb_array_elements_text("
        "current_setting('backfill.members')::jsonb) AS m(member) WHERE {})"
    ).format(scope.equals("t", sql.Identifier("m", "member")))


def scope_condition(table: Table, members: Sequence[str] | None) -> sql.Composable:
    if members is None or table.scope is None:
        return sql.SQL("true")
    return sql.SQL("t.{}::text = ANY ({})").format(
        sql.Identifier(table.scope.name), sql.Literal(list(members))
    )
