"""Values of other tables for the rows of ours, as SQL: joined when read, looked up when written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from psycopg import sql

from backfill.server.table import CONSTANT, Join, LookedUp, Table


class Joined(Protocol):
    """A table whose values are looked up by joins."""

    def join(self, name: str) -> Join: ...


def join_clauses(table: Table) -> sql.Composable:
    """Return the LEFT JOINs onto `t` that find each joined row; they never double one of ours."""
    return sql.SQL("").join([_clause(table, join) for join in table.joins])


def looked_up_value(value: LookedUp) -> sql.Composable:
    """Return the SQL for a value of a joined row, next to `join_clauses`."""
    if not value.join:
        return value.picked(sql.Identifier("t", value.column))
    return value.picked(sql.Identifier(value.join, f"{value.join}.{value.column}"))


def value_now(table: Joined, value: LookedUp) -> sql.Composable:
    """Return the SQL that looks a value up for the row `t`, wherever `t` is known.

    A key that has become double since is an error there: no value is picked at will.
    """
    if not value.join:
        return value.picked(sql.Identifier("t", value.column))
    return value.picked(_scalar(table, table.join(value.join), value.column))


def _scalar(table: Joined, join: Join, column: str) -> sql.Composable:
    values = [_value(table, part.by) for part in join.parts]
    return sql.SQL("(SELECT l.{} FROM {} AS l WHERE {}{})").format(
        sql.Identifier(column),
        join.relation.identifier,
        _equal(join, values),
        _since(join),
    )


def _value(table: Joined, by: tuple[str, str]) -> sql.Composable:
    owner, name = by
    if owner in ("", CONSTANT):
        return _joined_value(by)
    return _scalar(table, table.join(owner), name)


def _joined_value(by: tuple[str, str]) -> sql.Composable:
    """Return the same next to `join_clauses`."""
    owner, name = by
    if owner == CONSTANT:
        return sql.SQL("{}::text").format(sql.Literal(name))
    return sql.Identifier(owner, f"{owner}.{name}") if owner else sql.Identifier("t", name)


def _clause(table: Table, join: Join) -> sql.Composable:
    values = [_joined_value(part.by) for part in join.parts]
    columns = list(table.looked_up_columns(join))
    # Names that no condition of the user's can mean by accident.
    listed = sql.SQL(", ").join(
        sql.SQL("l.{} AS {}").format(sql.Identifier(c), sql.Identifier(f"{join.name}.{c}"))
        for c in columns
    )
    if join.since is None:
        keys = [f"{join.name} key {place}" for place in range(len(join.parts))]
        plain = [sql.Identifier("l", part.key) for part in join.parts]
        # Where no index keeps the key unique, nothing may double our rows all the same.
        once = sql.SQL("" if join.is_unique else "DISTINCT ON ({}) ").format(
            sql.SQL(", ").join(plain)
        )
        named = zip(plain, keys, strict=True)
        return sql.SQL(
            " LEFT JOIN (SELECT {once}{listed}, {keys} FROM {relation} AS l) AS {name} ON {matches}"
        ).format(
            once=once,
            listed=listed,
            keys=sql.SQL(", ").join(
                sql.SQL("{} AS {}").format(column, sql.Identifier(key)) for column, key in named
            ),
            relation=join.relation.identifier,
            name=sql.Identifier(join.name),
            matches=_matching(join, [sql.Identifier(join.name, key) for key in keys], values),
        )
    return sql.SQL(" LEFT JOIN LATERAL (SELECT {} FROM {} AS l WHERE {}{}) AS {} ON true").format(
        listed,
        join.relation.identifier,
        _equal(join, values),
        _since(join),
        sql.Identifier(join.name),
    )


def is_found(join: Join) -> sql.Composable:
    """Return whether the row `l` of a joined table is the one that the row `t` names itself."""
    return _equal(join, [_joined_value(part.by) for part in join.parts])


def _equal(join: Join, values: Sequence[sql.Composable]) -> sql.Composable:
    return _matching(join, [sql.Identifier("l", part.key) for part in join.parts], values)


def _matching(
    join: Join, keys: Sequence[sql.Composable], values: Sequence[sql.Composable]
) -> sql.Composable:
    parts = zip(join.parts, keys, values, strict=True)
    return sql.SQL(" AND ").join(part.matches(key, value) for part, key, value in parts)


def _since(join: Join) -> sql.Composable:
    """Of the rows that count at the row's moment, the one that began last."""
    if join.since is None:
        return sql.SQL("")
    return sql.SQL(" AND {} ORDER BY {} DESC LIMIT 1").format(
        join.since.counts("l", "t"), join.since.begins("l")
    )
