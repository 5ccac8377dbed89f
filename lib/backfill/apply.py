"""Write one frozen plan, chunk by chunk, exactly once: read ahead, pace, commit, report."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow.compute as pc

from backfill import image
from backfill.chunk_commit import ReadyChunk, Step, no_step
from backfill.chunk_size import RECENT_CHUNKS, ChunkSizer
from backfill.errors import TooManySkips
from backfill.folder import RunFolder
from backfill.lease import Lease
from backfill.ledger import CHAIN_START, Counts, Ledger
from backfill.pace import Pace, Unpaced
from backfill.patience import Connect, PatientCommitter
from backfill.plan import ChunkReader, Plan
from backfill.report import Reporter
from backfill.settings import EngineSettings
from backfill.stop import StopSignals
from backfill.writing import ChunkWriter, image_of


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
    pace: Pace = field(default_factory=Unpaced)

    def __post_init__(self) -> None:
        self._committer = PatientCommitter(
            self.lease, self.writer, self.connect, self.reporter, self.stop, self.step
        )
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="next-chunk")

    def run(self) -> Counts:
        """Write what is left of the plan; return the counts of the whole run.

        Raises `StopRequested`, `Interrupted` or `Terminated` between chunks, `LeaseHeld` when
        the lease was lost, `TooManySkips`, `DatabaseUnreachable`.
        """
        done = Ledger(self._committer.connection).checkpoints(self.plan.run_id)
        total = sum((checkpoint.counts for checkpoint in done), Counts())
        number = done[-1].chunk_no if done else 0
        chain = done[-1].chain_hash if done else CHAIN_START
        reader = ChunkReader(self.folder, self.plan, total.scanned)
        known = [(chunk.scanned, chunk.elapsed_ms / 1000) for chunk in done[-RECENT_CHUNKS:]]
        sizer = ChunkSizer(self.settings.chunk_rows, self.settings.chunk_seconds, known)
        self.reporter.progress(self.plan.run_id, total, reader.remaining)
        reported = total.scanned
        following = self._get_ready(reader, number + 1, sizer.rows)
        while ready := following.result():
            self.stop.check(self.plan.run_id)
            self.pace.before_chunk(self._committer.breathe)
            self.step("between_chunks")
            following = self._get_ready(reader, ready.chunk.number + 1, sizer.rows)
            with self.stop.shielded():
                committed = self._committer.commit(ready, chain)
            checkpoint = committed.checkpoint
            for skip in committed.left_alone:
                self.reporter.skip(skip)
            chain = checkpoint.chain_hash
            total += checkpoint.counts
            remaining = self.plan.rows - total.scanned
            seconds = checkpoint.elapsed_ms / 1000
            sizer.record(ready.chunk.rows, seconds)
            self.pace.after_chunk(ready.chunk.rows, seconds)
            if self._is_due(total.scanned, reported) or not remaining:
                self.reporter.progress(self.plan.run_id, total, remaining)
                reported = total.scanned
            self._check_skips(total)
        return total

    def close(self) -> None:
        self._ahead.shutdown()
        self._committer.close()

    def _get_ready(self, reader: ChunkReader, number: int, rows: int) -> Future[ReadyChunk | None]:
        """Read, pack and encode a chunk while the server works on the one before it."""

        def work() -> ReadyChunk | None:
            if not reader.remaining:
                return None
            chunk = reader.take(number, rows)
            wanted = chunk.changes.filter(pc.not_equal(chunk.changes.column("kind"), "unchanged"))
            self.writer.prepare(wanted)
            return ReadyChunk(chunk, wanted, image.encode(image_of(wanted)))

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
