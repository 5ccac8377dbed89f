"""The rows of a chunk as columns of a statement: arrays that it unpacks into a list `v`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, LiteralString

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
        return self._unnested(" WITH ORDINALITY AS v({}, ord)")

    @cached_property
    def _bare(self) -> sql.Composable:
        return self._unnested(" AS v({})")

    def _unnested(self, named: LiteralString) -> sql.Composable:
        arrays = [sql.Placeholder(n) + array_cast(kind) for n, kind in self.kinds.items()]
        names = map(sql.Identifier, self.columns)
        joined = (sql.SQL(", ").join(parts) for parts in (arrays, names))
        return sql.SQL("unnest({})").format(next(joined)) + sql.SQL(named).format(next(joined))
