"""Holds a run's writers back while the database has better things to do, and says why.

Between two chunks, nothing is open: 1. judge the last readings of the watch and the WAL budget;
2. go, or wait for news and judge again, renewing the lease meanwhile; 3. a wait that lasts is
told: on the run's row, to whoever listens, in the run's folder; 4. a critical reading ends the
run, resumable. All waits are counted by signal.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg

from backfill.errors import BackfillError, PressureTooHigh
from backfill.politeness.pace import Breathe, Pace
from backfill.politeness.signals import SIGNALS, Signal
from backfill.politeness.throttle import Hold, Throttle, WalBudget, judge
from backfill.politeness.waiting import note_waited, note_waiting
from backfill.politeness.watch import LIMITS, Spare, Watch
from backfill.records.lease import Lease
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.server.postgres import Connection, scalar

#: A shorter wait is counted, not told: a WAL budget may wait after each chunk.
TOLD_SECONDS = 1.0
BREATH_SECONDS = 1.0
#: How often the text on the run's row follows a value that changes.
RETOLD_SECONDS = 5.0
_LOOK_SECONDS = 0.2


@dataclass
class _Wait:
    """One wait of the process for one signal; `noted` is what the run's row says of it."""

    signal: Signal
    began: float
    tell_at: float
    noted: str = ""
    noted_at: float = 0.0

    @property
    def waited_ms(self) -> int:
        return round((time.monotonic() - self.began) * 1000)


class PolitePace(Pace):
    """The pace of one process that writes a run to `tables` (`schema.name`), by a throttle."""

    def __init__(
        self,
        database: Database,
        throttle: Throttle,
        tables: Sequence[str],
        claim: Lease,
        reporter: Reporter,
    ) -> None:
        self._throttle = throttle
        self._watch = Watch(
            lambda: database.connect(read_only=True, limits=LIMITS), throttle, tables
        )
        self._claim = claim
        self._reporter = reporter
        self._lock = threading.RLock()
        self._spare = Spare(lambda: database.connect(limits=LIMITS))
        self._wait: _Wait | None = None
        self._paused: Counter[Signal] = Counter()  # milliseconds that are not noted yet
        self._budget = WalBudget(throttle.wal_budget) if throttle.wal_budget else None
        self._writers = 0
        self._written: int | None = None  # bytes of WAL, and when that was
        self._written_at = 0.0

    def before_chunk(self, breathe: Breathe, /) -> None:
        """Wait until the next chunk may be written.

        Raises `PressureTooHigh` at a critical reading, and what `breathe` raises.
        """
        breathed = time.monotonic()
        while hold := self._hold():
            self._begin_wait(hold)
            if hold.is_critical:
                raise PressureTooHigh(
                    f"Run {self._claim.run_id} stopped at a critical level: {hold.reason}."
                )
            if time.monotonic() - breathed >= BREATH_SECONDS:
                breathe()
                breathed = time.monotonic()
            self._watch.wait(_LOOK_SECONDS)
        with self._lock:
            if (wait := self._end_wait()) and wait.noted:
                self._reporter.go_on(self._claim.run_id, wait.signal.value, wait.waited_ms)
                self._note_waited()
            if self._writers == 0:
                self._look_at_wal()  # what others wrote in a wait is not ours
            self._writers += 1

    def lets_follow(self) -> bool:
        """Say whether nothing is wrong; what a WAL budget allows it knows after each chunk only."""
        return self._budget is None and self._hold() is None

    def after_chunk(self, _rows: int, _seconds: float, /) -> None:
        """Charge the chunk's WAL to the budget."""
        with self._lock:
            before, since = self._written, self._written_at
            self._look_at_wal()
            if self._budget and before is not None and self._written is not None:
                self._budget.spend(self._written - before, since)
            self._writers -= 1

    def close(self) -> None:
        """End the watch and note what was waited."""
        self._watch.close()
        with self._lock:
            self._end_wait()
            self._note_waited()
            self._spare.close()

    def _hold(self) -> Hold | None:
        now = time.monotonic()
        hold = judge(self._throttle.limits, *self._watch.last(), now)
        return hold or (self._budget.judge(now) if self._budget else None)

    def _begin_wait(self, hold: Hold) -> None:
        """Count the wait from now on as this signal's; tell of it once it lasts."""
        with self._lock:
            now = time.monotonic()
            if self._wait is None or self._wait.signal is not hold.signal:
                before = self._end_wait()
                is_told = before is not None and before.noted
                self._wait = _Wait(hold.signal, now, now if is_told else now + TOLD_SECONDS)
            wait = self._wait
            if now < wait.tell_at:
                return
            if not wait.noted:
                self._reporter.pause(self._claim.run_id, hold.signal.value, hold.reason)
            if wait.noted != hold.reason and now - wait.noted_at >= RETOLD_SECONDS:
                wait.noted, wait.noted_at = hold.reason, now
                waited = now - wait.began
                self._do(lambda c: note_waiting(c, self._claim, hold.reason, waited))

    def _end_wait(self) -> _Wait | None:
        """Count a wait that ends, and forget it."""
        wait, self._wait = self._wait, None
        if wait:
            self._paused[wait.signal] += wait.waited_ms
        return wait

    def _note_waited(self) -> None:
        """Add what was waited to the run's row, also the short waits before."""
        if self._paused and self._do(lambda c: note_waited(c, self._claim, self._paused)):
            self._paused.clear()

    def _look_at_wal(self) -> None:
        """With a budget, set how many bytes of WAL there are, None if the server does not say."""
        if self._budget is None:
            return
        self._written, self._written_at = None, time.monotonic()

        def look(connection: Connection) -> None:
            self._written = int(scalar(connection, SIGNALS[Signal.WAL_RATE].query))

        self._do(look)

    def _do(self, work: Callable[[Connection], object]) -> bool:
        """Do something on our own connection; return False if it can not be done now."""
        try:
            self._spare.ask(work)
        except (BackfillError, psycopg.Error):
            return False
        return True
