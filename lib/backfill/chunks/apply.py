"""Write ranges of a frozen plan, chunk by chunk, exactly once: read ahead, pace, commit, count."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from backfill.chunks.chunk_commit import (
    Behind,
    Committed,
    ReadyChunk,
    StopRequested,
    as_planned,
    check_requests,
)
from backfill.chunks.chunk_size import RECENT_CHUNKS, ChunkSizer
from backfill.chunks.found_again import TailLost, flush
from backfill.chunks.one_ahead import ROWS_AHEAD
from backfill.chunks.patience import PatientCommitter, Shared, behind_of, kept
from backfill.chunks.tally import Settle
from backfill.chunks.writing import ChunkWriter, image_of
from backfill.display.counting import counted
from backfill.errors import LeaseHeld
from backfill.folder import RunFolder
from backfill.next_command import next_command
from backfill.plans.plan import ChunkReader, Plan
from backfill.records.checkpoint import Counts
from backfill.records.lease import stand_by
from backfill.records.ledger import Ledger
from backfill.records.parts import Part
from backfill.records.positions import Positions
from backfill.records.ranges import RangeClaim, done_of, ranges_of, renew_range, take_range
from backfill.rows import image
from backfill.server.postgres import Connection
from backfill.status import RunStatus

STAND_BY_SECONDS = 0.2
#: Every so many looks, what others have written meanwhile is counted.
_LOOKS_BETWEEN_COUNTS = 10
#: So many chunks are made ready in one go, if they have no more than so many rows.
_CHUNKS_TOGETHER, _ROWS_TOGETHER = 8, 4_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Approved:
    """A part that was approved, the rows of the plan that it covers, and the plan's files."""

    plan: Plan
    folder: RunFolder
    part: Part
    positions: Positions


@dataclass
class Applier:
    """One writer over one connection: takes range after range of a part, until all have ended."""

    approved: Approved
    shared: Shared
    writer: ChunkWriter

    def __post_init__(self) -> None:
        self._committer = PatientCommitter(self.shared, self.writer)
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="next-chunk")
        self._wait = threading.Event()
        self._sizer = self._committer.ask(self._sized)
        self._held: RangeClaim | None = None

    @property
    def held(self) -> Mapping[int, int]:
        """The range that this applier holds, if any: its token by its number."""
        claim = self._held
        return {claim.range.range_no: claim.range.lease_token} if claim else {}

    def run(self) -> None:
        """Write what is left of the part, beside whoever else does.

        Raises `StopRequested`, `Interrupted` or `Terminated` between chunks, `LeaseHeld` when
        the lease was lost, `TooManySkips`, `DatabaseUnreachable`.
        """
        while claim := self._next_range():
            self._held = claim
            while not self._is_written(claim):
                pass
            self._held = None

    def close(self) -> None:
        self._ahead.shutdown()
        self._committer.close()

    def _next_range(self) -> RangeClaim | None:
        """Return a range to write; waits while others hold all that are left."""
        looks = 0
        while True:
            self.shared.stop.check()
            if claim := self._committer.ask(lambda c: take_range(c, self.shared.lease)):
                return claim
            is_over = self._committer.ask(self._is_over)
            if is_over or looks % _LOOKS_BETWEEN_COUNTS == 0:
                total = self._committer.ask(lambda c: Ledger(c).totals(self.shared.lease.run_id))
                self.shared.tally.see(total, lambda: self._committer.ask(flush))
            if is_over:
                return None
            looks += 1
            self._wait.wait(STAND_BY_SECONDS)

    def _sized(self, connection: Connection) -> ChunkSizer:
        """Return what chooses the chunks' size; of a run that goes on it knows the last ones."""
        before: list[tuple[int, float]] = []
        settings = self.shared.settings
        if settings.chunk_rows is None:
            done = Ledger(connection).checkpoints(self.shared.lease.run_id)
            last = sorted(done, key=lambda chunk: chunk.committed_at)[-RECENT_CHUNKS:]
            before = [(chunk.scanned, chunk.elapsed_ms / 1000) for chunk in last]
        return ChunkSizer(settings.chunk_rows, settings.chunk_seconds, before)

    def _is_over(self, connection: Connection) -> bool:
        """Whether every range has ended; else keep the run's lease alive."""
        if self._have_ended(connection):
            return True
        try:
            check_requests(stand_by(connection, self.shared.lease))
        except LeaseHeld:
            if self._have_ended(connection):  # at this very moment
                return True
            run = Ledger(connection).find(self.shared.lease.run_id)
            if run and run.status in (RunStatus.PAUSED, RunStatus.CANCELLED):
                raise StopRequested(run.status) from None  # the others heeded it already
            raise
        return False

    def _have_ended(self, connection: Connection) -> bool:
        return all(entry.has_ended for entry in ranges_of(connection, self.shared.lease.run_id))

    def _is_written(self, claim: RangeClaim) -> bool:
        """Write what is left of a range; whether it is through, or a crash took its end back."""
        try:
            self._write(claim)
        except TailLost as lost:
            self.shared.tally.take_back(lost.counts)
            self.shared.reporter.message(
                f"The server came back without its last {counted(lost.chunks, 'chunk')}, which it "
                "did not have on its disk yet: they are written again.",
                "warning",
            )
            return False
        return True

    def _write(self, claim: RangeClaim) -> None:
        """Write what is left of a range, and at its end the rows that were locked before."""
        reader, number, behind = self._committer.ask(lambda c: self._beginning(c, claim))
        if not reader.remaining and not behind.locked.rows:
            # By an earlier version, which knew no ranges.
            self._committer.ask(lambda c: renew_range(c, claim, is_last=True))
        number, behind = self._write_all(claim, reader, number, behind)
        if behind.locked.rows:
            sweep = self._reader(0, behind.locked.rows, behind.locked)
            self._write_all(claim, sweep, number, replace(behind, is_sweep=True))

    def _write_all(
        self, claim: RangeClaim, reader: ChunkReader, number: int, behind: Behind
    ) -> tuple[int, Behind]:
        """Write what the reader has; return the number of the next chunk, and what is behind."""
        chunks = Peekable(self._ready_chunks(reader))
        try:
            for chunk in chunks:
                if not self._committer.is_under_way:
                    self.shared.stop.check()
                    self.shared.pace.before_chunk(lambda: self._committer.breathe(claim))
                    self.shared.step("between_chunks")
                if behind.is_sweep:
                    own = chunk.wanted.column("position").to_numpy()
                    behind = replace(behind, locked=behind.locked.without(own))
                ready = _placed(chunk, number, behind)
                following = partial(self._following, chunks, behind)
                with self.shared.stop.shielded():
                    done = self._committer.commit(claim, ready, behind, following)
                number, behind = number + kept(done), behind_of(behind, done)
                settle = partial(self._committer.settle, claim, number, behind.chain)
                for committed in done:
                    self._count(committed, settle)
        finally:
            with self.shared.stop.shielded():
                self._committer.finish()
        return number, behind

    def _following(
        self, chunks: Peekable[ReadyChunk], behind: Behind, under_way: Sequence[ReadyChunk]
    ) -> ReadyChunk | None:
        """Return what comes behind these chunks, if it may be sent before they are answered.

        Not where anybody may want to stop, to wait or to be told in between; nor large chunks,
        whose size follows the time that the last one took, and which would win nothing.
        """
        rows = self.shared.settings.chunk_rows
        if rows is None or rows > ROWS_AHEAD or self.shared.stop.is_asked:
            return None
        counts = sum(map(as_planned, under_way), Counts())
        if not (self.shared.pace.lets_follow() and self.shared.tally.lets_follow(counts)):
            return None
        chunk = chunks.peek(len(under_way) - 1)
        return chunk and _placed(chunk, under_way[-1].chunk.number + 1, behind)

    def _count(self, committed: Committed, settle: Settle) -> None:
        self.shared.reporter.skips(committed.left_alone)
        if checkpoint := committed.checkpoint:
            seconds = checkpoint.elapsed_ms / 1000
            self._sizer.record(checkpoint.scanned, seconds)
            self.shared.pace.after_chunk(checkpoint.scanned, seconds)
            self.shared.tally.leave(committed.left_alone)
            self.shared.tally.add(checkpoint.counts, settle)

    def _beginning(
        self, connection: Connection, claim: RangeClaim
    ) -> tuple[ChunkReader, int, Behind]:
        """Return what reads the rest of a range, its next chunk's number, and what is behind."""
        stretch, part = claim.range, self.approved.part
        if stretch.part_no != part.part_no:
            raise LeaseHeld(
                f"Part {stretch.part_no} of run {claim.run_id} was begun meanwhile. Join it with: "
                f"{next_command('apply', claim.run_id, '--join')}"
            )
        done = done_of(connection, claim.run_id, stretch)
        reader = self._reader(
            stretch.row_low + done.passed, stretch.row_high, self.approved.positions
        )
        chain = done.chain_hash or part.chain_start(stretch)
        return reader, stretch.first_chunk_no + done.chunks, Behind(chain, done.locked)

    def _reader(self, low: int, high: int, among: Positions) -> ChunkReader:
        return ChunkReader(self.approved.folder, self.approved.plan, low, high, among)

    def _ready_chunks(self, reader: ChunkReader) -> Iterator[ReadyChunk]:
        """Yield the reader's chunks, made ready while the server works on those before them."""
        following = self._get_ready(reader)
        while ready := following.result():
            following = self._get_ready(reader)
            yield from ready

    def _get_ready(self, reader: ChunkReader) -> Future[list[ReadyChunk]]:
        """Read, pack and encode the next chunks; small ones together, which costs less for each.

        Where their size follows the server, one at a time.
        """
        rows = self._sizer.rows
        fitting = min(_CHUNKS_TOGETHER, _ROWS_TOGETHER // rows)
        count = max(1, fitting) if self.shared.settings.chunk_rows else 1

        def work() -> list[ReadyChunk]:
            ready: list[ReadyChunk] = []
            while reader.remaining and len(ready) < count:
                chunk = reader.take(0, rows)  # numbered when it is its turn
                wanted = _wanted(chunk.changes)
                written = image.encode(image_of(wanted))
                ready.append(ReadyChunk(chunk, wanted, written, is_last=not reader.remaining))
            if ready:
                self.writer.prepare([chunk.wanted for chunk in ready])
            return ready

        return self._ahead.submit(work)


def _placed(chunk: ReadyChunk, number: int, behind: Behind) -> ReadyChunk:
    """Return a chunk in its place; its range does not end while locked rows are to come back."""
    comes_back = bool(behind.locked.rows) and not behind.is_sweep
    return replace(chunk, is_last=chunk.is_last and not comes_back).numbered(number)


def _wanted(changes: pa.Table) -> pa.Table:
    is_wanted = pc.not_equal(changes.column("kind"), "unchanged")
    return changes if pc.all(is_wanted).as_py() else changes.filter(is_wanted)


class Peekable(Generic[T]):
    """Yields what an iterator yields; nothing is fetched before it is asked for."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._next: deque[T] = deque()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return self._next.popleft() if self._next else next(self._items)

    def peek(self, place: int = 0) -> T | None:
        """Return what comes next, or so many places behind that; None where nothing does."""
        missing = place + 1 - len(self._next)
        self._next.extend(itertools.islice(self._items, max(missing, 0)))
        return self._next[place] if place < len(self._next) else None
