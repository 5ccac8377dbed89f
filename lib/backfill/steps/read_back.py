"""Read back the rows that a run wrote, and compute their values again, many chunks at a time.

The server looks at some rows while others are packed and computed again here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray

from backfill.errors import PreflightError
from backfill.records.ledger import RunRow
from backfill.server.in_bulk import words_of
from backfill.server.postgres import Connection, find_rows_by_key
from backfill.steps.kind import JobKind

#: Rows of small chunks are read back together.
READ_BACK_ROWS = 20_000
#: Computing again is row by row: of a larger run, every n-th row is enough to tell.
RECOMPUTED_ROWS = 100_000

#: What the server says of a table that was dropped, renamed, or whose columns were.
_OF_ANOTHER_TABLE = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
    psycopg.errors.DatatypeMismatch,
    psycopg.errors.CannotCoerce,
    psycopg.errors.InvalidSchemaName,
)


@dataclass(frozen=True, slots=True)
class _Looked:
    """Rows that are being read back, with the numbers of their chunks."""

    rows: pa.Table
    numbers: NDArray[np.int64]
    differing: Future[Mapping[int, str | None]]


class ReadBack:
    """Takes images of chunks, and tells each row that is not as written, chunk by chunk.

    `rows` and `recomputed` count what was looked at. With two connections one is at work while
    the other's rows are packed; their planners find rows by key from then on.
    """

    def __init__(
        self,
        connections: Sequence[Connection],
        run: RunRow,
        kind: JobKind,
        tell: Callable[[str], None],
    ) -> None:
        self._run = run
        self._kind = kind
        self._tell = tell
        self._chunks: list[tuple[int, pa.Table]] = []
        self._waiting = 0
        self._looked: deque[_Looked] = deque()
        self.rows = self.recomputed = 0
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        for connection in connections:
            find_rows_by_key(connection)
            self._idle.put(connection)
        self._most = len(connections)
        self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="read-back")

    def add(self, chunk_no: int, rows: pa.Table) -> None:
        """Take a chunk's rows: columns key, source, before, after. Look when there are enough."""
        if rows.num_rows:
            self._chunks.append((chunk_no, rows))
            self._waiting += rows.num_rows
        if self._waiting >= READ_BACK_ROWS:
            self._look()

    def finish(self) -> None:
        """Look at what is left, and tell what is still to be told."""
        if self._chunks:
            self._look()
        while self._looked:
            self._settle(self._looked.popleft())

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _look(self) -> None:
        chunks, self._chunks, self._waiting = self._chunks, [], 0
        rows = pa.concat_tables([rows for _number, rows in chunks])
        numbers = np.repeat(
            [number for number, _rows in chunks], [rows.num_rows for _number, rows in chunks]
        )
        self._looked.append(_Looked(rows, numbers, self._threads.submit(self._differing, rows)))
        if len(self._looked) > self._most:
            self._settle(self._looked.popleft())

    def _differing(self, rows: pa.Table) -> Mapping[int, str | None]:
        connection = self._idle.get()
        try:
            return rows_not_at(connection, self._kind, self._run, rows, "after")
        finally:
            self._idle.put(connection)

    def _settle(self, looked: _Looked) -> None:
        recomputed = self._recomputed(looked.rows)
        for row, present in looked.differing.result().items():
            now = "it was deleted" if present is None else f"it is now {present}"
            self._tell(f"{_named(looked, row)} is not as written: {now}.")
        for row, wrong in recomputed:
            self._tell(f"{_named(looked, row)}: {wrong}.")
        self.rows += looked.rows.num_rows

    def _recomputed(self, rows: pa.Table) -> list[tuple[int, str]]:
        """Return the rows whose values are not what another way of computing gives, and why."""
        if self._run.reverts:
            return []
        stride = -(-self._run.plan_rows // RECOMPUTED_ROWS) or 1
        chosen = np.arange(0, rows.num_rows, stride)
        again = self._kind.recompute(self._run.target, rows.take(pa.array(chosen)))
        self.recomputed += again.rows
        return [(int(chosen[index]), text) for index, text in again.wrong]


def _named(looked: _Looked, row: int) -> str:
    key = looked.rows.column("key")[row].as_py()
    return f"Row {key} (chunk {looked.numbers[row]})"


def rows_not_at(
    connection: Connection, kind: JobKind, run: RunRow, rows: pa.Table, side: str
) -> Mapping[int, str | None]:
    """Return present values by row, of the image rows that the database holds not at `side`.

    Raises `PreflightError` where the table can not hold such rows any more.
    """
    try:
        return kind.look(connection, run.target, rows, side)
    except _OF_ANOTHER_TABLE as error:
        raise PreflightError(
            f"The rows of run {run.run_id} can not be looked at: {words_of(error)}. "
            f"{run.scope.get('table', 'The table')} is not what it was when the run wrote to it. "
            "Give table, columns and types their names back, if need be for this command only, "
            "and type it again. The run's images stay in backfill.chunk_image."
        ) from None
