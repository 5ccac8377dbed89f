"""Commits that a server answers only when a standby has them, while there is none.

Where `synchronous_standby_names` asks for a standby that is gone, the server waits for it without
a word and for ever, with every lock held; its own time-outs do not end that. So whoever waits long
for a commit's answer has another connection look what the server waits for.
"""

from __future__ import annotations

import contextlib
import math
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
        finally:
            self._is_at_commit = False
        error, self._given_up = self._given_up, None
        if error:
            raise error

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
        self._given_up: StandbyMissing | None = None
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
        self._over.set()
        if self._given_up:
            self._thread.join()  # else its cancel might meet what the connection does next
        return self._given_up

    def _look(self) -> None:
        missed = 1 if self.is_known() else 0
        while not self._over.is_set():
            names, is_missing = self._waited_for()
            missed = missed + 1 if names and is_missing else 0
            if missed > 1 or (names and time.monotonic() - self._begun > SLOW_SECONDS):
                self._give_up(names, is_missing=is_missing)
                return
            self._over.wait(LOOK_SECONDS)

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

    def _give_up(self, names: str, *, is_missing: bool) -> None:
        there = "none that it waits for is connected" if is_missing else "it does not answer"
        error = StandbyMissing(
            "the server answers a commit only when a synchronous standby has it, and "
            f"{there} (synchronous_standby_names = '{names}'). What was committed stands on this "
            "server alone. Start the standby; or do without, as a superuser: ALTER SYSTEM SET "
            "synchronous_standby_names = ''; SELECT pg_reload_conf()"
        )
        _Looker._known_at = time.monotonic()
        if not self._over.is_set():
            self._given_up = error
            with contextlib.suppress(psycopg.Error):
                self._connection.cancel_safe(timeout=LOOK_SECONDS)
