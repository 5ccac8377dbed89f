"""Reads the signals of a throttle again and again, in a thread and on a connection of its own.

A run's writers are busy with a chunk when others begin to wait for it: only somebody else can see
that. One watch serves all writers of a process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import psycopg

from backfill.errors import BackfillError
from backfill.politeness.pressure import Source, Unreadable, explain_failure
from backfill.politeness.throttle import Reading, Signal
from backfill.server.postgres import Connection
from backfill.server.session import SessionLimits

INTERVAL_SECONDS = 0.5
#: A signal that takes longer to read than this is not worth its cost; milliseconds.
LIMITS = SessionLimits(
    lock_timeout_ms=1_000, statement_timeout_ms=2_000, idle_in_transaction_ms=10_000
)
_PATIENCE_SECONDS = 3.0


class Watch:
    """The last reading of each signal, and why one could not be read.

    Nobody waits for a lock of ours before we hold one: that much is known without asking, so a
    run that watches nothing else opens no connection in its first half second.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        sources: Sequence[Source],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._sources = sources
        self._clock = clock
        self._connection: Connection | None = None
        self._closing = threading.Event()
        self._news = threading.Condition()
        self._readings: dict[Signal, Reading] = {
            Signal.LOCK_WAITERS: Reading(Signal.LOCK_WAITERS, 0.0, at=clock())
        }
        self._failures: dict[Signal, str] = {}
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)
        if sources:
            self._thread.start()

    def known(self) -> tuple[dict[Signal, Reading], dict[Signal, str]]:
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
        is_unknown = any(
            s not in self._readings for source in self._sources for s in source.signals
        )
        pause = 0.0 if is_unknown else INTERVAL_SECONDS
        while not self._closing.wait(pause):
            pause = INTERVAL_SECONDS
            for source in self._sources:
                self._read(source)
            with self._news:
                self._news.notify_all()
        if self._connection:
            self._connection.close()

    def _read(self, source: Source) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect()
            found = source.read(self._connection)
        except (psycopg.Error, BackfillError, Unreadable) as error:
            self._failed(source, error)
            return
        at = self._clock()
        with self._news:
            for reading in found:
                self._readings[reading.signal] = replace(reading, at=at)
                self._failures.pop(reading.signal, None)

    def _failed(self, source: Source, error: Exception) -> None:
        with self._news:
            for signal in source.signals:
                self._failures[signal] = explain_failure(error)
        if self._connection and (self._connection.closed or self._connection.broken):
            self._connection.close()
            self._connection = None
