"""Commits that a server answers only when a standby has them, while there is none.

Where `synchronous_standby_names` asks for a standby that is gone, the server waits for it without
a word and for ever, with every lock held; its own time-outs do not end that. So whoever waits long
for a commit's answer has another connection look what the server waits for.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import psycopg
from psycopg.abc import PQGen

#: How long until somebody looks, and again; seconds. Missing twice in a row is missing.
LOOK_SECONDS = 2.0
#: How long a standby that is there may take.
SLOW_SECONDS = 60.0
#: Once known to be missing, it is looked for at once, for so long: a run's end commits as well.
_KNOWN_SECONDS = 60.0
_LOOK_SOON_SECONDS = 0.2
#: With rights to see it, a standby that is waited for tells so; without, any that is there counts.
_LOOK = """\
SELECT pg_catalog.current_setting('synchronous_standby_names'),
 NOT EXISTS (SELECT FROM pg_catalog.pg_stat_replication
  WHERE sync_state IS NULL OR sync_state IN ('sync', 'quorum'))
WHERE EXISTS (SELECT FROM pg_catalog.pg_stat_activity
 WHERE wait_event = 'SyncRep' AND usename = session_user AND datname = current_database())
"""

_MEND = (
    "Start the standby; or do without, as a superuser: ALTER SYSTEM SET synchronous_standby_names "
    "= ''; SELECT pg_reload_conf()"
)
_MISSING = (
    "the server answers a commit only when a synchronous standby has it, which {there} "
    "(synchronous_standby_names = '{names}'). What was committed stands on this server alone. "
    f"{_MEND}"
)
_UNSEEN = (
    f"a commit had no answer for {SLOW_SECONDS:.0f} s, and the pooler gives nobody a session to "
    "see why. Perhaps a synchronous standby is gone (synchronous_standby_names), or a deferred "
    f"trigger takes so long. Whether the commit stands will be looked for. {_MEND}"
)

T = TypeVar("T")


class StandbyMissing(psycopg.OperationalError):
    """What was committed stands on the server, and not on the standby that it has to be on."""


@dataclass
class StandbyWait:
    """Sees to it that no commit of a connection waits for ever."""

    connection: psycopg.Connection[Any]
    _is_at_commit: bool = False
    _given_up: StandbyMissing | None = None

    @contextlib.contextmanager
    def at_commit(self) -> Iterator[None]:
        """Raise `StandbyMissing` when the block is through, if a commit in it was waited for."""
        self._is_at_commit = True
        try:
            yield
        except psycopg.errors.QueryCanceled as canceled:
            raise self._told() or canceled from None
        finally:
            self._is_at_commit = False
        if error := self._told():
            raise error

    def _told(self) -> StandbyMissing | None:
        error, self._given_up = self._given_up, None
        return error

    def watched(self, waiting: PQGen[T]) -> PQGen[T]:
        """Return what waits for an answer; for a commit's it waits only while a standby may come.

        It must be asked every moment, as `psycopg` does.
        """
        return self._watched(waiting) if self._is_at_commit else waiting

    def _watched(self, waiting: PQGen[T]) -> Generator[Any, Any, T]:
        begun = time.monotonic()
        looker: _Looker | None = None
        try:
            wanted = next(waiting)
            while True:
                ready = yield wanted
                if (
                    not ready
                    and looker is None
                    and time.monotonic() - begun >= _Looker.first_look()
                ):
                    looker = _Looker(self.connection)
                wanted = waiting.send(ready)
        except StopIteration as end:
            answer: T = end.value
            return answer
        finally:
            if looker:
                self._given_up = looker.end() or self._given_up


class _Looker:
    """Looks over another connection; cancels the wait, which lets the commit stand as it is."""

    _known_at: ClassVar[float] = -math.inf  # by the monotonic clock

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._over = threading.Event()
        self._deciding = threading.Lock()  # who ends the wait: an answer, or somebody who looked
        self._given_up: StandbyMissing | None = None
        self._answers: queue.SimpleQueue[tuple[str, bool]] | None = None  # while one is awaited
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._look, name="standby", daemon=True)
        self._thread.start()

    @classmethod
    def is_known(cls) -> bool:
        return time.monotonic() - cls._known_at < _KNOWN_SECONDS

    @classmethod
    def first_look(cls) -> float:
        """Return after how many seconds it is worth a look."""
        return _LOOK_SOON_SECONDS if cls.is_known() else LOOK_SECONDS

    def end(self) -> StandbyMissing | None:
        """Look no more; return why the wait was given up, if it was."""
        with self._deciding:
            self._over.set()
        if self._given_up:
            self._thread.join()  # else its cancel might meet what the connection does next
        return self._given_up

    def _look(self) -> None:
        missed, patience = 0, SLOW_SECONDS
        if self.is_known():
            missed, patience = 1, 2 * LOOK_SECONDS
        while not self._over.is_set():
            names, is_missing = self._seen()
            missed = missed + 1 if names and is_missing else 0
            is_slow = time.monotonic() - self._begun > patience
            if missed > 1 or (is_slow and names):
                there = "is not connected" if is_missing else "does not answer"
                self._give_up(_MISSING.format(there=there, names=names))
                return
            if is_slow and self._answers is not None:
                self._give_up(_UNSEEN)
                return
            self._over.wait(LOOK_SECONDS)

    def _seen(self) -> tuple[str, bool]:
        """Return what is waited for, if it can be seen at once: a pooler may give no session."""
        if self._answers is None:
            self._answers = queue.SimpleQueue()
            threading.Thread(
                target=lambda answers: answers.put(self._waited_for()),
                args=[self._answers],
                name="standby's looker",
                daemon=True,
            ).start()
        try:
            answer = self._answers.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            return "", False
        self._answers = None
        return answer

    def _waited_for(self) -> tuple[str, bool]:
        """Return which standbys a commit of ours waits for, and whether none of them is there."""
        info = self._connection.info
        try:
            with psycopg.connect(
                info.dsn, password=info.password or None, prepare_threshold=None
            ) as other:
                row = other.execute(_LOOK).fetchone()
        except psycopg.Error:  # no room for another connection, or the server is gone
            return "", False
        return (str(row[0]), bool(row[1])) if row else ("", False)

    def _give_up(self, why: str) -> None:
        _Looker._known_at = time.monotonic()
        with self._deciding:
            if self._over.is_set():
                return
            self._given_up = StandbyMissing(why)
        with contextlib.suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=LOOK_SECONDS)
