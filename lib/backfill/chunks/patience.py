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
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import psycopg
import pyarrow as pa

from backfill.chunks.careful import BUSY, CarefulWriter
from backfill.chunks.chunk_commit import (
    Behind,
    CommitRefused,
    Committed,
    ReadyChunk,
    Step,
    Write,
    check_requests,
    commit_chunk,
    no_step,
)
from backfill.chunks.chunk_statement import NotAsPlanned
from backfill.chunks.found_again import LostChunks, TailLost, flush, is_there, look_for
from backfill.chunks.one_ahead import Following, OneAhead, alone
from backfill.chunks.refusals import Refusals, is_hopeless
from backfill.chunks.tally import Tally
from backfill.chunks.writing import ChunkWriter, RefusedRow, Written
from backfill.errors import DatabaseUnreachable, first_line
from backfill.next_command import next_command
from backfill.politeness.pace import Pace
from backfill.records.checkpoint import Checkpoint, Counts
from backfill.records.lease import Lease
from backfill.records.ranges import RangeClaim, renew_range
from backfill.report import Reporter
from backfill.server.in_bulk import may_be_of_a_row
from backfill.server.postgres import AWAY, Connection
from backfill.server.session import Session
from backfill.settings import EngineSettings
from backfill.stop import StopSignals

ATTEMPTS = 5
RECONNECT_SECONDS = 30.0
FIRST_BACKOFF_SECONDS = 0.1

#: Worth the same statement again: nothing is wrong with the rows.
TRANSIENT = (*BUSY, psycopg.errors.QueryCanceled)

Connect = Callable[[], Session]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shared:
    """What the workers of one process share while they write a run."""

    lease: Lease
    connect: Connect
    settings: EngineSettings
    reporter: Reporter
    stop: StopSignals
    tally: Tally
    refusals: Refusals
    passes_over: bool  # rows that are locked, until the end of their range
    step: Step
    pace: Pace


@dataclass
class PatientCommitter:
    """Commits chunks of one run over a connection that it may have to renew."""

    shared: Shared
    writer: ChunkWriter

    def __post_init__(self) -> None:
        self.connection = self.shared.connect()
        self._at_once = OneAhead(self.writer)
        self._wait = threading.Event()
        # What a crash of the server may take back of the range: its last chunks.
        self._at_risk: list[Counts] = []
        self._losses = Counter[int]()  # connections, by the chunk that was written

    def close(self) -> None:
        self.connection.close()

    @property
    def is_under_way(self) -> bool:
        """Whether the next chunk was sent already, with the one before it."""
        return self._at_once.is_under_way

    def finish(self) -> None:
        """Wait for a chunk that was sent ahead and whose turn never comes."""
        self._at_once.look(self.connection)

    def commit(
        self,
        claim: RangeClaim,
        ready: ReadyChunk,
        behind: Behind,
        following: Following = alone,
    ) -> list[Committed]:
        """Commit one chunk; transient errors again, a lost server anew, bad rows left alone.

        Returns several where the rows that fail at the commit had to be told from the others.
        `following` says what may be sent before the answer is there.
        """
        tried = ready.wanted.num_rows
        # Whoever watches the steps of a chunk gets them one by one.
        is_plain = self.shared.step is no_step and not behind.is_sweep
        error = self._try_at_once(claim, ready, behind, following) if is_plain else None
        if isinstance(error, Committed):
            self.shared.refusals.record(tried)
            if error.is_on_disk:
                self._at_risk.clear()
            elif error.checkpoint:
                self._at_risk.append(error.checkpoint.counts)
            return [error]
        try:
            committed = self._persist(claim, ready, behind, knows_locks=isinstance(error, BUSY))
            self._at_risk.clear()
            return [committed]
        except CommitRefused as refused:
            if tried == 1:
                committed = self._leave(claim, ready, behind, refused.error)
                self._at_risk.clear()
                return [committed]
        first, rest = ready.halves()
        done = self.commit(claim, first, behind)
        number = first.chunk.number + kept(done)
        return done + self.commit(claim, rest.numbered(number), behind_of(behind, done))

    def _persist(
        self, claim: RangeClaim, ready: ReadyChunk, behind: Behind, *, knows_locks: bool
    ) -> Committed:
        is_careful = knows_locks
        attempt = 0
        while True:
            attempt += 1
            try:
                if is_careful:
                    return self._try_carefully(claim, ready, behind, knows_locks=knows_locks)
                return self._try(claim, ready, behind, self.writer.write)
            except TRANSIENT as error:
                if attempt > ATTEMPTS:
                    raise
                knows_locks = knows_locks or isinstance(error, BUSY)
                is_locked = isinstance(error, psycopg.errors.LockNotAvailable)
                is_careful = attempt >= ATTEMPTS or (is_locked and self._comes_back(behind))
                self._back_off(attempt)
                # The failed transaction did not renew the lease; somebody may want us to stop.
                self.breathe(claim)
            except AWAY as error:
                if not self._is_away(error):
                    if is_careful or not may_be_of_a_row(error):
                        raise
                    is_careful = True
                    continue
                self._lose(ready.chunk.number, error)
                if done := self._look_again(claim, ready.chunk.number, behind.chain, error):
                    return Committed(done)
            except (CommitRefused, psycopg.Error, RefusedRow) as error:
                # By a session that we had lost, which committed it after all?
                number, chain = ready.chunk.number, behind.chain
                look = functools.partial(look_for, claim=claim, number=number, chain=chain)
                if is_there(error) and (done := self.ask(look)):
                    return Committed(done)
                if is_careful or is_hopeless(error):
                    raise
                is_careful = True

    def _lose(self, number: int, error: Exception) -> None:
        """Count a connection that a chunk cost; the rows of one may end any that writes them, or
        crash the server, each time anew."""
        self._losses[number] += 1
        if self._losses[number] > ATTEMPTS:
            raise _gone(
                self.shared.lease.run_id,
                f"wrote chunk {number}",
                error,
                f"the same happened {ATTEMPTS} times more, though the server answered in between: "
                "a trigger of these rows may end the session, or what others set does; its log "
                "tells",
            ) from None
        if self._losses[number] > 1:
            self._back_off(min(self._losses[number], 3))

    def settle(self, claim: RangeClaim, number: int, chain: str) -> None:
        """Wait until all that was committed is on the server's disk; `number` is the next chunk's.

        Raises `TailLost` when the server crashed before it was.
        """
        if not self._at_risk:
            return
        self._at_once.look(self.connection)
        try:
            flush(self.connection)
        except AWAY as error:
            if not self._is_away(error):
                raise
            # What is there after a crash is there for good.
            self._look_again(claim, number, chain, error)
        self._at_risk.clear()

    def _comes_back(self, behind: Behind) -> bool:
        """Whether rows that are locked now are written at the range's end."""
        return self.shared.passes_over and not behind.is_sweep

    def _try_at_once(
        self, claim: RangeClaim, ready: ReadyChunk, behind: Behind, following: Following
    ) -> Committed | psycopg.Error | None:
        """Commit a chunk in one statement; else nothing was written, and why, if there is a why.

        A server that was lost meanwhile the first step of the careful way finds lost.
        """
        try:
            return self._at_once.commit(self.connection, claim, ready, behind.chain, following)
        except NotAsPlanned:
            return None
        except psycopg.Error as error:
            if is_hopeless(error) and not self._is_away(error):
                raise
            return error

    def _try(self, claim: RangeClaim, ready: ReadyChunk, behind: Behind, write: Write) -> Committed:
        return commit_chunk(self.connection, claim, ready, behind, write, self.shared.step)

    def _try_carefully(
        self, claim: RangeClaim, ready: ReadyChunk, behind: Behind, *, knows_locks: bool
    ) -> Committed:
        careful = CarefulWriter(self.writer, self._comes_back(behind), knows_locks)
        return self._judged(claim, ready, behind, careful, careful.write)

    def _leave(
        self, claim: RangeClaim, ready: ReadyChunk, behind: Behind, error: psycopg.Error
    ) -> Committed:
        """Commit a chunk without its only row, whose commit fails."""
        careful = CarefulWriter(self.writer, comes_back=False, knows_locks=False)

        def write(connection: Connection, changes: pa.Table) -> Written:
            return careful.leave(connection, changes, error)

        return self._judged(claim, ready, behind, careful, write)

    def _judged(
        self,
        claim: RangeClaim,
        ready: ReadyChunk,
        behind: Behind,
        careful: CarefulWriter,
        write: Write,
    ) -> Committed:
        tried = 0

        def judged(connection: Connection, changes: pa.Table) -> Written:
            nonlocal tried
            written = write(connection, changes)
            tried = changes.num_rows - len(written.locked)
            self.shared.refusals.judge(ready.chunk.number, tried, careful.refused)
            return written

        committed = self._try(claim, ready, behind, judged)
        self.shared.refusals.record(tried, careful.refused)
        return committed

    def _look_again(
        self, claim: RangeClaim, number: int, chain: str, error: Exception
    ) -> Checkpoint | None:
        """Connect again; return the chunk's checkpoint, if its commit got through."""
        look = functools.partial(look_for, claim=claim, number=number, chain=chain)
        try:
            return self._reconnect(look, f"wrote chunk {number}", error)
        except LostChunks as lost:
            if not 0 < lost.missing <= len(self._at_risk):
                raise
            gone = sum(self._at_risk[-lost.missing :], Counts())
            self._at_risk.clear()
            raise TailLost(lost.missing, gone) from None

    def ask(self, question: Callable[[Connection], T]) -> T:
        """Return what a question that may be asked twice answers; a lost server is asked anew."""
        self._at_once.look(self.connection)
        try:
            return question(self.connection)
        except AWAY as error:
            if not self._is_away(error):
                raise
            return self._reconnect(question, "looked for its next rows", error)

    def breathe(self, claim: RangeClaim) -> None:
        """Heed signals and requests, and renew the lease, while nothing is open: see `Pace`."""
        self.shared.stop.check()
        self._at_once.look(self.connection)
        try:
            fence = renew_range(self.connection, claim)
        except AWAY as error:
            # What is wrong here the next try meets again, and knows how to mend.
            if not self._is_away(error):
                return
            # Until then, which may be long, the lease is kept over another connection.
            with (
                contextlib.suppress(DatabaseUnreachable, psycopg.Error),
                contextlib.closing(self.shared.connect()) as spare,
            ):
                check_requests(renew_range(spare, claim))
            return
        check_requests(fence)

    def _is_away(self, error: Exception) -> bool:
        """Whether to wait for the server: the connection is gone, or leads to one that only reads.

        After a failover an address may lead to the standby for some seconds before its promotion.
        """
        is_lost = self.connection.closed or self.connection.broken
        return is_lost or isinstance(error, psycopg.errors.ReadOnlySqlTransaction)

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
                self.connection = self.shared.connect()
                answer = look(self.connection)
                break
            except (DatabaseUnreachable, *AWAY):
                if time.monotonic() > deadline:
                    late = f"did not come back within {RECONNECT_SECONDS:.0f} s"
                    raise _gone(self.shared.lease.run_id, what, error, late) from None
                self._back_off(min(attempt, 5))
        self.shared.reporter.message("The connection was lost; connected again.", "warning")
        return answer


def _gone(run_id: str, what: str, error: Exception, how: str) -> DatabaseUnreachable:
    return DatabaseUnreachable(
        f"The database went away while run {run_id} {what} ({first_line(error)}), and "
        f"{how}. What was reported stays committed. When it answers again: "
        f"{next_command('resume', run_id)}"
    )


def behind_of(behind: Behind, done: Sequence[Committed]) -> Behind:
    """Return what the next chunk comes after, once these were committed."""
    chain, locked = behind.chain, behind.locked
    for committed in done:
        chain = committed.checkpoint.chain_hash if committed.checkpoint else chain
        locked = locked.with_places(committed.locked) if committed.locked else locked
    return replace(behind, chain=chain, locked=locked)


def kept(done: Sequence[Committed]) -> int:
    """Return how many chunks' numbers are taken: those that left a checkpoint."""
    return sum(committed.checkpoint is not None for committed in done)
