"""Write ranges of a frozen plan, chunk by chunk, exactly once: read ahead, pace, commit, count."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow.compute as pc

from backfill.chunks.chunk_commit import ReadyChunk, Step, StopRequested, check_requests, no_step
from backfill.chunks.chunk_size import RECENT_CHUNKS, ChunkSizer
from backfill.chunks.patience import Connect, PatientCommitter
from backfill.chunks.tally import Tally
from backfill.chunks.writing import ChunkWriter, image_of
from backfill.errors import LeaseHeld
from backfill.folder import RunFolder
from backfill.plans.plan import ChunkReader, Plan
from backfill.politeness.pace import Pace, Unpaced
from backfill.records.lease import Lease, stand_by
from backfill.records.ledger import Counts, Ledger
from backfill.records.parts import Part
from backfill.records.positions import Positions
from backfill.records.ranges import RangeClaim, done_of, ranges_of, renew_range, take_range
from backfill.report import Reporter
from backfill.rows import image
from backfill.server.postgres import Connection
from backfill.settings import EngineSettings
from backfill.status import RunStatus
from backfill.stop import StopSignals

STAND_BY_SECONDS = 0.2
#: Every so many looks, what others have written meanwhile is counted.
_LOOKS_BETWEEN_COUNTS = 10


@dataclass(frozen=True, slots=True)
class Approved:
    """A part that was approved, the rows of the plan that it covers, and the plan's files."""

    plan: Plan
    folder: RunFolder
    part: Part
    positions: Positions


@dataclass
class Applier:
    """One writer over one connection: takes range after range of a part, until all have ended.

    What it shares with the other workers of its process: lease, stop, tally and pace.
    """

    approved: Approved
    writer: ChunkWriter
    lease: Lease
    connect: Connect
    settings: EngineSettings
    reporter: Reporter
    stop: StopSignals
    tally: Tally
    step: Step = no_step
    pace: Pace = field(default_factory=Unpaced)

    def __post_init__(self) -> None:
        self._committer = PatientCommitter(
            self.lease.run_id, self.writer, self.connect, self.reporter, self.stop, self.step
        )
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
            self._write(claim)
            self._held = None

    def close(self) -> None:
        self._ahead.shutdown()
        self._committer.close()

    def _next_range(self) -> RangeClaim | None:
        """Return a range to write; waits while others hold all that are left."""
        looks = 0
        while True:
            self.stop.check()
            if claim := self._committer.ask(self._take):
                return claim
            is_over = self._committer.ask(self._is_over)
            if is_over or looks % _LOOKS_BETWEEN_COUNTS == 0:
                self.tally.see(self._committer.ask(self._totals))
            if is_over:
                return None
            looks += 1
            self._wait.wait(STAND_BY_SECONDS)

    def _sized(self, connection: Connection) -> ChunkSizer:
        """Return what chooses the chunks' size; of a run that goes on it knows the last ones."""
        known: list[tuple[int, float]] = []
        if self.settings.chunk_rows is None:
            done = Ledger(connection).checkpoints(self.lease.run_id)
            last = sorted(done, key=lambda chunk: chunk.committed_at)[-RECENT_CHUNKS:]
            known = [(chunk.scanned, chunk.elapsed_ms / 1000) for chunk in last]
        return ChunkSizer(self.settings.chunk_rows, self.settings.chunk_seconds, known)

    def _take(self, connection: Connection) -> RangeClaim | None:
        return take_range(connection, self.lease)

    def _is_over(self, connection: Connection) -> bool:
        """Whether every range has ended; else keep the run's lease alive."""
        if self._have_ended(connection):
            return True
        try:
            check_requests(stand_by(connection, self.lease))
        except LeaseHeld:
            if self._have_ended(connection):  # at this very moment
                return True
            run = Ledger(connection).find(self.lease.run_id)
            if run and run.status in (RunStatus.PAUSED, RunStatus.CANCELLED):
                raise StopRequested(run.status) from None  # the others heeded it already
            raise
        return False

    def _have_ended(self, connection: Connection) -> bool:
        return all(entry.has_ended for entry in ranges_of(connection, self.lease.run_id))

    def _totals(self, connection: Connection) -> Counts:
        return Ledger(connection).totals(self.lease.run_id)

    def _write(self, claim: RangeClaim) -> None:
        """Write what is left of a range."""
        reader, number, chain = self._committer.ask(lambda c: self._beginning(c, claim))
        if not reader.remaining:  # by an earlier version, which knew no ranges
            self._committer.ask(lambda c: renew_range(c, claim, is_last=True))
        following = self._get_ready(reader, number)
        while ready := following.result():
            self.stop.check()
            self.pace.before_chunk(lambda: self._committer.breathe(claim))
            self.step("between_chunks")
            following = self._get_ready(reader, ready.chunk.number + 1)
            with self.stop.shielded():
                committed = self._committer.commit(claim, ready, chain)
            checkpoint = committed.checkpoint
            for skip in committed.left_alone:
                self.reporter.skip(skip)
            chain = checkpoint.chain_hash
            seconds = checkpoint.elapsed_ms / 1000
            self._sizer.record(ready.chunk.rows, seconds)
            self.pace.after_chunk(ready.chunk.rows, seconds)
            self.tally.add(checkpoint.counts)

    def _beginning(self, connection: Connection, claim: RangeClaim) -> tuple[ChunkReader, int, str]:
        """Return what reads the rest of a range, its next chunk's number, and the chain so far."""
        stretch, part = claim.range, self.approved.part
        if stretch.part_no != part.part_no:
            raise LeaseHeld(
                f"Part {stretch.part_no} of run {claim.run_id} was begun meanwhile. Join it with: "
                f"backfill apply {claim.run_id} --join"
            )
        done = done_of(connection, claim.run_id, stretch)
        reader = ChunkReader(
            self.approved.folder,
            self.approved.plan,
            stretch.row_low + done.scanned,
            stretch.row_high,
            self.approved.positions,
        )
        chain = done.chain_hash or part.chain_start(stretch)
        return reader, stretch.first_chunk_no + done.chunks, chain

    def _get_ready(self, reader: ChunkReader, number: int) -> Future[ReadyChunk | None]:
        """Read, pack and encode a chunk while the server works on the one before it."""
        rows = self._sizer.rows

        def work() -> ReadyChunk | None:
            if not reader.remaining:
                return None
            chunk = reader.take(number, rows)
            wanted = chunk.changes.filter(pc.not_equal(chunk.changes.column("kind"), "unchanged"))
            self.writer.prepare(wanted)
            is_last = not reader.remaining
            return ReadyChunk(chunk, wanted, image.encode(image_of(wanted)), is_last)

        return self._ahead.submit(work)
