"""Commit a chunk in spite of the server: again when it is busy, anew when the connection is lost,
row by row when the rows are at fault.

A connection lost in the commit is settled by looking whether the checkpoint is there.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import pyarrow as pa

from backfill import lease
from backfill.chunk_commit import (
    Committed,
    ReadyChunk,
    Step,
    Write,
    check_requests,
    commit_chunk,
)
from backfill.errors import BackfillError, DatabaseUnreachable
from backfill.lease import Lease
from backfill.ledger import CHAIN_START, Checkpoint, Ledger
from backfill.plan import Chunk
from backfill.postgres import Connection
from backfill.report import Reporter
from backfill.skips import Skip, SkipReason
from backfill.stop import StopSignals
from backfill.writing import ChunkWriter, RefusedRow, Written, image_of

ATTEMPTS = 5
RECONNECT_SECONDS = 30.0
FIRST_BACKOFF_SECONDS = 0.1

#: Worth the same statement again: nothing is wrong with the rows.
_TRANSIENT = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
)
#: Wrong with the role or the table, not with a row: splitting a chunk would not help.
_FATAL = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.DiskFull,
    psycopg.errors.OutOfMemory,
)

Connect = Callable[[], Connection]


class LostChunks(BackfillError):
    """The server forgot commits; what is left is consistent, and a resume goes on from there."""


@dataclass
class PatientCommitter:
    """Commits chunks of one run over a connection that it may have to renew."""

    claim: Lease
    writer: ChunkWriter
    connect: Connect
    reporter: Reporter
    stop: StopSignals
    step: Step

    def __post_init__(self) -> None:
        self.connection = self.connect()
        self._wait = threading.Event()

    def close(self) -> None:
        self.connection.close()

    def commit(self, ready: ReadyChunk, chain: str) -> Committed:
        """Commit one chunk; transient errors again, a lost server anew, bad rows left alone."""
        is_careful = False
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._try(ready, chain, is_careful)
            except _FATAL:
                raise
            except _TRANSIENT:
                is_careful = attempt >= ATTEMPTS
                if attempt > ATTEMPTS:
                    raise
                self._try_again(attempt)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if not (self.connection.closed or self.connection.broken):
                    raise
                committed = self._reconnect(ready.chunk, chain, error)
                if committed:
                    return Committed(committed)
            except (psycopg.Error, RefusedRow):
                if is_careful:
                    raise
                is_careful = True

    def _try(self, ready: ReadyChunk, chain: str, is_careful: bool) -> Committed:
        write: Write = self._write_carefully if is_careful else self.writer.write
        return commit_chunk(self.connection, self.claim, ready, chain, write, self.step)

    def breathe(self) -> None:
        """Heed signals and requests, and renew the lease, while nothing is open: see `Pace`."""
        self.stop.check(self.claim.run_id)
        try:
            fence = lease.renew(self.connection, self.claim)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            # What is wrong here the next try meets again, and knows how to mend.
            if not (self.connection.closed or self.connection.broken):
                return
            # Until then, which may be long, the lease is kept over another connection.
            with (
                contextlib.suppress(DatabaseUnreachable, psycopg.Error),
                contextlib.closing(self.connect()) as spare,
            ):
                check_requests(lease.renew(spare, self.claim))
            return
        check_requests(fence)

    def _back_off(self, attempt: int) -> None:
        """Wait a random part of a growing span, so that two writers do not meet again."""
        self._wait.wait(random.uniform(0, FIRST_BACKOFF_SECONDS * 2**attempt))

    def _try_again(self, attempt: int) -> None:
        """Wait; then renew the lease, which the failed transaction did not, and heed requests."""
        self._back_off(attempt)
        self.breathe()

    def _reconnect(self, chunk: Chunk, chain: str, error: Exception) -> Checkpoint | None:
        """Connect again; return the chunk's checkpoint if its commit had got through."""
        run_id = self.claim.run_id
        deadline = time.monotonic() + RECONNECT_SECONDS
        attempt = 0
        while True:
            attempt += 1
            try:
                self.connection.close()
                self.connection = self.connect()
                committed = self._look_for(chunk, chain)
                break
            except (DatabaseUnreachable, psycopg.OperationalError, psycopg.InterfaceError):
                if time.monotonic() > deadline:
                    raise DatabaseUnreachable(
                        f"The database went away while run {run_id} wrote chunk "
                        f"{chunk.number} ({str(error).splitlines()[0]}), and did not come back "
                        f"within {RECONNECT_SECONDS:.0f} s. Committed chunks stay committed. "
                        f"When it answers again: backfill resume {run_id}"
                    ) from None
                self._back_off(min(attempt, 5))
        self.reporter.message("The connection was lost; connected again.", "warning")
        return committed

    def _look_for(self, chunk: Chunk, chain: str) -> Checkpoint | None:
        """Return the chunk's checkpoint, None when it is not committed.

        Raises `LostChunks` when the server lost some that it had confirmed: a standby that was
        promoted too early, or a crash without durable commits.
        """
        run_id = self.claim.run_id
        with self.connection.transaction():
            # Takes the row lock behind which a commit still under way would stand.
            lease.renew(self.connection, self.claim)
            done = Ledger(self.connection).checkpoints(run_id)
        before = [checkpoint for checkpoint in done if checkpoint.chunk_no < chunk.number]
        if (before[-1].chain_hash if before else CHAIN_START) != chain:
            raise LostChunks(
                f"The server came back without chunks of run {run_id} that it had "
                f"confirmed: {len(before)} of {chunk.number - 1} are there. Go on from what it "
                f"has: backfill resume {run_id}"
            )
        return next((c for c in done if c.chunk_no == chunk.number), None)

    def _write_carefully(self, connection: Connection, changes: pa.Table) -> Written:
        """Write in halves down to the rows that fail, each try in a savepoint of its own."""
        try:
            with connection.transaction():
                return self.writer.write(connection, changes)
        except _FATAL:
            raise
        except (psycopg.Error, RefusedRow) as error:
            if connection.broken or connection.closed:
                raise
            if changes.num_rows == 1:
                return Written(image_of(changes.slice(0, 0)), skipped=(_refused(changes, error),))
        half = changes.num_rows // 2
        first = self._write_carefully(connection, changes.slice(0, half))
        return first + self._write_carefully(connection, changes.slice(half))


def _refused(changes: pa.Table, error: Exception) -> Skip:
    key, scope = (changes.column(name)[0].as_py() for name in ("key", "scope"))
    message = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return Skip(key, scope, "", SkipReason.DATABASE_ERROR, message)
