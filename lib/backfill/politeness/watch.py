"""Reads the signals of a throttle again and again, in a thread and on a connection of its own.

A run's writers are busy with a chunk when others begin to wait for it: only somebody else can see
that. One watch serves all writers of a process.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

import psycopg

from backfill.errors import BackfillError, NoConnectionLeft, first_line
from backfill.politeness.signals import SIGNALS, Signal
from backfill.politeness.throttle import SignalReading, Throttle
from backfill.server.postgres import APPLICATION_NAME, Connection, scalar
from backfill.server.session import SessionLimits, on_own_path

T = TypeVar("T")

INTERVAL_SECONDS = 0.5
#: The growth of a counter a second is the mean over this time.
RATE_SECONDS = 5.0
#: A signal that takes longer to read than this is not worth its cost; milliseconds.
LIMITS = SessionLimits(
    lock_timeout_ms=1_000, statement_timeout_ms=2_000, idle_in_transaction_ms=10_000
)
_PATIENCE_SECONDS = 3.0


class Unreadable(Exception):
    """A signal that can not be read now; the text says why, and what mends it."""


def read(
    connection: Connection, signal: Signal, throttle: Throttle, tables: Sequence[str] = ()
) -> SignalReading:
    """Return what a signal says now, of a counter its state; raise `Unreadable`, `psycopg.Error`.

    Read-only. `tables` are spelt `schema.name`, as a run's scope has them.
    """
    if signal is Signal.GO_WHEN:
        return SignalReading(0.0 if _says_true(connection, throttle.go_when) else 1.0)
    if signal is Signal.WINDOW:
        window, now = throttle.window, scalar(connection, "SELECT clock_timestamp()")
        return SignalReading(0.0 if window is None or window.is_open(now) else 1.0, str(window))
    names = {
        "ours": APPLICATION_NAME,
        "tables": list(tables),
        "standbys": list(throttle.standbys),
    }
    row = connection.execute(SIGNALS[signal].query, names).fetchone()
    value, detail, problem = row or (0.0, None, None)
    if problem:
        raise Unreadable(problem)
    return SignalReading(float(value), str(detail or ""))


def _says_true(connection: Connection, query: str) -> bool:
    """Return what the user's own query says: one boolean, true while the run may write.

    It runs alone in a read-only transaction that is rolled back. What it says in an error is
    shown, the query is not: it may hold what is nobody's business.
    """
    with connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION READ ONLY")
        with on_own_path(connection):
            cur = connection.execute(cast(Any, query), binary=True)  # one statement, no more
        rows = cur.fetchmany(2) if cur.description else []
    if len(rows) != 1 or len(rows[0]) != 1 or not isinstance(rows[0][0], bool | None):
        raise Unreadable("--go-when must return one row with one boolean")
    return bool(rows[0][0])


def explain_failure(error: Exception) -> str:
    """Return one line that tells a person why a signal could not be read."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return error.diag.message_primary
    said = first_line(error)
    if isinstance(error, NoConnectionLeft):
        return f"{said}. Raise that limit, or resume without the watch: --max-lock-waiters -1"
    return said


class Spare:
    """A connection of one's own: opened when it is needed, given up when it is lost."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    def ask(self, question: Callable[[Connection], T]) -> T:
        """Return what a question answers; raise `BackfillError` or `psycopg.Error`."""
        if self._connection is None:
            self._connection = self._connect()
        try:
            return question(self._connection)
        except psycopg.Error:
            if self._connection.closed or self._connection.broken:
                self.close()
            raise

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None


class Watch:
    """The last reading of each signal, and why one could not be read.

    Nobody waits for a lock of ours before we hold one: that much is known without asking, so a
    run that watches nothing else opens no connection in its first half second.
    """

    def __init__(
        self, connect: Callable[[], Connection], throttle: Throttle, tables: Sequence[str]
    ) -> None:
        self._spare = Spare(connect)
        self._throttle = throttle
        self._tables = tables
        self._closing = threading.Event()
        self._news = threading.Condition()
        self._readings = {Signal.LOCK_WAITERS: SignalReading(0.0, at=time.monotonic())}
        self._failures: dict[Signal, str] = {}
        self._counted: deque[SignalReading] = deque()
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)
        if throttle.limits:
            self._thread.start()

    def last(self) -> tuple[dict[Signal, SignalReading], dict[Signal, str]]:
        """Return the last readings, and the failures since."""
        with self._news:
            return dict(self._readings), dict(self._failures)

    def wait(self, seconds: float) -> None:
        """Return when there is news, at the latest after `seconds`."""
        with self._news:
            self._news.wait(seconds)

    def close(self) -> None:
        """End the thread; one that hangs in the network ends when that lets it."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_SECONDS)

    def _work(self) -> None:
        pause = INTERVAL_SECONDS if self._throttle.limits.keys() <= self._readings.keys() else 0.0
        while not self._closing.wait(pause):
            pause = INTERVAL_SECONDS
            for signal in self._throttle.limits:
                self._read(signal)
            with self._news:
                self._news.notify_all()
        self._spare.close()

    def _read(self, signal: Signal) -> None:
        try:
            reading = self._spare.ask(lambda c: read(c, signal, self._throttle, self._tables))
        except (psycopg.Error, BackfillError, Unreadable) as error:
            with self._news:
                self._failures[signal] = explain_failure(error)
            return
        reading = replace(reading, at=time.monotonic())
        with self._news:
            self._readings[signal] = self._rate(reading) if SIGNALS[signal].is_counter else reading
            self._failures.pop(signal, None)

    def _rate(self, last: SignalReading) -> SignalReading:
        """Return the growth a second of the only counter there is, over `RATE_SECONDS`."""
        self._counted.append(last)
        while len(self._counted) > 2 and last.at - self._counted[1].at >= RATE_SECONDS:
            self._counted.popleft()
        first = self._counted[0]
        return replace(last, value=(last.value - first.value) / max(last.at - first.at, 0.001))
