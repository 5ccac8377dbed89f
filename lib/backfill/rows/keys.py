"""Keys of the tables we meet: one column or several, of any type that has an order.

Outside the database a key is text: the column's own text, or a JSON list of texts when the key
has several columns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from backfill.errors import PreflightError

if TYPE_CHECKING:  # `status` need not wait for it
    import pyarrow as pa

_TYPE_NAME = re.compile(r'[A-Za-z_][\w $]*|("[^"]+"|\w+)(\.("[^"]+"|\w+))?')


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of the key, with its type as PostgreSQL spells it (`uuid`, `bigint`, …)."""

    name: str
    type_name: str

    def __post_init__(self) -> None:
        # It is spelt out in casts; a ledger row that somebody edited must not become SQL.
        if not _TYPE_NAME.fullmatch(self.type_name):
            raise PreflightError(f"{self.type_name!r} is not the name of a type.")


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
        parts = sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier(alias, column.name))
            for column in self.columns
        )
        return sql.SQL("jsonb_build_array({})::text").format(parts)

    def identifiers(self, alias: str) -> sql.Composable:
        """Return the key's columns for ORDER BY and row comparison."""
        return sql.SQL(", ").join(sql.Identifier(alias, column.name) for column in self.columns)

    def split(self, texts: pa.Array | pa.ChunkedArray) -> list[list[str]]:
        """Return one list of texts per key column, in the order of the rows."""
        values = texts.to_pylist()
        if not self.is_composite:
            return [values]
        rows = [json.loads(value) for value in values]
        return [[row[index] for row in rows] for index in range(len(self.columns))]

    def parse(self, text: str) -> Sequence[str]:
        """Return the text of each key column of one key."""
        return list(json.loads(text)) if self.is_composite else [text]
