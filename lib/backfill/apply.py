"""Write one frozen plan, chunk by chunk, exactly once.

For each chunk, in one transaction: 1. renew the lease, which also fences off every other writer;
2. compare-and-set the chunk's rows; 3. store their before- and after-images; 4. append the
checkpoint; 5. commit. Nothing about progress is true before the commit. A lost connection in the
commit is settled by looking whether the checkpoint is there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from backfill import image, lease
from backfill.chunk_size import ChunkSizer
from backfill.errors import BackfillError, DatabaseUnreachable, Interrupted, TooManySkips
from backfill.folder import RunFolder
from backfill.lease import Fence, Lease
from backfill.ledger import CHAIN_START, Checkpoint, Counts, Ledger, skips_digest
from backfill.plan import Chunk, ChunkReader, Plan
from backfill.postgres import Connection
from backfill.report import Reporter
from backfill.settings import EngineSettings
from backfill.skips import Skip, SkipReason
from backfill.status import RunStatus
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
Step = Callable[[str], None]


def no_step(_name: str) -> None:
    """Called at each named point of a chunk's way; tests put a fault in its place."""


class StopRequested(BackfillError):
    """Pause or cancel was asked for: carries the status that the run ends with."""

    exit_code = Interrupted.exit_code

    def __init__(self, status: RunStatus) -> None:
        super().__init__(status.value)
        self.status = status


class LostChunks(BackfillError):
    """The server forgot commits; what is left is consistent, and a resume goes on from there."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A chunk with all that can be done for it before the server is asked.

    `wanted` is the changes that are to be written, `image` what it comes to if all of them are.
    """

    chunk: Chunk
    wanted: pa.Table
    image: image.Image


@dataclass
class Applier:
    """Writes one plan under one lease."""

    plan: Plan
    folder: RunFolder
    writer: ChunkWriter
    lease: Lease
    connect: Connect
    settings: EngineSettings
    reporter: Reporter
    stop: StopSignals
    step: Step = no_step

    def __post_init__(self) -> None:
        self._connection = self.connect()
        self._wait = threading.Event()
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="next-chunk")

    def run(self) -> Counts:
        """Write what is left of the plan; return the counts of the whole run.

        Raises `StopRequested`, `Interrupted` or `Terminated` between chunks, `LeaseHeld` when
        the lease was lost, `TooManySkips`, `DatabaseUnreachable`.
        """
        done = Ledger(self._connection).checkpoints(self.plan.run_id)
        total = sum((checkpoint.counts for checkpoint in done), Counts())
        number = done[-1].chunk_no if done else 0
        chain = done[-1].chain_hash if done else CHAIN_START
        reader = ChunkReader(self.folder, self.plan, total.scanned)
        sizer = ChunkSizer(self.settings.chunk_rows, self.settings.chunk_seconds)
        self.reporter.progress(self.plan.run_id, total, reader.remaining)
        reported = total.scanned
        following = self._get_ready(reader, number + 1, sizer.rows)
        while ready := following.result():
            self.stop.check(self.plan.run_id)
            self.step("between_chunks")
            following = self._get_ready(reader, ready.chunk.number + 1, sizer.rows)
            with self.stop.shielded():
                checkpoint = self._commit(ready, chain)
            chain = checkpoint.chain_hash
            total += checkpoint.counts
            remaining = self.plan.rows - total.scanned
            sizer.record(ready.chunk.rows, checkpoint.elapsed_ms / 1000)
            if self._is_due(total.scanned, reported) or not remaining:
                self.reporter.progress(self.plan.run_id, total, remaining)
                reported = total.scanned
            self._check_skips(total)
        return total

    def close(self) -> None:
        self._ahead.shutdown()
        self._connection.close()

    def _get_ready(self, reader: ChunkReader, number: int, rows: int) -> Future[_Ready | None]:
        """Read, pack and encode a chunk while the server works on the one before it."""

        def work() -> _Ready | None:
            if not reader.remaining:
                return None
            chunk = reader.take(number, rows)
            wanted = chunk.changes.filter(pc.not_equal(chunk.changes.column("kind"), "unchanged"))
            self.writer.prepare(wanted)
            return _Ready(chunk, wanted, image.encode(image_of(wanted)))

        return self._ahead.submit(work)

    def _is_due(self, scanned: int, reported: int) -> bool:
        interval = self.settings.progress_interval_rows
        return bool(interval) and scanned // interval > reported // interval

    def _check_skips(self, total: Counts) -> None:
        allowed = self.settings.max_skips
        if allowed is not None and total.skipped > allowed:
            raise TooManySkips(
                f"Run {self.plan.run_id} skipped {total.skipped} rows; --max-skips allows "
                f"{allowed}. It stopped after the last chunk. Look: backfill status "
                f"{self.plan.run_id} · go on: backfill resume {self.plan.run_id} --max-skips N"
            )

    def _commit(self, ready: _Ready, chain: str) -> Checkpoint:
        """Commit one chunk, with patience: transient errors again, a lost server anew."""
        is_careful = False
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._transaction(ready, chain, is_careful)
            except _FATAL:
                raise
            except _TRANSIENT:
                is_careful = attempt >= ATTEMPTS
                if attempt > ATTEMPTS:
                    raise
                self._try_again(attempt)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if not (self._connection.closed or self._connection.broken):
                    raise
                committed = self._reconnect(ready.chunk, chain, error)
                if committed:
                    return committed
            except (psycopg.Error, RefusedRow):
                if is_careful:
                    raise
                is_careful = True

    def _back_off(self, attempt: int) -> None:
        """Wait a random part of a growing span, so that two writers do not meet again."""
        self._wait.wait(random.uniform(0, FIRST_BACKOFF_SECONDS * 2**attempt))

    def _try_again(self, attempt: int) -> None:
        """Wait; then renew the lease, which the failed transaction did not, and heed requests."""
        self._back_off(attempt)
        self.stop.check(self.plan.run_id)  # nothing is open here: as good as between chunks
        with contextlib.suppress(psycopg.OperationalError, psycopg.InterfaceError):
            # What is wrong here the next try meets again, and knows how to mend.
            _check_requests(lease.renew(self._connection, self.lease))

    def _reconnect(self, chunk: Chunk, chain: str, error: Exception) -> Checkpoint | None:
        """Connect again; return the chunk's checkpoint if its commit had got through."""
        deadline = time.monotonic() + RECONNECT_SECONDS
        attempt = 0
        while True:
            attempt += 1
            try:
                self._connection.close()
                self._connection = self.connect()
                committed = self._look_for(chunk, chain)
                break
            except (DatabaseUnreachable, psycopg.OperationalError, psycopg.InterfaceError):
                if time.monotonic() > deadline:
                    raise DatabaseUnreachable(
                        f"The database went away while run {self.plan.run_id} wrote chunk "
                        f"{chunk.number} ({str(error).splitlines()[0]}), and did not come back "
                        f"within {RECONNECT_SECONDS:.0f} s. Committed chunks stay committed. "
                        f"When it answers again: backfill resume {self.plan.run_id}"
                    ) from None
                self._back_off(min(attempt, 5))
        self.reporter.message("The connection was lost; connected again.", "warning")
        return committed

    def _look_for(self, chunk: Chunk, chain: str) -> Checkpoint | None:
        """Return the chunk's checkpoint, None when it is not committed.

        Raises `LostChunks` when the server lost some that it had confirmed: a standby that was
        promoted too early, or a crash without durable commits.
        """
        with self._connection.transaction():
            # Takes the row lock behind which a commit still under way would stand.
            lease.renew(self._connection, self.lease)
            done = Ledger(self._connection).checkpoints(self.plan.run_id)
        before = [checkpoint for checkpoint in done if checkpoint.chunk_no < chunk.number]
        if (before[-1].chain_hash if before else CHAIN_START) != chain:
            raise LostChunks(
                f"The server came back without chunks of run {self.plan.run_id} that it had "
                f"confirmed: {len(before)} of {chunk.number - 1} are there. Go on from what it "
                f"has: backfill resume {self.plan.run_id}"
            )
        return next((c for c in done if c.chunk_no == chunk.number), None)

    def _transaction(self, ready: _Ready, chain: str, is_careful: bool) -> Checkpoint:
        started = time.monotonic()
        connection = self._connection
        self.step("before_fence")
        with connection.transaction():
            fence = lease.renew(connection, self.lease)
            _check_requests(fence)
            written = self._write(connection, ready, is_careful)
            self.step("after_update")
            checkpoint = self._record(connection, ready, written, chain, fence, started)
            self.step("before_commit")
        self.step("after_commit")
        for skip in (*written.drifted, *written.skipped):
            self.reporter.skip(skip)
        return checkpoint

    def _write(self, connection: Connection, ready: _Ready, is_careful: bool) -> Written:
        idle = ready.chunk.changes.num_rows - ready.wanted.num_rows
        if not ready.wanted.num_rows:
            return Written(image_of(ready.wanted), idle)
        write = self._write_carefully if is_careful else self.writer.write
        written = write(connection, ready.wanted)
        return replace(written, unchanged=written.unchanged + idle)

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

    def _record(
        self,
        connection: Connection,
        ready: _Ready,
        written: Written,
        chain: str,
        fence: Fence,
        started: float,
    ) -> Checkpoint:
        chunk = ready.chunk
        known_drift = sum(skip.reason == SkipReason.DRIFTED for skip in chunk.skips)
        counts = Counts(
            updated=written.updated,
            unchanged=written.unchanged,
            drifted=len(written.drifted) + known_drift,
            skipped=len(chunk.skips) - known_drift + len(written.skipped),
        )
        assert counts.scanned == chunk.rows, f"chunk {chunk.number}: {counts} is not {chunk.rows}"
        is_as_planned = written.image.equals(image_of(ready.wanted))
        stored = ready.image if is_as_planned else image.encode(written.image)
        skips = (*chunk.skips, *written.drifted, *written.skipped)
        checkpoint = self._chained(chunk, counts, fence.now, started, chain, stored, skips)
        self._insert(connection, checkpoint, stored, skips)
        return checkpoint

    def _chained(
        self,
        chunk: Chunk,
        counts: Counts,
        now: dt.datetime,
        started: float,
        chain: str,
        stored: image.Image,
        skips: tuple[Skip, ...],
    ) -> Checkpoint:
        low, high = chunk.keys
        unchained = Checkpoint(
            chunk_no=chunk.number,
            key_low=low,
            key_high=high,
            scanned=counts.scanned,
            updated=counts.updated,
            unchanged=counts.unchanged,
            drifted=counts.drifted,
            skipped=counts.skipped,
            elapsed_ms=round((time.monotonic() - started) * 1000),
            chain_hash="",
            committed_at=now,
        )
        chain_hash = unchained.chained_to(
            self.plan.run_id, chain, stored.sha256, skips_digest(skips)
        )
        return replace(unchained, chain_hash=chain_hash)

    def _insert(
        self,
        connection: Connection,
        checkpoint: Checkpoint,
        stored: image.Image,
        skips: tuple[Skip, ...],
    ) -> None:
        run_id = self.plan.run_id
        names = Checkpoint.__dataclass_fields__
        connection.execute(
            "INSERT INTO backfill.checkpoint (run_id, chunk_no, key_low, key_high, scanned,"
            " updated, unchanged, drifted, skipped, elapsed_ms, chain_hash, committed_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [run_id, *(getattr(checkpoint, name) for name in names)],
        )
        connection.execute(
            "INSERT INTO backfill.chunk_image (run_id, chunk_no, rows, sha256, image)"
            " VALUES (%s, %s, %s, %s, %b)",
            [run_id, checkpoint.chunk_no, stored.rows, stored.sha256, stored.content],
        )
        if skips:
            connection.execute(
                "INSERT INTO backfill.skip (run_id, chunk_no, key, scope, column_name, reason,"
                " detail) SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::text[],"
                " %s::text[], %s::text[])",
                [
                    run_id,
                    checkpoint.chunk_no,
                    [skip.key for skip in skips],
                    [skip.scope for skip in skips],
                    [skip.column for skip in skips],
                    [skip.reason.value for skip in skips],
                    [skip.detail for skip in skips],
                ],
            )


def _check_requests(fence: Fence) -> None:
    if fence.is_cancel_requested:
        raise StopRequested(RunStatus.CANCELLED)
    if fence.is_pause_requested:
        raise StopRequested(RunStatus.PAUSED)


def _refused(changes: pa.Table, error: Exception) -> Skip:
    key, scope = (changes.column(name)[0].as_py() for name in ("key", "scope"))
    message = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return Skip(key, scope, "", SkipReason.DATABASE_ERROR, message)
