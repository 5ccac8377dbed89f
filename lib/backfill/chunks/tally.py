"""What all workers of a process have written so far: counted once, reported now and then."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from backfill.errors import TooManySkips
from backfill.next_command import next_command
from backfill.records.checkpoint import COUNTED, Counts
from backfill.report import Reporter
from backfill.settings import EngineSettings
from backfill.skips import Skip

Settle = Callable[[], None]


def is_settled() -> None:
    """For who knows that all he counts is on the server's disk."""


@dataclass
class Tally:
    """Counts of a run; `rows` is how many the run has when its present part is written.

    Two sums of the same chunks: of those that this process has written and added, from where the
    run stood; and of all that the database had when it was last asked, which other processes
    write to as well. The second may hold chunks that this process has yet to add, so the two are
    never added up: the one that is further counts. Safe to use from several threads.
    """

    run_id: str
    rows: int
    settings: EngineSettings
    reporter: Reporter
    total: Counts = field(default_factory=Counts)
    #: Rows left alone when they were to be written, by reason.
    left: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._own = self.total
        self._reported = self.total.scanned

    @property
    def remaining(self) -> int:
        return max(self.rows - self.total.scanned, 0)

    def begin(self) -> None:
        """Say how far the run is before this process writes."""
        self.reporter.progress(self.run_id, self.total, self.remaining)

    def add(self, counts: Counts, settle: Settle = is_settled) -> None:
        """Count a committed chunk; report when that is due. Raises `TooManySkips`.

        Before a report `settle` waits until what it tells of is on the server's disk.
        """
        with self._lock:
            self._own += counts
            self._advance(self._own, settle)
            self._check_skips()

    def lets_follow(self, counts: Counts) -> bool:
        """Whether a chunk with these counts would neither be reported nor end the run."""
        with self._lock:
            total = self._own + counts
            may_stop = counts.skipped > 0 and bool(self.settings.skip_limits())
            return not (may_stop or self._is_due(total) or total.scanned >= self.rows)

    def leave(self, skips: Iterable[Skip]) -> None:
        """Count rows of the chunk that is added next, which were left alone only now."""
        with self._lock:
            self.left.update(skip.reason.value for skip in skips)

    def see(self, total: Counts, settle: Settle = is_settled) -> None:
        """Take over what the database counts: other processes write as well."""
        with self._lock:
            self._advance(total, settle)

    def take_back(self, counts: Counts) -> None:
        """Count no longer what a crash of the server took back."""
        with self._lock:
            self._own += Counts(*(-getattr(counts, name) for name in COUNTED))
            self.total = self._own

    def _advance(self, total: Counts, settle: Settle) -> None:
        if total.scanned > self.total.scanned:
            self.total = total
            self._report(settle)

    def _report(self, settle: Settle) -> None:
        if self._is_due(self.total) or not self.remaining:
            settle()
            self.reporter.progress(self.run_id, self.total, self.remaining)
            self._reported = self.total.scanned
        elif self.settings.progress_interval_rows:
            self.reporter.tick(self.run_id, self.total, self.remaining)

    def _is_due(self, total: Counts) -> bool:
        interval = self.settings.progress_interval_rows
        scanned = total.scanned
        return bool(interval) and scanned // interval > self._reported // interval

    def _check_skips(self) -> None:
        for reason, allowed in self.settings.skip_limits().items():
            skipped = self.left[reason] if reason else self.total.skipped
            if skipped <= allowed:
                continue
            what = f"{skipped} rows" + (f" as {reason}" if reason else "")
            raise TooManySkips(
                f"Run {self.run_id} skipped {what}; --max-skips allows "
                f"{allowed}. It stopped after the last chunk. Look: "
                f"{next_command('status', self.run_id)} · go on, with no limit: "
                f"{next_command('resume', self.run_id, '--max-skips', '-1')}"
            )
