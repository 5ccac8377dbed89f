"""Write a chunk's rows only where they still are as they were read.

One statement updates the chunk: every row is found by its key and compared with its before-image,
which is the target columns and every column that the new value was computed from, values looked
up in other tables included. What does not match is looked at again: it is either as planned
already, or drifted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg import sql

from backfill.chunks.chunk_columns import PREFIXES, Batch, packed_columns
from backfill.chunks.dense_keys import look_together
from backfill.chunks.writing import ChunkUpdate, RefusedRow, Written, image_of
from backfill.rows.binary_array import register
from backfill.rows.columns import Column
from backfill.rows.spelt import condition
from backfill.rows.values import with_fields
from backfill.server.catalog_columns import retyped
from backfill.server.joins import value_now
from backfill.server.postgres import Connection
from backfill.server.table import Table
from backfill.server.triggers_path import own_path_for_triggers, use_our_path
from backfill.skips import Skip, SkipReason

_VETO = (
    "the row is as it was read, and the update changed nothing: a policy, a trigger that returns "
    "NULL or a rule keeps it so"
)


class TableWriter:
    """`ChunkWriter` for rows of one table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._has_rules: bool | None = None  # known once a chunk takes the careful way
        # The chunks that are being written, those after them, and those behind these.
        self._prepared: deque[list[tuple[pa.Table, Batch]]] = deque(maxlen=3)

    def prepare(self, chunks: Sequence[pa.Table]) -> None:
        """Pack the rows of the next chunks, all together; `write` knows them again."""
        columns = packed_columns(self._table, pa.concat_tables(chunks))
        first, batches = 0, []
        for changes in chunks:
            batches.append((changes, columns.batch(first, changes.num_rows)))
            first += changes.num_rows
        self._prepared.append(batches)

    def write(self, connection: Connection, changes: pa.Table) -> Written:
        register(connection)
        if self._is_ruled(connection):
            return self._write_under_rules(connection, changes)
        batch = self._batch_of(changes)
        query = sql.SQL(
            "WITH written AS ({})"
            " SELECT count(*), array_agg(ord) FILTER (WHERE NOT is_kept), array_agg(ord),"
            " bool_and(is_as_read) FROM written"
        ).format(
            self._update(
                batch,
                batch.source,
                own_path_for_triggers(connection),
                sql.SQL("{} AS is_kept, {} AS is_as_read, v.ord").format(*self._kept()),
            )
        )
        row = connection.execute(query, batch.parameters, binary=True).fetchone()
        use_our_path(connection)
        assert row is not None
        count, rewritten, written, is_as_read = row
        if rewritten:
            key = changes.column("key")[rewritten[0] - 1].as_py()
            raise RefusedRow(self._rewritten(connection, key))
        image = image_of(changes)
        if is_as_read is False:
            image = self._with_present_sources(connection, image)
        if count == changes.num_rows:
            return Written(image)
        mask = _mask(changes, [ord_ - 1 for ord_ in written or []])
        missed = changes.filter(pa.array(~mask))
        return Written(image.filter(pa.array(mask))) + self._not_written(connection, missed)

    def retyped(self, connection: Connection) -> list[str]:
        """Return a sentence for each target that has another type than when the plan was made."""
        return retyped(connection, self._table.relation, self._table.targets)

    def _rewritten(self, connection: Connection, key: str) -> str:
        """Say why a row would hold another value than the plan's."""
        types = "; ".join(self.retyped(connection))
        why = f"{types}: it stored" if types else "a trigger or rule stored"
        return (
            f"{why} another value than the plan's for key {key}, or another key: what was approved "
            "would not be what is written"
        )

    def _is_ruled(self, connection: Connection) -> bool:
        """Whether the table's owner has rules for updates: such an update returns no rows."""
        if self._has_rules is None:
            name = sql.Literal(self._table.relation.identifier.as_string(None))
            query = sql.SQL(
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_rewrite"
                " WHERE ev_class = {}::pg_catalog.regclass AND ev_type = '2')"
            )
            row = connection.execute(query.format(name)).fetchone()
            self._has_rules = bool(row and row[0])
        return self._has_rules

    def _write_under_rules(self, connection: Connection, changes: pa.Table) -> Written:
        """Lock what is as it was read, update it, and look what came of that."""
        batch = self._batch(changes)
        parts = self._parts(batch, sql.SQL("true"))
        lock = sql.SQL(
            "SELECT v.ord - 1 FROM {values} JOIN {relation} AS t ON {join}"
            " WHERE {before} AND {sources} FOR NO KEY UPDATE OF t"
        ).format(**parts)
        mask = _mask(changes, [int(row) for (row,) in connection.execute(lock, batch.parameters)])
        matched, missed = (changes.filter(pa.array(rows)) for rows in (mask, ~mask))
        if matched.num_rows:
            own = self._batch(matched)
            update = sql.SQL(
                "UPDATE {relation} AS t SET {assignments} FROM {values}"
                " WHERE {join} AND {before} AND {sources}"
            ).format(**self._parts(own, sql.SQL("true")))
            connection.execute(update, own.parameters)
            matched = self._with_present_sources(connection, matched)
        left = self._not_written(connection, matched)
        if left.drifted:
            raise RefusedRow(self._rewritten(connection, left.drifted[0].key))
        vetoed = [skip.key for skip in left.skipped]
        is_vetoed = pc.is_in(matched.column("key"), pa.array(vetoed, pa.string()))
        kept = matched.filter(pc.invert(is_vetoed))
        written = Written(image_of(kept), skipped=left.skipped)
        return written + self._not_written(connection, missed)

    def _not_written(self, connection: Connection, changes: pa.Table) -> Written:
        """Tell rows that already are as planned from those that drifted, and from those that the
        database left as they were.
        """
        present = self.look(connection, changes, "after") if changes.num_rows else {}
        rows = list(present)
        as_read = set(rows)
        if rows:
            moved = self.look(connection, changes.take(rows), "before")
            as_read -= {rows[index] for index in moved}
        keys, scopes = (changes.column(name).to_pylist() for name in ("key", "scope"))
        skips = [
            Skip(keys[row], scopes[row], "", SkipReason.VETOED, _VETO)
            if row in as_read
            else Skip(keys[row], scopes[row], "", SkipReason.DRIFTED, _present(present[row]))
            for row in rows
        ]
        return Written(
            image_of(changes.slice(0, 0)),
            changes.num_rows - len(rows),
            drifted=tuple(skip for skip in skips if skip.reason is SkipReason.DRIFTED),
            skipped=tuple(skip for skip in skips if skip.reason is SkipReason.VETOED),
        )

    def locked(self, connection: Connection, changes: pa.Table) -> list[int]:
        """Return the rows on which others hold a lock at this moment, and lock all others.

        A row that the role sees and may not change can not be locked either, and is none of them.
        """
        left = np.arange(changes.num_rows)
        try:
            with connection.transaction():
                left = np.setdiff1d(left, self._lock(connection, changes, "SKIP LOCKED"))
        except psycopg.errors.LockNotAvailable:  # of the whole table
            return [int(row) for row in left]
        return [int(row) for row in self._held(connection, changes, left)]

    def _held(
        self, connection: Connection, changes: pa.Table, rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        if not len(rows):
            return rows
        try:
            with connection.transaction():
                self._lock(connection, changes.take(pa.array(rows)), "NOWAIT")
        except psycopg.errors.LockNotAvailable:
            if len(rows) == 1:
                return rows
            halves = np.array_split(rows, 2)
            return np.concatenate([self._held(connection, changes, half) for half in halves])
        return rows[:0]

    def _lock(self, connection: Connection, changes: pa.Table, how: str) -> list[int]:
        """Lock rows as an update would; return those that are locked now."""
        register(connection)
        batch = self._batch(changes, ())
        query = sql.SQL(
            "SELECT v.ord - 1 FROM {values} JOIN {relation} AS t ON {join}"
            " FOR NO KEY UPDATE OF t {how}"
        ).format(
            values=batch.source,
            relation=self._table.relation.identifier,
            join=self._join(),
            how=sql.SQL(how),
        )
        return [int(row) for (row,) in connection.execute(query, batch.parameters)]

    def look(self, connection: Connection, changes: pa.Table, side: str) -> dict[int, str | None]:
        """Return present values by row, of each row that differs from `side` or its sources.

        Present values are JSON text, None where the row is gone. Read-only.
        """
        register(connection)
        return look_together(
            connection, self._table, changes, partial(self._differing, connection, side)
        )

    def _differing(
        self, connection: Connection, side: str, changes: pa.Table, near: sql.Composable
    ) -> dict[int, str | None]:
        batch = self._batch(changes, (side,))
        query = sql.SQL(
            # A composite with a NULL in it is neither NULL nor NOT NULL.
            "SELECT v.ord - 1, CASE WHEN t.{first} IS DISTINCT FROM NULL"
            " THEN ({present})::text END"
            " FROM {values} LEFT JOIN {relation} AS t ON {join} AND {near}"
            " WHERE (t.{first} IS DISTINCT FROM NULL AND {sources} AND {equal}) IS NOT TRUE"
            " ORDER BY v.ord"
        ).format(
            first=sql.Identifier(self._table.key.columns[0].name),
            sources=self._sources_match(batch),
            equal=self._equal(self._table.targets, PREFIXES[side]),
            present=self._present_columns(),
            values=batch.source,
            relation=self._table.relation.identifier,
            join=self._join(),
            near=near,
        )
        return {int(row): present for row, present in connection.execute(query, batch.parameters)}

    def as_update(self, changes: pa.Table) -> ChunkUpdate | None:
        """Return the chunk as one UPDATE, unless rules stand in its way."""
        if self._has_rules:
            return None
        batch = self._batch_of(changes)
        returned = sql.SQL("{} AND {} AS is_kept").format(*self._kept())
        update = partial(self._update, batch, batch.bare, returned=returned)
        return ChunkUpdate(update, batch.parameters, self._table.relation)

    def _update(
        self,
        batch: Batch,
        values: sql.Composable,
        guard: sql.Composable,
        returned: sql.Composable,
    ) -> sql.Composed:
        """Return the UPDATE of rows as `values` has them, and what it is to return of each."""
        return sql.SQL(
            "UPDATE {relation} AS t SET {assignments} FROM {values}"
            " WHERE {guard} AND {join} AND {before} AND {sources} RETURNING {returned}"
        ).format(**{**self._parts(batch, guard), "values": values, "returned": returned})

    def _kept(self) -> tuple[sql.Composable, sql.Composable]:
        """Return whether a row now holds what the plan says, by the key that it has there, and
        whether its sources are as read.

        A trigger may change those with every write (`updated_at`, a version), and a column that
        is generated from a target does. Where it changes the key, nobody finds the row again.
        """
        kept = sql.SQL("{} AND {}").format(self._equal(self._table.targets, "a"), self._join())
        return kept, self._equal(self._table.sources, "s")

    def _with_present_sources(self, connection: Connection, rows: pa.Table) -> pa.Table:
        """Return rows that were just written with their sources as they stand now.

        What was written is proven, and put back, by the row as the write left it.
        """
        if not self._table.sources:
            return rows
        batch = self._batch(rows, ())
        query = sql.SQL(
            "SELECT {present} FROM {values} LEFT JOIN {relation} AS t ON {join} ORDER BY v.ord"
        ).format(
            present=sql.SQL(", ").join(
                column.read(sql.Identifier("t", column.name)) for column in self._table.sources
            ),
            values=batch.source,
            relation=self._table.relation.identifier,
            join=self._join(),
        )
        present = zip(*connection.execute(query, batch.parameters), strict=True)
        names = [column.name for column in self._table.sources]
        return with_fields(rows, "source", dict(zip(names, present, strict=True)))

    def _parts(self, batch: Batch, guard: sql.Composable) -> dict[str, sql.Composable]:
        return {
            "guard": guard,
            "relation": self._table.relation.identifier,
            "assignments": sql.SQL(", ").join(
                sql.SQL("{} = {}").format(
                    sql.Identifier(column.name), column.typed(sql.Identifier("v", f"a{index}"))
                )
                for index, column in enumerate(self._table.targets)
            ),
            "values": batch.source,
            "join": self._join(),
            "before": self._equal(self._table.targets, "b"),
            "sources": self._sources_match(batch),
        }

    def _batch_of(self, changes: pa.Table) -> Batch:
        for batches in tuple(self._prepared):
            for prepared, batch in batches:
                if prepared is changes:
                    return batch
        return self._batch(changes)

    def _batch(self, changes: pa.Table, sides: Sequence[str] = ("before", "after")) -> Batch:
        """Return the rows as one `unnest` of arrays: no statement per row, no text pasted.

        Of the target columns it holds the `sides` that are asked for.
        """
        return packed_columns(self._table, changes, sides).batch(0, changes.num_rows)

    def _join(self) -> sql.Composable:
        key = self._table.key
        return key.equals("t", [sql.SQL(f"v.k{index}") for index in range(len(key.columns))])

    def _equal(self, columns: tuple[Column, ...], prefix: str) -> sql.Composable:
        same = [
            column.same(sql.Identifier("t", column.name), sql.Identifier("v", f"{prefix}{index}"))
            for index, column in enumerate(columns)
        ]
        return sql.SQL(" AND ").join(same) if same else sql.SQL("true")

    def _sources_match(self, batch: Batch) -> sql.Composable:
        conditions: list[sql.Composable] = [self._equal(self._table.sources, "s")]
        conditions += [
            # What is blank and what is not there mean the same.
            sql.SQL("(v.z{i} IS NULL OR coalesce({now}, '') = v.z{i})").format(
                i=sql.SQL(str(index)), now=value_now(self._table, self._table.looked_up[index])
            )
            for index in batch.looked_up
        ]
        if self._table.where:
            # In a scope of its own: a condition of the user's must not meet our names.
            conditions.append(
                sql.SQL("EXISTS (SELECT FROM (SELECT {}) AS t WHERE {})").format(
                    sql.SQL(", ").join(
                        sql.Identifier("t", name) for name in self._table.where_columns
                    ),
                    condition(self._table.where),
                )
            )
        return sql.SQL(" AND ").join(conditions)

    def _present_columns(self) -> sql.Composable:
        """Return the row's sources and targets as one JSON object."""
        pairs = [
            sql.SQL("{}::text, t.{}").format(sql.Literal(column.name), sql.Identifier(column.name))
            for column in (*self._table.sources, *self._table.targets)
        ]
        # No function takes more than a hundred arguments.
        parts = [pairs[first : first + 50] for first in range(0, len(pairs), 50)]
        return sql.SQL(" || ").join(
            sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(part)) for part in parts
        )


def _mask(changes: pa.Table, rows: Sequence[int]) -> NDArray[np.bool_]:
    """Return which changes found their row; raise `RefusedRow` for a key that finds several.

    As in a table and one that inherits from it: the image holds one row a key, so the other one
    could not be put back.
    """
    times = np.bincount(np.asarray(rows, dtype=np.int64), minlength=changes.num_rows)
    if len(several := np.flatnonzero(times > 1)):
        raise RefusedRow(
            f"the key {changes.column('key')[int(several[0])].as_py()} finds {times.max()} rows: "
            "which one was approved, nobody can know. Does a table inherit from this one?"
        )
    mask: NDArray[np.bool_] = times > 0
    return mask


def _present(present: str | None) -> str:
    return "the row was deleted" if present is None else f"now {present}"
