"""Write a chunk's rows only where they still are as they were read.

One statement updates the chunk: every row is found by its key and compared with its before-image,
which is the target columns and every column that the new value was computed from, the default
zone of its scope included. What does not match is looked at again: it is either as planned
already, or drifted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from backfill.chunks.writing import ChunkUpdate, RefusedRow, Written, image_of
from backfill.rows.binary_array import pack, pack_texts, register
from backfill.rows.columns import Column, ColumnType, array_cast
from backfill.server.postgres import Connection
from backfill.server.row_types import lookup_field
from backfill.server.table import Table
from backfill.skips import Skip, SkipReason

#: What the columns of `v` begin with, by the side of a change that they come from.
_PREFIXES = {"source": "s", "before": "b", "after": "a"}


@dataclass(frozen=True, slots=True)
class _Batch:
    """The rows of a chunk as SQL: a VALUES-like list `v`, and the parameters for it."""

    source: sql.Composable
    parameters: dict[str, Any]
    has_lookup: bool


class TableWriter:
    """`ChunkWriter` for rows of one table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        # The chunk that is being written, and the one after it.
        self._prepared: deque[tuple[pa.Table, _Batch]] = deque(maxlen=2)

    def prepare(self, changes: pa.Table) -> None:
        """Pack the rows of the next chunk; `write` knows them again."""
        self._prepared.append((changes, self._batch(changes)))

    def write(self, connection: Connection, changes: pa.Table) -> Written:
        register(connection)
        batch = self._batch_of(changes)
        query = sql.SQL(
            "WITH written AS ({})"
            " SELECT count(*), array_agg(ord) FILTER (WHERE NOT is_kept), array_agg(ord)"
            " FROM written"
        ).format(self._update(batch, sql.SQL("true")))
        row = connection.execute(query, batch.parameters, binary=True).fetchone()
        assert row is not None
        count, rewritten, written = row
        if rewritten:
            raise RefusedRow(_rewritten_message(changes, rewritten[0] - 1))
        image = image_of(changes)
        if count == changes.num_rows:
            return Written(image)
        mask = np.zeros(changes.num_rows, dtype=bool)
        mask[np.asarray(written or [], dtype=np.int64) - 1] = True
        missed = changes.filter(pa.array(~mask))
        unchanged, drifted = self.classify(connection, missed)
        return Written(image.filter(pa.array(mask)), unchanged, drifted)

    def classify(self, connection: Connection, changes: pa.Table) -> tuple[int, tuple[Skip, ...]]:
        """Return how many rows already are as planned, and a skip for each that drifted."""
        keys, scopes = (changes.column(name).to_pylist() for name in ("key", "scope"))
        drifted = tuple(
            Skip(keys[row], scopes[row], "", SkipReason.DRIFTED, _present(present))
            for row, present in self.look(connection, changes, "after").items()
        )
        return changes.num_rows - len(drifted), drifted

    def look(self, connection: Connection, changes: pa.Table, side: str) -> dict[int, str | None]:
        """Return present values by row, of each row that differs from `side` or its sources.

        Present values are JSON text, None where the row is gone. Read-only.
        """
        register(connection)
        batch = self._batch(changes, (side,))
        equal = self._equal(self._table.targets, _PREFIXES[side])
        query = sql.SQL(
            "SELECT v.ord - 1, CASE WHEN t.{first} IS NOT NULL"
            " THEN jsonb_build_object({present})::text END"
            " FROM {values} LEFT JOIN {relation} AS t ON {join}"
            " WHERE (t.{first} IS NOT NULL AND {sources} AND {equal}) IS NOT TRUE ORDER BY v.ord"
        ).format(
            first=sql.Identifier(self._table.key.columns[0].name),
            sources=self._sources_match(batch),
            equal=equal,
            present=self._present_columns(),
            values=batch.source,
            relation=self._table.relation.identifier,
            join=self._join(),
        )
        return {int(row): present for row, present in connection.execute(query, batch.parameters)}

    def as_update(self, changes: pa.Table, guard: sql.Composable) -> ChunkUpdate:
        """Return the chunk as one UPDATE that writes nothing unless `guard` holds."""
        batch = self._batch_of(changes)
        return ChunkUpdate(self._update(batch, guard), batch.parameters)

    def _update(self, batch: _Batch, guard: sql.Composable) -> sql.Composed:
        return sql.SQL(
            "UPDATE {relation} AS t SET {assignments} FROM {values}"
            " WHERE {guard} AND {join} AND {before} AND {sources}"
            " RETURNING v.ord, {kept} AS is_kept"
        ).format(
            guard=guard,
            relation=self._table.relation.identifier,
            assignments=sql.SQL(", ").join(
                sql.SQL("{} = v.a{}").format(sql.Identifier(column.name), sql.SQL(str(index)))
                for index, column in enumerate(self._table.targets)
            ),
            values=batch.source,
            join=self._join(),
            before=self._equal(self._table.targets, "b"),
            sources=self._sources_match(batch),
            kept=self._equal(self._table.targets, "a"),
        )

    def _batch_of(self, changes: pa.Table) -> _Batch:
        for known, batch in tuple(self._prepared):
            if known is changes:
                return batch
        return self._batch(changes)

    def _batch(self, changes: pa.Table, sides: Sequence[str] = ("before", "after")) -> _Batch:
        """Return the rows as one `unnest` of arrays: no statement per row, no text pasted.

        Of the target columns it holds the `sides` that are asked for.
        """
        names: list[str] = []
        arrays: list[sql.Composable] = []
        parameters: dict[str, Any] = {}

        def add(name: str, value: Any, array_type: sql.Composable) -> None:
            names.append(name)
            arrays.append(sql.Placeholder(name) + array_type)
            parameters[name] = value

        for index, texts in enumerate(self._table.key.split(changes.column("key"))):
            type_name = self._table.key.columns[index].type_name
            # The type's name comes from the catalog, spelt by format_type.
            packed = pack_texts(pa.array(texts, pa.string()))
            add(f"k{index}", packed, sql.SQL(f"::text[]::{type_name}[]"))
        for side in ("source", *sides):
            columns = self._table.sources if side == "source" else self._table.targets
            for index, column in enumerate(columns):
                values = pc.struct_field(changes.column(side), column.name)
                packed = pack(values, column.type)
                add(f"{_PREFIXES[side]}{index}", packed, array_cast(column.type))
        name = lookup_field(self._table)
        zones = pc.struct_field(changes.column("source"), name) if name else None
        has_lookup = zones is not None and zones.null_count < len(zones)
        if has_lookup:
            add("z", pack(zones, ColumnType.TEXT), array_cast(ColumnType.TEXT))
        source = sql.SQL("unnest({}) WITH ORDINALITY AS v({}, ord)").format(
            sql.SQL(", ").join(arrays),
            sql.SQL(", ").join(sql.Identifier(name) for name in names),
        )
        return _Batch(source, parameters, has_lookup)

    def _join(self) -> sql.Composable:
        return sql.SQL(" AND ").join(
            sql.SQL("t.{} = v.k{}").format(sql.Identifier(column.name), sql.SQL(str(index)))
            for index, column in enumerate(self._table.key.columns)
        )

    def _equal(self, columns: tuple[Column, ...], prefix: str) -> sql.Composable:
        return sql.SQL(" AND ").join(
            sql.SQL("t.{} IS NOT DISTINCT FROM v.{}{}").format(
                sql.Identifier(column.name), sql.SQL(prefix), sql.SQL(str(index))
            )
            for index, column in enumerate(columns)
        )

    def _sources_match(self, batch: _Batch) -> sql.Composable:
        match = self._equal(self._table.sources, "s")
        lookup = self._table.lookup
        if not batch.has_lookup or lookup is None:
            return match
        return sql.SQL(
            "{} AND (v.z IS NULL OR v.z IS NOT DISTINCT FROM"
            " (SELECT l.{} FROM {} AS l WHERE l.{} = t.{}))"
        ).format(
            match,
            sql.Identifier(lookup.zone),
            lookup.relation.identifier,
            sql.Identifier(lookup.key),
            sql.Identifier(self._table.scope.name),
        )

    def _present_columns(self) -> sql.Composable:
        return sql.SQL(", ").join(
            sql.SQL("{}::text, t.{}").format(sql.Literal(column.name), sql.Identifier(column.name))
            for column in (*self._table.sources, *self._table.targets)
        )


def _present(present: str | None) -> str:
    return "the row was deleted" if present is None else f"now {present}"


def _rewritten_message(changes: pa.Table, row: int) -> str:
    key = changes.column("key")[row].as_py()
    return (
        f"a trigger or rule stored another value than the plan's for key {key}: what was approved "
        "would not be what is written"
    )
