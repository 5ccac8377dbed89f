"""Names and texts inside of SQL whose percent signs are no places of values.

The driver looks for `%s` in the whole text of a statement that has values, in quoted names as well.
Sessions of ours pass every composed statement through `escaped` when there are any.
"""

from __future__ import annotations

from psycopg import sql


class Spelt(sql.SQL):
    """SQL that somebody else spelt out: a condition, a type. Nothing is filled in."""


def condition(text: str) -> sql.Composable:
    """Return a condition in brackets; a comment at its end does not reach beyond it."""
    return sql.Composed([sql.SQL("("), Spelt(text), sql.SQL("\n)")])


def escaped(query: sql.Composable) -> sql.Composable:
    """Return a statement with the percent signs doubled that stand in names and texts."""
    if isinstance(query, sql.Composed):
        return sql.Composed([escaped(part) for part in query])
    if isinstance(query, sql.Identifier | sql.Literal | Spelt):
        text = query.as_string(None)
        if "%" in text:
            return Spelt(text.replace("%", "%%"))
    return query
