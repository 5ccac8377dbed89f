"""Commit a chunk in spite of the server: again when it is busy, anew when the connection is lost,
row by row when the rows are at fault.

A connection lost in the commit is settled by looking whether the checkpoint is there.
"""

from __future__ import annotations

import contextlib
import functools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import psycopg
import pyarrow as pa

from backfill.chunks.chunk_commit import (
    Committed,
    ReadyChunk,
    Step,
    Write,
    check_requests,
    commit_chunk,
    no_step,
)
from backfill.chunks.chunk_statement import NotAsPlanned, commit_at_once
from backfill.chunks.writing import ChunkWriter, RefusedRow, Written, image_of
from backfill.errors import BackfillError, DatabaseUnreachable
from backfill.plans.plan import Chunk
from backfill.records.ledger import Checkpoint, Ledger
from backfill.records.ranges import RangeClaim, renew_range
from backfill.report import Reporter
from backfill.server.postgres import Connection
from backfill.skips import Skip, SkipReason
from backfill.stop import StopSignals

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
T = TypeVar("T")


class LostChunks(BackfillError):
    """The server forgot commits; what is left is consistent, and a resume goes on from there."""


@dataclass
class PatientCommitter:
    """Commits chunks of one run over a connection that it may have to renew."""

    run_id: str
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

    def commit(self, claim: RangeClaim, ready: ReadyChunk, chain: str) -> Committed:
        """Commit one chunk; transient errors again, a lost server anew, bad rows left alone."""
        # Whoever watches the steps of a chunk gets them one by one.
        if self.step is no_step and (committed := self._try_at_once(claim, ready, chain)):
            return committed
        is_careful = False
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._try(claim, ready, chain, is_careful)
            except _FATAL:
                raise
            except _TRANSIENT:
                is_careful = attempt >= ATTEMPTS
                if attempt > ATTEMPTS:
                    raise
                self._back_off(attempt)
                # The failed transaction did not renew the lease; somebody may want us to stop.
                self.breathe(claim)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if not self._is_lost:
                    raise
                look = functools.partial(_look_for, claim=claim, chunk=ready.chunk, chain=chain)
                found = self._reconnect(look, f"wrote chunk {ready.chunk.number}", error)
                if found:
                    return Committed(found)
            except (psycopg.Error, RefusedRow):
                if is_careful:
                    raise
                is_careful = True

    def _try_at_once(self, claim: RangeClaim, ready: ReadyChunk, chain: str) -> Committed | None:
        """Commit a chunk in one statement; None where that does not do, with nothing written.

        A server that was lost meanwhile the first step of the careful way finds lost.
        """
        try:
            return commit_at_once(self.connection, claim, ready, chain, self.writer)
        except NotAsPlanned:
            return None
        except _FATAL:
            raise
        except psycopg.Error:
            return None

    def _try(self, claim: RangeClaim, ready: ReadyChunk, chain: str, is_careful: bool) -> Committed:
        write: Write = self._write_carefully if is_careful else self.writer.write
        return commit_chunk(self.connection, claim, ready, chain, write, self.step)

    def ask(self, question: Callable[[Connection], T]) -> T:
        """Return what a question that may be asked twice answers; a lost server is asked anew."""
        try:
            return question(self.connection)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if not self._is_lost:
                raise
            return self._reconnect(question, "looked for its next rows", error)

    def breathe(self, claim: RangeClaim) -> None:
        """Heed signals and requests, and renew the lease, while nothing is open: see `Pace`."""
        self.stop.check()
        try:
            fence = renew_range(self.connection, claim)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            # What is wrong here the next try meets again, and knows how to mend.
            if not self._is_lost:
                return
            # Until then, which may be long, the lease is kept over another connection.
            with (
                contextlib.suppress(DatabaseUnreachable, psycopg.Error),
                contextlib.closing(self.connect()) as spare,
            ):
                check_requests(renew_range(spare, claim))
            return
        check_requests(fence)

    @property
    def _is_lost(self) -> bool:
        return self.connection.closed or self.connection.broken

    def _back_off(self, attempt: int) -> None:
        """Wait a random part of a growing span, so that two writers do not meet again."""
        self._wait.wait(random.uniform(0, FIRST_BACKOFF_SECONDS * 2**attempt))

    def _reconnect(self, look: Callable[[Connection], T], what: str, error: Exception) -> T:
        """Connect again, and return what the first look at the server finds."""
        deadline = time.monotonic() + RECONNECT_SECONDS
        attempt = 0
        while True:
            attempt += 1
            try:
                self.connection.close()
                self.connection = self.connect()
                found = look(self.connection)
                break
            except (DatabaseUnreachable, psycopg.OperationalError, psycopg.InterfaceError):
                if time.monotonic() > deadline:
                    raise DatabaseUnreachable(
                        f"The database went away while run {self.run_id} {what} "
                        f"({str(error).splitlines()[0]}), and did not come back "
                        f"within {RECONNECT_SECONDS:.0f} s. Committed chunks stay committed. "
                        f"When it answers again: backfill resume {self.run_id}"
                    ) from None
                self._back_off(min(attempt, 5))
        self.reporter.message("The connection was lost; connected again.", "warning")
        return found

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


def _look_for(
    connection: Connection, claim: RangeClaim, chunk: Chunk, chain: str
) -> Checkpoint | None:
    """Return the chunk's checkpoint, None when it is not committed.

    Raises `LostChunks` when the server lost some that it had confirmed: a standby that was
    promoted too early, or a crash without durable commits.
    """
    with connection.transaction():
        # Takes the row lock behind which a commit still under way would stand.
        renew_range(connection, claim)
        done = [
            checkpoint
            for checkpoint in Ledger(connection).checkpoints(claim.run_id)
            if checkpoint.range_no == claim.range.range_no
        ]
    before = [checkpoint for checkpoint in done if checkpoint.chunk_no < chunk.number]
    missing = chunk.number - claim.range.first_chunk_no - len(before)
    if missing or (before and before[-1].chain_hash != chain):
        raise LostChunks(
            f"The server came back without chunks of run {claim.run_id} that it had confirmed: "
            f"{len(before)} of {len(before) + missing} are there. Go on from what it has: "
            f"backfill resume {claim.run_id}"
        )
    return next((c for c in done if c.chunk_no == chunk.number), None)


def _refused(changes: pa.Table, error: Exception) -> Skip:
    key, scope = (changes.column(name)[0].as_py() for name in ("key", "scope"))
    message = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return Skip(key, scope, "", SkipReason.DATABASE_ERROR, message)
