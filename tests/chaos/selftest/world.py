"""A throw-away world for one case: a database, a folder of runs, and victims that work on them."""

from __future__ import annotations

import contextlib
import random
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg import sql
from tests.chaos.selftest.actor import Actors, Outcome, Task
from tests.chaos.selftest.claims import Disproved, equal

from backfill.folder import RunFolder
from backfill.jobs.registry import kind_of
from backfill.records.ledger import Ledger
from backfill.server.database import Database
from backfill.server.embedded import EmbeddedServer
from backfill.server.embedded_process import wait_until
from backfill.server.postgres import Connection
from backfill.steps.evidence_check import disagreements
from backfill.steps.verify import verify_run
from backfill_lab.demo.events import load_events

Row = tuple[Any, ...]
Loader = Callable[[psycopg.Connection[Any]], None]
CALENDAR_ROWS = 150
NOON_MS = 1_748_865_600_000  # 2025-06-02 12:00 by the wall
NOON_UTC_MS = 1_748_858_400_000  # the same in Stockholm, in UTC
#: Where a plan begins to read.
READ = "backfill.plans.extract:PendingRows._read@before"
WAIT_SECONDS = 120.0


def load_calendar(connection: psycopg.Connection[Any]) -> None:
    """The demo's traps and a few ordinary events."""
    load_events(connection, rows=CALENDAR_ROWS)


class Stage:
    """What the worlds share: one embedded server, templates of filled databases, victims."""

    def __init__(self, home: Path, work: Path) -> None:
        self.server = EmbeddedServer(home, durable=False)
        self.work = work
        self.work.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.actors = Actors()
        self._templates: dict[str, str] = {}
        self._count = 0

    def __enter__(self) -> Stage:
        self.server.start()
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            self.actors.close()
        finally:
            self.server.reset()

    @contextlib.contextmanager
    def world(self, draw: random.Random, loader: Loader = load_calendar) -> Iterator[World]:
        """Yield a fresh world; everything of it goes away with the block."""
        with World(self, draw, self.database(loader), self.work / f"w{self._count}") as world:
            yield world

    def database(self, loader: Loader) -> str:
        """Return the URL of a fresh copy of the database that `loader` fills."""
        name = loader.__name__
        if name not in self._templates:
            self._templates[name] = self._create("template0")
            with psycopg.connect(self.server.dsn_of(self._templates[name]), autocommit=True) as c:
                loader(c)
        return self.server.dsn_of(self._create(self._templates[name]))

    def _create(self, template: str) -> str:
        self._count += 1
        name = f"world_{self._count}"
        with psycopg.connect(self.server.dsn_of("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return name

    def drop(self, dsn: str) -> None:
        name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        with psycopg.connect(self.server.dsn_of("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(str(name)))
            )


@dataclass(frozen=True, slots=True)
class Imprint:
    """All that a run leaves in the database, but for what a clock decides."""

    table: list[str]
    checkpoints: list[Row]
    images: list[Row]
    skips: list[Row]


def _connected(dsn: str) -> Connection:
    """Return a connection as a user of the tables has it: not one of the tool's sessions."""
    return psycopg.connect(dsn, autocommit=True)


@dataclass
class World:
    """One case's world. `draw` decides whatever the case leaves open; its seed is reported."""

    stage: Stage
    draw: random.Random
    dsn: str
    runs: Path
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> World:
        self.connection: Connection = self._open.enter_context(_connected(self.dsn))
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()
        self.stage.drop(self.dsn)

    def sibling(self, loader: Loader = load_calendar) -> World:
        """Return another world with the same data, where nothing goes wrong."""
        dsn = self.stage.database(loader)
        runs = self.runs.with_name(f"{self.runs.name}-{len(list(self.runs.parent.iterdir()))}")
        return World(self.stage, self.draw, dsn, runs)

    # -- the user's tables ------------------------------------------------------------------

    def sql(self, query: str, *values: Any) -> list[Row]:
        cur = self.connection.execute(cast(Any, query), values or None)
        return cur.fetchall() if cur.description else []

    def scalar(self, query: str, *values: Any) -> Any:
        return self.sql(query, *values)[0][0]

    def column(self, query: str, *values: Any) -> list[Any]:
        return [row[0] for row in self.sql(query, *values)]

    def table(self, name: str = "events") -> list[str]:
        """Return every row as PostgreSQL writes it: two of these compare byte for byte."""
        return self.column(f"SELECT t::text FROM {name} AS t ORDER BY 1")

    def reconnect(self) -> None:
        self.connection = self._open.enter_context(_connected(self.dsn))

    def other_session(self) -> psycopg.Connection[Any]:
        """Return a connection of somebody else's; it ends with the world."""
        return self._open.enter_context(psycopg.connect(self.dsn, application_name="neighbour"))

    # -- commands ---------------------------------------------------------------------------

    def start(self, verb: str, *points: tuple[str, int], **given: Any) -> Task:
        """Begin a command; it stops at each (point, nth visit), and is returned when it stands at
        the first. Names that begin with `_` are the victim's own: `_clock_hours`, `_file_bytes`,
        `_dsn`."""
        own = {name[1:]: value for name, value in given.items() if name.startswith("_")}
        values = {name: value for name, value in given.items() if not name.startswith("_")}
        task = Task(
            self.stage.actors,
            {
                "verb": verb,
                "dsn": self.dsn,
                "values": {"runs_dir": str(self.runs), **values},
                "meet": [{"point": point, "nth": nth} for point, nth in points],
                **own,
            },
        )
        self._open.callback(task.abandon)
        if points:
            task.reached()
        return task

    def kill(self, verb: str, point: str, nth: int = 1, **given: Any) -> None:
        killed = self.start(verb, (point, nth), **given).kill()
        equal("exit code of the killed process", killed.exit_code, -signal.SIGKILL)

    def plan(self, **given: Any) -> Outcome:
        return self.start("utc", **given).end()

    def apply(self, run_id: str, **given: Any) -> Outcome:
        return self.start("apply", run_id=run_id, **given).end()

    def revert(self, run_id: str, **given: Any) -> Outcome:
        """Plan the undoing of a run, and with `apply` do it."""
        return self.start("revert", run_id=run_id, **given).end()

    def planned(self, **given: Any) -> Planned:
        """Return a plan that is to be written in the way given, and what must come of it."""
        return Planned(self, self.plan().run_id, given, self.promised(**given))

    # -- what a run left --------------------------------------------------------------------

    def imprint(self, run_id: str, table: str = "events") -> Imprint:
        return Imprint(
            self.table(table),
            self.sql(
                "SELECT chunk_no, key_low, key_high, scanned, updated, unchanged, drifted, skipped"
                " FROM backfill.checkpoint WHERE run_id = %s ORDER BY chunk_no",
                run_id,
            ),
            self.sql(
                "SELECT chunk_no, rows, sha256, image FROM backfill.chunk_image"
                " WHERE run_id = %s ORDER BY chunk_no",
                run_id,
            ),
            self.sql(
                "SELECT chunk_no, key, scope, column_name, reason, detail FROM backfill.skip"
                " WHERE run_id = %s ORDER BY chunk_no, key, column_name",
                run_id,
            ),
        )

    def promised(self, **given: Any) -> Imprint:
        """Return what a plan leaves that is applied so where nothing goes wrong."""
        with self.sibling() as calm:
            run_id = calm.plan().run_id
            calm.apply(run_id, **given).went_well("of the calm run")
            return calm.imprint(run_id)

    def has_left(self, run_id: str, promised: Imprint) -> None:
        equal("table, checkpoints, images and skips", self.imprint(run_id), promised)

    def finds_nothing_wrong(self, run_id: str) -> None:
        """Raise `Disproved` unless `verify` and `evidence check` find nothing wrong."""
        equal("verify", self.verify(run_id), [])
        equal("evidence check", self.evidence(run_id), [])

    def proves(self, run_id: str, promised: Imprint) -> None:
        """Raise `Disproved` unless the run succeeded, left what was promised, and can be proven."""
        self.has_left(run_id, promised)
        equal("status", self.status(run_id), "succeeded")
        self.finds_nothing_wrong(run_id)

    def status(self, run_id: str) -> str:
        return str(self.scalar("SELECT status FROM backfill.run WHERE run_id = %s", run_id))

    def chunks(self, run_id: str) -> int:
        return int(
            self.scalar("SELECT count(*) FROM backfill.checkpoint WHERE run_id = %s", run_id)
        )

    def folder(self, run_id: str) -> RunFolder:
        return RunFolder.of(self.runs, run_id)

    def verify(self, run_id: str) -> list[str]:
        """Return what `backfill verify` finds wrong."""
        with self.database.connect(read_only=True) as connection:
            ledger = Ledger(connection)
            run = ledger.get(run_id)
            return verify_run(ledger, run, kind_of(run.job)).findings

    def evidence(self, run_id: str) -> list[str]:
        """Return what `backfill evidence check` finds wrong."""
        with self.database.connect(read_only=True) as connection:
            return disagreements(self.folder(run_id), Ledger(connection), kind_of)

    @property
    def database(self) -> Database:
        return Database(self.dsn, is_embedded=False)

    # -- time -------------------------------------------------------------------------------

    def let_lease_run_out(self, run_id: str) -> None:
        """Do what a minute does to the lease of a writer that was killed, if it held one still."""
        self.wait_until_alone()
        self.sql(
            "UPDATE backfill.run SET lease_expires_at = clock_timestamp() - interval '1 second'"
            " WHERE run_id = %s AND status = 'running'",
            run_id,
        )

    def wait_until_alone(self) -> None:
        """Wait until the server has ended the sessions of clients that were killed."""
        self.wait_until(
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'backfill-workbook' AND pid <> pg_backend_pid()"
        )

    def wait_until_it_waits(self) -> None:
        """Wait until a session of the tool's waits for a lock of somebody else's."""
        self.wait_until(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database() AND application_name = 'backfill-workbook'"
        )

    def wait_until(self, question: str, *values: Any) -> None:
        """Ask the database until it says true."""
        wait_for(question, lambda: bool(self.scalar(question, *values)))


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan of a world, in what way it is to be written, and what that leaves where nothing goes
    wrong."""

    world: World
    run_id: str
    given: Mapping[str, Any]
    promised: Imprint

    def start(self, *points: tuple[str, int], **more: Any) -> Task:
        """Begin to write it, as `World.start` does."""
        return self.world.start("apply", *points, run_id=self.run_id, **{**self.given, **more})

    def apply(self, **more: Any) -> Outcome:
        return self.start(**more).end()

    def is_proven(self) -> None:
        """Raise `Disproved` unless it was written as promised, and can be proven."""
        self.world.proves(self.run_id, self.promised)

    def goes_on(self) -> None:
        """Raise `Disproved` unless another apply leaves what was promised."""
        self.apply().went_well("of the resume")
        self.is_proven()


def wait_for(what: str, is_true: Callable[[], bool]) -> None:
    """Look until it is true; raise `Disproved` after a deadline."""
    if not wait_until(is_true, WAIT_SECONDS):
        raise Disproved(f"still not true after {WAIT_SECONDS:.0f} s: {what}")
