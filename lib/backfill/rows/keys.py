"""Keys of the tables we meet: one column or several, of any type that has an order.

Outside the database a key is text: the column's own text, or a JSON list of texts when the key
has several columns. Back at the server it is compared in the column's own type, by the operators
that its index is made of.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from backfill.rows.columns import SqlType

if TYPE_CHECKING:  # `status` need not wait for it
    import pyarrow as pa


def spellings(key: str) -> list[str]:
    """Return the texts that a person may mean by a key, likeliest first: what was said, a JSON list
    of texts in the server's spacing, and `a,b` for a key of several columns.
    """
    try:
        said = json.loads(key)
    except ValueError:
        said = None
    is_list = isinstance(said, list)
    parts = [str(part) for part in said] if is_list else [p.strip() for p in key.split(",")]
    composite = [json.dumps(parts, ensure_ascii=False)] if len(parts) > 1 else []
    return list(dict.fromkeys([key, *composite]))


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of the key, or the scope's; `type_name` as SQL (`pg_catalog.uuid`, `bigint`).

    `operators` is the schema of the type's comparison operators, empty for pg_catalog.
    """

    name: str
    type_name: str
    operators: str = ""

    def __post_init__(self) -> None:
        assert self.sql_type.name == self.type_name  # or it has raised `PreflightError`

    @property
    def sql_type(self) -> SqlType:
        return SqlType(self.type_name, operators=self.operators)

    def typed(self, text: sql.Composable) -> sql.Composed:
        """Return a key's text in the column's type; longer than the column is not cut off."""
        return self.sql_type.cast(text)

    def equals(self, alias: str, text: sql.Composable) -> sql.Composed:
        """Return whether the column of a row is the one that a text stands for."""
        column = sql.Identifier(alias, self.name)
        return self.sql_type.compared(column, "=", self.typed(text))


@dataclass(frozen=True, slots=True)
class Key:
    """The columns by which a row is found and by which the table is walked."""

    columns: tuple[KeyColumn, ...]

    @property
    def is_composite(self) -> bool:
        return len(self.columns) > 1

    def text_expression(self, alias: str) -> sql.Composable:
        """Return the SQL for a row's key as text."""
        if not self.is_composite:
            return sql.SQL("{}::text").format(sql.Identifier(alias, self.columns[0].name))
        return sql.SQL("jsonb_build_array({})::text").format(self.texts(alias))

    def texts(self, alias: str) -> sql.Composable:
        """Return the SQL for the text of each key column of a row."""
        return sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier(alias, column.name))
            for column in self.columns
        )

    def identifiers(self, alias: str) -> sql.Composable:
        return sql.SQL(", ").join(sql.Identifier(alias, column.name) for column in self.columns)

    def descending(self, alias: str) -> sql.Composable:
        """Return the key's columns for ORDER BY, the last key first."""
        return sql.SQL(", ").join(
            sql.SQL("{} DESC").format(sql.Identifier(alias, column.name)) for column in self.columns
        )

    def equals(self, alias: str, texts: Sequence[sql.Composable]) -> sql.Composable:
        """Return whether a row has the key that the texts stand for."""
        return sql.SQL(" AND ").join(
            column.equals(alias, text) for column, text in zip(self.columns, texts, strict=True)
        )

    def compared(
        self, alias: str, operator: str, texts: Sequence[sql.Composable]
    ) -> sql.Composable:
        """Return whether a row's key is `<`, `<=` or `>` the one that the texts stand for."""
        values = [c.typed(text) for c, text in zip(self.columns, texts, strict=True)]
        if not any(column.operators for column in self.columns):
            return sql.SQL("({}) {} ({})").format(
                self.identifiers(alias), sql.SQL(operator), sql.SQL(", ").join(values)
            )
        # A row comparison takes each operator from one schema only: spelt out, the first column
        # alone once more, for its index.
        first = self.columns[0]
        around = first.sql_type.compared(
            sql.Identifier(alias, first.name), operator[0] + "=", values[0]
        )
        nested = self._nested(alias, operator, values)
        return sql.SQL("({} AND {})").format(around, nested)

    def _nested(
        self, alias: str, operator: str, values: Sequence[sql.Composable]
    ) -> sql.Composable:
        condition: sql.Composable | None = None
        for column, value in reversed(list(zip(self.columns, values, strict=True))):
            name, kind = sql.Identifier(alias, column.name), column.sql_type
            if condition is None:
                condition = kind.compared(name, operator, value)
                continue
            condition = sql.SQL("({} OR ({} AND {}))").format(
                kind.compared(name, operator[0], value),
                kind.compared(name, "=", value),
                condition,
            )
        assert condition is not None
        return condition

    def split(self, texts: pa.Array | pa.ChunkedArray) -> list[pa.Array | pa.ChunkedArray]:
        """Return the texts of each key column, in the order of the rows."""
        if not self.is_composite:
            return [texts]
        import pyarrow as pa

        rows = [json.loads(text) for text in texts.to_pylist()]
        places = range(len(self.columns))
        return [pa.array([row[place] for row in rows], pa.string()) for place in places]

    def parse(self, text: str) -> Sequence[str]:
        """Return the text of each key column of one key."""
        return list(json.loads(text)) if self.is_composite else [text]
