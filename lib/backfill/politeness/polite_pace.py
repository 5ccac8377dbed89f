"""Holds a run's writers back while the database has better things to do, and says why.

Between two chunks, nothing is open: 1. judge the last readings of the watch and the WAL budget;
2. go, or wait for news and judge again, renewing the lease meanwhile; 3. a wait that lasts is
told: on the run's row, to whoever listens, in the run's folder; 4. a critical reading ends the
run, resumable. All waits are counted by signal.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg

from backfill.errors import BackfillError, PressureTooHigh
from backfill.politeness.pace import Breathe
from backfill.politeness.pressure import sources_of
from backfill.politeness.throttle import GO, Move, Signal, Throttle, Verdict, WalBudget, judge
from backfill.politeness.waiting import note_waited, note_waiting
from backfill.politeness.watch import LIMITS, Watch
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


def open_pace(
    database: Database,
    throttle: Throttle,
    tables: Sequence[str],
    claim: Lease,
    reporter: Reporter,
) -> PolitePace:
    """Return the pace of one process that writes a run to `tables` (`schema.name`)."""
    watch = Watch(
        lambda: database.connect(read_only=True, limits=LIMITS), sources_of(throttle, tables)
    )
    return PolitePace(throttle, watch, claim, lambda: database.connect(limits=LIMITS), reporter)


@dataclass
class _Wait:
    """One wait of the process; `told` is the signal that listeners know of."""

    signal: Signal
    began: float
    told: Signal | None = None
    noted: str = ""
    noted_at: float = 0.0


class PolitePace:
    """`Pace` by a throttle. One for all writers of a process; `close` when they have ended."""

    def __init__(
        self,
        throttle: Throttle,
        watch: Watch,
        claim: Lease,
        connect: Callable[[], Connection],
        reporter: Reporter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._throttle = throttle
        self._watch = watch
        self._claim = claim
        self._connect = connect
        self._reporter = reporter
        self._clock = clock
        self._lock = threading.RLock()
        self._connection: Connection | None = None
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
        breathed = self._clock()
        while (verdict := self._verdict()).move is not Move.GO:
            self._hold(verdict)
            if verdict.move is Move.STOP:
                raise PressureTooHigh(
                    f"Run {self._claim.run_id} stopped at a critical level: {verdict.reason}."
                )
            if self._clock() - breathed >= BREATH_SECONDS:
                breathe()
                breathed = self._clock()
            self._watch.wait(_LOOK_SECONDS)
        self._go_on()
        self._begin_writing()

    def after_chunk(self, _rows: int, _seconds: float, /) -> None:
        """Charge the chunk's WAL to the budget."""
        if self._budget is None:
            return
        with self._lock:
            self._charge(self._budget)
            self._writers -= 1

    def close(self) -> None:
        """End the watch and note what was waited."""
        self._watch.close()
        with self._lock:
            self._end_wait()
            self._note_waited()
            if self._connection:
                self._connection.close()

    def _verdict(self) -> Verdict:
        now = self._clock()
        readings, failures = self._watch.known()
        verdict = judge(self._throttle.limits, readings, failures, now)
        if verdict is GO and self._budget:
            return self._budget.judge(now)
        return verdict

    def _hold(self, verdict: Verdict) -> None:
        """Count the wait from now on as this verdict's; tell of it once it lasts."""
        assert verdict.signal is not None
        with self._lock:
            now = self._clock()
            if self._wait is None or self._wait.signal is not verdict.signal:
                told = self._wait.told if self._wait else None
                self._end_wait()
                self._wait = _Wait(verdict.signal, now, told)
            wait = self._wait
            if now - wait.began < TOLD_SECONDS and wait.told is None:
                return
            if wait.told is not verdict.signal:
                self._reporter.pause(self._claim.run_id, verdict.signal.value, verdict.reason)
                wait.told = verdict.signal
            if wait.noted != verdict.reason and now - wait.noted_at >= RETOLD_SECONDS:
                wait.noted, wait.noted_at = verdict.reason, now
                waited = now - wait.began
                self._note(lambda c: note_waiting(c, self._claim, verdict.reason, waited))

    def _end_wait(self) -> _Wait | None:
        """Count a wait that ends, and forget it."""
        wait, self._wait = self._wait, None
        if wait:
            self._paused[wait.signal] += round((self._clock() - wait.began) * 1000)
        return wait

    def _go_on(self) -> None:
        with self._lock:
            wait = self._end_wait()
            if wait and wait.told:
                waited_ms = round((self._clock() - wait.began) * 1000)
                self._reporter.go_on(self._claim.run_id, wait.signal.value, waited_ms)
                self._note_waited()

    def _note_waited(self) -> None:
        """Add what was waited to the run's row, also the short waits before."""
        if self._paused and self._note(lambda c: note_waited(c, self._claim, self._paused)):
            self._paused.clear()

    def _begin_writing(self) -> None:
        """Set the mark from which WAL is charged; what others wrote in a wait is not ours."""
        if self._budget is None:
            return
        with self._lock:
            if self._writers == 0:
                self._mark()
            self._writers += 1

    def _charge(self, budget: WalBudget) -> None:
        before, since = self._written, self._written_at
        self._mark()
        if before is not None and self._written is not None:
            budget.spend(self._written - before, since)

    def _mark(self) -> None:
        """Learn how many bytes of WAL the server has written so far, None if it does not say."""
        self._written, self._written_at = None, self._clock()

        def look(connection: Connection) -> None:
            position = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
            self._written = int(scalar(connection, position))

        self._note(look)

    def _note(self, work: Callable[[Connection], object]) -> bool:
        """Do something on our own connection; return False if it can not be done now."""
        try:
            if self._connection is None or self._connection.closed or self._connection.broken:
                self._connection = self._connect()
            work(self._connection)
        except (BackfillError, psycopg.Error):
            with contextlib.suppress(psycopg.Error):
                if self._connection:
                    self._connection.close()
            self._connection = None
            return False
        return True
