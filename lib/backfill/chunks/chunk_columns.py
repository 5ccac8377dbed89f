"""The rows of a chunk as columns of a statement: arrays that it unpacks into a list `v`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from psycopg import sql

from backfill.rows.binary_array import PackedColumn
from backfill.rows.columns import ColumnType, array_cast


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of a chunk as SQL: a VALUES-like list `v`, and the parameters for it.

    In `source` each row has its number, `v.ord` from 1; in `bare` it has none, which costs less.
    """

    source: sql.Composable
    bare: sql.Composable
    parameters: dict[str, Any]
    looked_up: tuple[int, ...]  # the values of other tables that decided on some row


@dataclass(frozen=True)
class PackedColumns:
    """The rows of several chunks: columns by name, how each travels, and what was looked up."""

    columns: Mapping[str, PackedColumn]
    kinds: Mapping[str, ColumnType]
    looked_up: tuple[int, ...]

    def batch(self, first: int, rows: int) -> Batch:
        """Return rows that stand together as the rows of one chunk."""
        pieces = {name: column.piece(first, rows) for name, column in self.columns.items()}
        return Batch(self._source, self._bare, pieces, self.looked_up)

    @cached_property
    def _source(self) -> sql.Composable:
        columns = map(sql.Identifier, self.columns)
        return sql.SQL("unnest({}) WITH ORDINALITY AS v({}, ord)").format(
            sql.SQL(", ").join(self._arrays), sql.SQL(", ").join(columns)
        )

    @cached_property
    def _bare(self) -> sql.Composable:
        # In step, row by row; as one function the server first keeps all rows, for 4 % more time.
        unpacked = (
            sql.SQL("unnest({}) AS {}").format(array, sql.Identifier(name))
            for array, name in zip(self._arrays, self.columns, strict=True)
        )
        return sql.SQL("(SELECT {}) AS v").format(sql.SQL(", ").join(unpacked))

    @property
    def _arrays(self) -> list[sql.Composable]:
        return [sql.Placeholder(n) + array_cast(kind) for n, kind in self.kinds.items()]
