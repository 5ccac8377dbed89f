"""The rows of a chunk as columns of a statement: arrays that it unpacks into a list `v`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
from psycopg import sql

from backfill.rows.binary_array import PackedColumn, pack
from backfill.rows.columns import ColumnType, array_cast
from backfill.rows.values import field_of
from backfill.server.table import Table

#: What the columns of `v` begin with, by the side of a change that they come from.
PREFIXES = {"source": "s", "before": "b", "after": "a"}


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


def packed_columns(
    table: Table, changes: pa.Table, sides: Sequence[str] = ("before", "after")
) -> PackedColumns:
    """Return changes as columns to send: keys, sources, of the targets the `sides` asked for."""
    columns: dict[str, PackedColumn] = {}
    casts: dict[str, ColumnType] = {}

    def add(name: str, values: pa.Array | pa.ChunkedArray, kind: ColumnType) -> None:
        columns[name], casts[name] = pack(values, kind), kind

    for index, texts in enumerate(table.key.split(changes.column("key"))):
        add(f"k{index}", texts, ColumnType.TEXT)
    for side in ("source", *sides):
        described = table.sources if side == "source" else table.targets
        for index, column in enumerate(described):
            add(f"{PREFIXES[side]}{index}", field_of(changes, side, column.name), column.type)
    used = []
    for index, value in enumerate(table.looked_up):
        # NULL stands where a row did not need one.
        texts = field_of(changes, "source", value.field)
        if texts.null_count < len(texts):
            add(f"z{index}", texts, ColumnType.TEXT)
            used.append(index)
    return PackedColumns(columns, casts, tuple(used))
