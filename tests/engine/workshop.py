"""A bench to run the engine on, in this process: one database, one folder of runs.

`tests/engine/conftest.py` and `tests/jobs/conftest.py` hand it out as the fixture `bench`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from tests.deadline import DEADLINE_SECONDS

from backfill.chunks.chunk_commit import no_step
from backfill.display.pages import NOTHING
from backfill.folder import RunFolder
from backfill.jobs.registry import kind_of
from backfill.notebook.run_book import RunBook
from backfill.records.ledger import Ledger
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.settings import EngineSettings
from backfill.steps.running import apply_run
from backfill.steps.standing import Applied
from backfill.steps.verify import Verification, verify_run
from backfill.workbook import Book, open_plan, open_revert, open_run
from backfill_lab.demo.events import Encoding, load_events

Connection = psycopg.Connection[tuple[Any, ...]]
Row = tuple[Any, ...]
#: What a test puts its own ears in the place of.
LISTENER = "backfill.notebook.show.listener_from_environment"
EVENT_COLUMNS = (
    "id",
    "household_id",
    "start_at",
    "end_at",
    "tz",
    "start_at_utc",
    "end_at_utc",
    "rrule",
    "exdates",
    "updated_at",
    "deleted_at",
)
NOON_MS = 1_748_865_600_000  # 2025-06-02 12:00 by the wall
NOON_UTC_MS = 1_748_858_400_000  # the same in Stockholm, in UTC
HOUR_MS = 3_600_000
#: Never set: its wait is a pause between two looks.
PAUSE = threading.Event()


def load_traps(dsn: str, encoding: Encoding = "epoch_ms") -> None:
    """Fill a template with the demo's traps, and nothing else."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        load_events(connection, encoding=encoding, rows=TRAP_COUNT)


def load_nothing(dsn: str) -> None:
    """Leave a template as empty as a new database."""


def load_empty(dsn: str) -> None:
    """Fill a template with the demo's tables: households, no events, milliseconds."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        load_events(connection, rows=0)


def load_empty_timestamps(dsn: str) -> None:
    """The same with `timestamp` and `timestamptz` columns."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        load_events(connection, encoding="timestamp", rows=0)


def load_noons(dsn: str, rows: int = 12) -> None:
    """Fill a template with events `e01`, `e02` … of Stockholm noons, one day after the other."""
    load_empty(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        add_noons(connection, rows)


def add_noons(
    connection: Connection, rows: int, household: str = "hh_demo", prefix: str = "e"
) -> None:
    """Add pending events of Stockholm summer noons; row n is n days after 2025-06-02."""
    connection.execute(
        "INSERT INTO events (id, household_id, title, start_at, end_at, tz, updated_at)"
        " SELECT %s || lpad(n::text, greatest(2, length(n::text)), '0'), %s, 'Choir',"
        " %s + n * 86400000::bigint, %s + n * 86400000::bigint, 'Europe/Stockholm', 7"
        " FROM generate_series(1, %s) AS n",
        [prefix, household, NOON_MS, NOON_MS + HOUR_MS, rows],
    )


def _trap_count() -> int:
    from backfill_lab.demo.traps import TRAPS

    return sum(len(trap.rows) for trap in TRAPS)


TRAP_COUNT = _trap_count()


def noon_utc(day: int) -> tuple[int, int]:
    """Return start and end in UTC that row `day` of `add_noons` must get."""
    start = NOON_UTC_MS + day * 86_400_000
    return start, start + HOUR_MS


@dataclass
class Bench:
    """Runs the engine on one database; `events` is all that a person would have been told."""

    dsn: str
    runs: Path
    connection: Connection
    events: list[Mapping[str, Any]] = field(default_factory=list)

    # -- the user's tables ------------------------------------------------------------------

    def sql(self, query: str, *values: Any) -> list[Row]:
        """Run any statement; return its rows."""
        cur = self.connection.execute(cast(Any, query), values or None)
        return cur.fetchall() if cur.description else []

    def scalar(self, query: str, *values: Any) -> Any:
        return self.sql(query, *values)[0][0]

    def add_event(self, key: str, **columns: Any) -> None:
        """Add one event; what is not named is NULL, the household is `hh_demo`."""
        row = {"id": key, "household_id": "hh_demo", **columns}
        names = ", ".join(f'"{name}"' for name in row)
        places = ", ".join(["%s"] * len(row))
        self.sql(f"INSERT INTO events ({names}) VALUES ({places})", *row.values())

    def filled(self) -> dict[str, tuple[Any, Any]]:
        """Return start and end in UTC by id."""
        rows = self.sql("SELECT id, start_at_utc, end_at_utc FROM events ORDER BY id")
        return {key: (start, end) for key, start, end in rows}

    def table(self, name: str = "events") -> list[str]:
        """Return every row as PostgreSQL writes it, sorted: two of these compare byte for byte."""
        return [row[0] for row in self.sql(f"SELECT e::text FROM {name} AS e ORDER BY 1")]

    # -- runs -------------------------------------------------------------------------------

    def book(self, **given: Any) -> Book:
        """Open the UTC job's notebook, as its second cell does."""
        return open_run("utc", self._with_runs(given))

    def plan(self, **given: Any) -> Book:
        """Make a dry run, from preflight to summary."""
        return take_steps(self.book(**given))

    def run(self, **given: Any) -> Book:
        """Plan and apply in one go."""
        return take_steps(self.book(**given, apply=True))

    def apply(self, run_id: str, **given: Any) -> RunBook:
        """Apply or resume a frozen plan, as notebook 03 does."""
        values = self._with_runs({**given, "run_id": run_id, "apply": True})
        return _end(open_plan(values))

    def revert(
        self, run_id: str, *, apply: bool = True, looks: bool = False, **given: Any
    ) -> RunBook:
        """Revert a run, as notebook 05 does."""
        values = self._with_runs({**given, "run_id": run_id, "apply": apply})
        return _end(open_revert(values), looks=looks)

    def apply_with(
        self,
        run_id: str,
        step: Callable[[str], None] = no_step,
        **engine: Any,
    ) -> Applied:
        """Apply with a callable at each named point of a chunk's way."""
        return apply_run(
            Database(self.dsn, is_embedded=False),
            self.folder(run_id),
            kind_of("utc"),
            EngineSettings(**engine),
            Reporter(self.events.append, self.folder(run_id)),
            step,
        )

    def verify(self, run_id: str) -> Verification:
        ledger = Ledger(self.connection)
        return verify_run(ledger, ledger.get(run_id), kind_of("utc"))

    def _with_runs(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"runs_dir": str(self.runs), **given}

    # -- what a run left --------------------------------------------------------------------

    def folder(self, run_id: str) -> RunFolder:
        return RunFolder.of(self.runs, run_id)

    def summary(self, book: RunBook) -> dict[str, Any]:
        """Return the summary that stands in the run's folder."""
        return self.summary_of(book.run_id)

    def summary_of(self, run_id: str) -> dict[str, Any]:
        """The same by the run's id, when the opening of it ended in an error."""
        return self.folder(run_id).read_json("summary.json")

    def status(self, run_id: str) -> str:
        return str(self.scalar("SELECT status FROM backfill.run WHERE run_id = %s", run_id))

    def skips(self, run_id: str) -> dict[str, tuple[str, str]]:
        """Return (column, reason) of the run's stored skips, by key."""
        rows = self.sql(
            "SELECT key, column_name, reason FROM backfill.skip WHERE run_id = %s ORDER BY key",
            run_id,
        )
        return {key: (column, reason) for key, column, reason in rows}

    def checkpoints(self, run_id: str) -> list[Row]:
        """Return the checkpoints but for what a clock decides."""
        return self.sql(
            "SELECT chunk_no, key_low, key_high, scanned, updated, unchanged, drifted, skipped"
            " FROM backfill.checkpoint WHERE run_id = %s ORDER BY chunk_no",
            run_id,
        )

    def images(self, run_id: str) -> list[Row]:
        return self.sql(
            "SELECT chunk_no, rows, sha256, image FROM backfill.chunk_image WHERE run_id = %s"
            " ORDER BY chunk_no",
            run_id,
        )

    def let_lease_run_out(self, run_id: str) -> None:
        """Do what a minute does to the lease of a writer that was killed."""
        self.sql(
            "UPDATE backfill.run SET lease_expires_at = clock_timestamp() - interval '1 second'"
            " WHERE run_id = %s",
            run_id,
        )

    def wait_until(self, question: str, while_: Callable[[], bool] = lambda: True) -> None:
        """Ask the database until it says true; fail after a deadline, or when `while_` is over."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not self.scalar(question):
            assert while_(), f"it ended before this was true: {question}"
            assert time.monotonic() < deadline, f"still not true: {question}"
            PAUSE.wait(0.01)

    def wait_until_alone(self) -> None:
        """Wait until the server has ended the session of a client that was killed.

        Behind a pooler the session stays, and has our name only within each transaction: there
        the server is through with what it was sent when nothing of it is active.
        """
        self.wait_until(
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database()"
            " AND (application_name = 'backfill-workbook'"
            " OR state = 'active' AND pid <> pg_backend_pid())"
        )

    def wait_for_lock_wait(self) -> None:
        """Wait until some session waits for another's lock."""
        self.wait_until(
            "SELECT count(*) > 0 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )

    def kill_while_waiting(
        self, held: str, command: Sequence[object], *, is_freed: bool, pooler: str = ""
    ) -> None:
        """Start an applier, and kill it while it waits for a row that is held.

        The server looks for its client while a statement waits, and else, the row being freed, may
        finish what it was sent: then the chunk is there, all of it.
        """
        with psycopg.connect(self.dsn) as other:
            other.execute("SELECT FROM events WHERE id = %s FOR UPDATE", [held])
            client = subprocess.Popen(
                [sys.executable, *map(str, command)],
                env={**os.environ, "DATABASE_URL": pooler or self.dsn},
            )
            self.wait_for_lock_wait()
            client.send_signal(signal.SIGKILL)
            assert client.wait(60) == -signal.SIGKILL
            if is_freed:
                other.rollback()
            self.wait_until_alone()

    def messages(self) -> str:
        """Return all that was said, one line each."""
        return "\n".join(str(event["text"]) for event in self.events if "text" in event)


def take_steps(book: Book, *, looks: bool = False) -> Book:
    """Take every step of the UTC notebook. What it shows is made only for who `looks`."""
    with contextlib.nullcontext() if looks else nobody_looks():
        book.preflight()
        book.extract()
        book.compute()
        book.diff()
        book.plan()
    return cast(Book, _end(book, looks=looks))


def _end(book: RunBook, *, looks: bool = False) -> RunBook:
    """Take the steps of the notebooks that begin with a frozen plan."""
    with contextlib.nullcontext() if looks else nobody_looks():
        book.plan()
        book.apply()
        book.verify()
        book.summary()
    return book


@contextlib.contextmanager
def nobody_looks() -> Iterator[None]:
    """Leave out what steps show, and the list of runs: a sixth of what they take.

    Tests of pages, notebooks and commands look at that.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunBook, "_look", lambda *_what: NOTHING)
        patch.setattr("backfill.steps.record.rebuild_index", lambda _runs: True)
        yield


def utc(text: str) -> dt.datetime:
    """Return an instant written without its zone."""
    return dt.datetime.fromisoformat(f"{text}+00:00")
