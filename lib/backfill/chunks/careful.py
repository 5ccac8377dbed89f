"""Write a chunk of which the database refuses something: find the rows, leave them, write the rest.

Each try stands in a savepoint of its own, and what the database would only look at when the
transaction commits is looked at there. Rows that others have locked are not waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import psycopg
import pyarrow as pa

from backfill.chunks.refusals import Refusal, is_hopeless
from backfill.chunks.writing import ChunkWriter, RefusedRow, Written, image_of
from backfill.errors import first_line
from backfill.server.postgres import Connection
from backfill.skips import Skip, SkipReason

#: How long one of many tries waits for a lock: the chunk as a whole has waited before.
PATIENCE_MS = 100
#: So many rows locked one after the other, and none written: the others are locked as well.
_LOCKED_IN_A_ROW = 16
#: Worth another try later: somebody else is at work on the row, and nothing is wrong with it.
BUSY = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
#: May hold once rows that come later are written: a key that moves from one row to another.
_OF_OTHER_ROWS = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.ExclusionViolation,
    psycopg.errors.ForeignKeyViolation,
)


@dataclass
class CarefulWriter:
    """Writes one chunk once. `refused` then tells what the database said about single rows.

    `comes_back`: locked rows are passed over, to be written at the range's end; else they are
    skipped as locked. `knows_locks`: the chunk met a lock before, so the locked rows are looked
    for at once.
    """

    writer: ChunkWriter
    comes_back: bool
    knows_locks: bool
    refused: list[Refusal] = field(default_factory=list)
    _locked_in_a_row: int = 0
    _has_written: bool = False

    def write(self, connection: Connection, changes: pa.Table) -> Written:
        """Write what can be written; raises what no single row is at fault for."""
        _shorten_patience(connection)
        locked = self._locked(connection, changes) if self.knows_locks else []
        free = np.ones(changes.num_rows, dtype=bool)
        free[locked] = False
        written = self._in_halves(connection, changes.filter(pa.array(free)))
        written = self._again(connection, changes, written)
        return written + self._busy(changes.filter(pa.array(~free)), "")

    def leave(self, _connection: Connection, changes: pa.Table, error: psycopg.Error) -> Written:
        """Leave a single row alone: the commit of it, and of nothing else, fails."""
        return self._refuse(changes, error)

    def _locked(self, connection: Connection, changes: pa.Table) -> Sequence[int]:
        with connection.transaction():
            return self.writer.locked(connection, changes)

    def _in_halves(
        self, connection: Connection, changes: pa.Table, *, last_first: bool = False
    ) -> Written:
        nothing = Written(image_of(changes.slice(0, 0)))
        if not changes.num_rows:
            return nothing
        if self._locked_in_a_row >= _LOCKED_IN_A_ROW and not self._has_written:
            return self._busy(changes, "not tried: no row before it could be locked")
        try:
            with connection.transaction():
                written = self.writer.write(connection, changes)
                connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            self._has_written, self._locked_in_a_row = True, 0
            return written
        except (psycopg.Error, RefusedRow) as error:
            if connection.broken or connection.closed or is_hopeless(error):
                raise
            if changes.num_rows == 1 and isinstance(error, BUSY):
                self._locked_in_a_row += 1
                return self._busy(changes, first_line(error))
            if changes.num_rows == 1:
                self._locked_in_a_row = 0
                return self._refuse(changes, error)
        middle = changes.num_rows // 2
        halves = [changes.slice(0, middle), changes.slice(middle)]
        for half in reversed(halves) if last_first else halves:
            nothing += self._in_halves(connection, half, last_first=last_first)
        return nothing

    def _again(self, connection: Connection, changes: pa.Table, written: Written) -> Written:
        """Try rows together that only others stood in the way of: those may be out of it now.

        From the other end each time, until no further one is written: of 1 to 2, 2 to 3, 3 to 4
        the last one makes way for the one before it.
        """
        tried, last_first = 0, False
        while keys := [r.key for r in self.refused if isinstance(r.error, _OF_OTHER_ROWS)]:
            if len(keys) == tried or (not written.updated and len(keys) < 2):
                break
            tried, last_first = len(keys), not last_first
            self.refused = [refusal for refusal in self.refused if refusal.key not in keys]
            kept = tuple(skip for skip in written.skipped if skip.key not in keys)
            rows = changes.filter(pa.array(np.isin(changes.column("key").to_pylist(), keys)))
            once = Written(written.image, written.unchanged, written.drifted, kept, written.locked)
            written = once + self._in_halves(connection, rows, last_first=last_first)
        return written

    def _busy(self, changes: pa.Table, said: str) -> Written:
        nothing = image_of(changes.slice(0, 0))
        if self.comes_back:
            return Written(nothing, locked=tuple(changes.column("position").to_pylist()))
        detail = said or "others hold a lock on it"
        return Written(
            nothing,
            skipped=tuple(
                Skip(key, scope, "", SkipReason.LOCKED, detail)
                for key, scope in zip(
                    *(changes.column(name).to_pylist() for name in ("key", "scope")), strict=True
                )
            ),
        )

    def _refuse(self, changes: pa.Table, error: Exception) -> Written:
        key, scope = (changes.column(name)[0].as_py() for name in ("key", "scope"))
        self.refused.append(Refusal(key, error))
        skip = Skip(key, scope, "", SkipReason.DATABASE_ERROR, first_line(error))
        return Written(image_of(changes.slice(0, 0)), skipped=(skip,))


def _shorten_patience(connection: Connection) -> None:
    """Let no try of this transaction wait long for a lock, nor longer than it would have."""
    connection.execute(
        "SELECT pg_catalog.set_config('lock_timeout', CASE WHEN setting::int BETWEEN 1 AND %(ms)s"
        " THEN setting ELSE %(ms)s::text END, true)"
        " FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'",
        {"ms": PATIENCE_MS},
    )
