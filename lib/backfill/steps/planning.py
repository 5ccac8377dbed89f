"""The steps that lead to a plan: preflight, extract, compute, freeze. Nothing is written to the
user's tables; the connection that looks is read-only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa

from backfill.display.counting import counted
from backfill.errors import BackfillError, PreflightError, UsageError
from backfill.folder import RunFolder
from backfill.next_command import next_command
from backfill.plans import plan
from backfill.plans.plan import Plan
from backfill.plans.staging import STAGING_FILE, Staging, quoted
from backfill.plans.worksheet import (
    DECISIONS_FILE,
    answers_waiting,
    check_origin,
    staged_questions,
    write_worksheets,
)
from backfill.records.ledger import Ledger
from backfill.report import Reporter
from backfill.rows.values import to_dataframe
from backfill.server.database import Database
from backfill.server.own_text import holdable
from backfill.server.postgres import ONLY_READS, database_fingerprint
from backfill.settings import EngineSettings, fingerprint
from backfill.skips import Skip
from backfill.steps.job import Computation, Job, Ready
from backfill.steps.task import Preflight
from backfill.steps.which_run import row_of
from backfill.utc.zone_names import tzdata_version


def look(
    job: Job,
    database: Database,
    settings: EngineSettings,
    latest_sheets: Mapping[str, Path],
    *,
    writing: bool,
) -> Ready:
    """Check everything that can be checked before reading in bulk. Read-only.

    `latest_sheets` are what `latest` found, by flag: they must be of this database.
    """
    with database.connect(read_only=True, limits=settings.limits) as connection:
        for flag, sheet in latest_sheets.items():
            check_origin(flag, sheet, database_fingerprint(connection))
        return job.preflight(connection, writing=writing)


_NOTHING_YET = "There is nothing to freeze yet. Run the compute cell first."


class Planning:
    """One run on its way to a plan; each step hands the next one a value."""

    def __init__(
        self,
        job: Job,
        database: Database,
        folder: RunFolder,
        reporter: Reporter,
        latest_sheets: Mapping[str, Path] | None = None,
        opened: Ready | None = None,
    ) -> None:
        """`latest_sheets` as `look` takes them; `opened` is what a command has found already."""
        self.job = job
        self._latest_sheets = latest_sheets or {}
        self._opened = opened
        self._database = database
        self._folder = folder
        self._reporter = reporter
        self.staging = Staging(folder.file(STAGING_FILE))
        self._ready: Ready | None = None

    @property
    def ready(self) -> Ready:
        if self._ready is None:
            raise PreflightError("The preflight has not run yet. Run its cell first.")
        return self._ready

    def preflight(self, settings: EngineSettings, *, writing: bool) -> Preflight:
        """Say what the preflight finds, or has found for the command that began this run."""
        self._ready = self._opened or look(
            self.job, self._database, settings, self._latest_sheets, writing=writing
        )
        self._opened = None  # a cell that is run again looks again
        preflight = self._ready.preflight
        for warning in preflight.warnings:
            self._reporter.message(warning, "warning")
        self._reporter.message(f"{preflight.total} before the run.")
        return preflight

    def extract(self) -> int:
        return self.ready.rows.stage_rows(self._database.dsn, self.staging, self._reporter)

    def propose(self, rows: Any, reads: Sequence[str] | None) -> int | None:
        """Hand rows of a notebook to a job that waits for them; None where it has its own."""
        ready: Any = self.ready
        count: int | None = ready.rows.propose(
            rows, reads, self.staging, self._database, self._reporter
        )
        return count

    def compute(self) -> Computation:
        """Compute the changes; they go into the plan's own file, which staging shows as a table."""
        computed = self.ready.compute(self.staging, self._folder, self._reporter)
        self.staging.show("changes", self._folder.file(plan.CHANGES_FILE))
        return computed

    def needed(self, computed: Computation | None) -> Computation:
        """Return what was computed; raise `UsageError` where nothing was."""
        if computed is None:
            raise UsageError(getattr(self.ready.rows, "nothing_yet", _NOTHING_YET))
        return computed

    def freeze(self, computed: Computation, kept: Mapping[str, Any] | None = None) -> Plan:
        """Write the rest of the plan's files and its row in the ledger.

        `kept` is what was said of how it is to be written, by parameter.
        """
        settings, target = self.job.settings, self.ready.target()
        is_dated = self.job.kind.uses_calendar(target)
        with self._database.connect(read_only=True) as connection:
            database = database_fingerprint(connection)
            # As the ledger will hold them: it vouches for them by a hash.
            plan.write_skips(self._folder, self._skips(partial(holdable, connection)))
        self._write_worksheets(database)
        frozen = plan.freeze(
            self._folder,
            {
                "job": self.job.name,
                "scope": self.ready.scope,
                "settings": settings,
                "settings_fingerprint": fingerprint(settings),
                "database_fingerprint": database,
                "tzdata_version": tzdata_version() if is_dated else "",
                "rows": computed.rows,
                "changes": computed.changes,
                "skips": computed.skips,
                "target": target,
                "counts": computed.counts,
                "kept": dict(kept or {}),
            },
        )
        self._register(frozen)
        self.staging.let_go()
        return frozen

    def _write_worksheets(self, database: str) -> None:
        questions = staged_questions(self.staging)
        write_worksheets(self._folder, questions, self.job.answers)
        is_open = bool(questions) and not self.job.answers
        if is_open and (answered := answers_waiting(self._folder, database)):
            self._reporter.advise(
                f"Run {answered} was answered, and this one did not take it in. To do so: "
                f"{self._again(answered)}"
            )
        if questions:
            asked = counted(len(questions), "question waits", "questions wait")
            self._reporter.advise(
                f"{asked} for a person; while nobody answers, the policy named in each counts. "
                f"Answer in {self._folder.file(DECISIONS_FILE)}, then: "
                f"{self._again(self._folder.run_id)}"
            )

    def _again(self, answered: str) -> str:
        """Return the command that plans the same with a run's answers; it writes nothing."""
        return plan.planned_again(self._folder, "--decisions", answered)

    def reasons(self) -> Iterator[str]:
        """Yield the reasons for which rows were left alone."""
        return (reason for (reason,) in self.staging.rows("SELECT DISTINCT reason FROM skips"))

    def _skips(self, held: Callable[[str], str]) -> Iterator[tuple[int, Skip]]:
        rows = self.staging.connection.execute(
            'SELECT position, key, scope, "column", reason, detail FROM skips ORDER BY position'
        )
        while batch := rows.fetchmany(10_000):
            for position, key, scope, column, reason, detail in batch:
                yield position, Skip.of(held(key), scope, column, reason, held(detail))

    def _register(self, frozen: Plan) -> None:
        """Write the run's row: a planner without that right still gets its plan."""
        try:
            with self._database.connect() as connection:
                ledger = Ledger(connection)
                ledger.create()
                ledger.register(row_of(frozen))
        except psycopg.errors.ReadOnlySqlTransaction:
            self._reporter.advise(
                f"{ONLY_READS}: the plan is in its folder only; "
                "the database gets its row when it is applied on the primary: "
                + next_command("apply", self._folder.run_id),
                "warning",
            )
        except (BackfillError, psycopg.Error) as error:
            self._reporter.message(
                f"The plan is in its folder only; the database has no row of it yet: {error}",
                "warning",
            )

    def close(self) -> None:
        with contextlib.suppress(Exception):  # a working copy: the run has ended, well or not
            self.staging.close()


#: How the engine's own tables are ordered for analysts.
ORDERS = {"changes": "position", "skips": "position", "extracted": "key"}


def frame(staging: Staging, table: str, order: str) -> Any:
    """Return a staging table as a pandas dataframe, in the plan's order, struct columns
    spread as `source.NAME`, `after.NAME`, ….
    """
    rows = staging.table(f"SELECT * FROM {quoted(table)} ORDER BY {order}")
    return to_dataframe(_in_utc(rows.flatten()))


def _in_utc(rows: pa.Table) -> pa.Table:
    """Return rows with one name for UTC: DuckDB's is another, which pandas takes for another."""
    fields = [
        field.with_type(pa.timestamp(field.type.unit, "UTC"))
        if pa.types.is_timestamp(field.type) and field.type.tz
        else field
        for field in rows.schema
    ]
    return rows.cast(pa.schema(fields))
