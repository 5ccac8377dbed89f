"""The façade that notebooks and the command line call: open a run, take its steps, end it well.

    run = workbook.open_run("utc", globals())
    run.preflight(); run.extract(); run.compute(); run.diff(); run.plan()
    run.apply(); run.verify(); run.summary()

Every step shows itself in a notebook. A step that fails ends the run: its outcome is recorded
before the error is raised, with the exit code that the command line returns.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from backfill import evidence, plan
from backfill.database import Database, open_database
from backfill.errors import (
    BackfillError,
    ExitCode,
    RowsDrifted,
    StalePlan,
    UsageError,
    VerifyFailed,
)
from backfill.folder import RunFolder, new_run_id, runs_dir
from backfill.job import JobKind
from backfill.jobs.registry import PARAMETERS, job_from, kind_of
from backfill.ledger import Counts, Ledger, RunRow
from backfill.pages import NOTHING, Shown, note, style, table
from backfill.parameters import (
    APPLY_PARAMETERS,
    REVERT_PARAMETERS,
    VERIFY_PARAMETERS,
    Parameter,
    check_parameters,
    injected_names,
)
from backfill.plan import Plan
from backfill.planning import Planning, frame
from backfill.postgres import password_of, redact
from backfill.report import RELAY_ENV, Reporter, listener_from_environment
from backfill.revert import plan_revert
from backfill.running import (
    Applied,
    apply_run,
    planned_counts,
    resume_command,
    row_of,
)
from backfill.settings import EngineSettings, chunk_rows_from, fingerprint
from backfill.show import NotebookLine
from backfill.status import RunStatus
from backfill.verify import Verification, verify_run
from backfill.versions import versions
from backfill.workbook_env import NOTEBOOK_ENV, RUN_ID_ENV


def open_run(job: str, namespace: Mapping[str, Any]) -> Book:
    """Check the parameters of a job's notebook and return its run.

    A run of the same settings that stopped half way is gone on with; else a new one begins.
    """
    values = _parameters(PARAMETERS[job], namespace)
    return Book(job, values)


def open_plan(namespace: Mapping[str, Any]) -> Book:
    """Return a planned run, to be applied or resumed."""
    return Book.of_plan(_parameters(APPLY_PARAMETERS, namespace))


def open_verification(namespace: Mapping[str, Any]) -> Book:
    """Return a run, to be verified."""
    return Book.of_plan({**_engine_defaults(), **_parameters(VERIFY_PARAMETERS, namespace)})


def open_revert(namespace: Mapping[str, Any]) -> Book:
    """Return a new run that is the inverse of the one that `run_id` names."""
    return Book.of_revert(_parameters(REVERT_PARAMETERS, namespace))


def _parameters(declared: tuple[Parameter, ...], namespace: Mapping[str, Any]) -> dict[str, Any]:
    reporter = Reporter(_listener())
    with _told(reporter):
        return check_parameters(declared, namespace, injected_names(namespace.get("In", [])))


def _engine_defaults() -> dict[str, Any]:
    return {parameter.name: parameter.default for parameter in APPLY_PARAMETERS}


def _listener() -> Callable[[Mapping[str, Any]], None]:
    return listener_from_environment() or NotebookLine()


@contextlib.contextmanager
def _told(reporter: Reporter) -> Iterator[None]:
    """Tell the command line how a notebook ended before its run had an id."""
    try:
        yield
    except BackfillError as error:
        reporter.outcome({"exit_code": int(error.exit_code), "error": str(error)})
        raise


def engine_settings(values: Mapping[str, Any]) -> EngineSettings:
    """Return the engine's settings from checked parameters."""
    return EngineSettings(
        chunk_rows=chunk_rows_from(values["chunk_size"]),
        chunk_seconds=values["chunk_time"],
        progress_interval_rows=values["progress_interval"],
        lease_seconds=values["lease_seconds"],
        lock_timeout_ms=values["lock_timeout_ms"],
        statement_timeout_ms=values["statement_timeout_ms"],
        max_skips=None if values["max_skips"] < 0 else values["max_skips"],
    )


class Book:
    """One run, step by step. `extracted`, `changes` and `skips` are dataframes to go on from."""

    def __init__(self, job: str, values: dict[str, Any]) -> None:
        self._begin(values)
        with self._step("open"):
            self._job = job_from(job, values)
            self.kind: JobKind = kind_of(job)
            with self.database.connect() as connection:
                found = Ledger(connection).resumable(job, fingerprint(self._job.settings))
            self._is_resumed = bool(found and values["apply"] and not os.environ.get(RUN_ID_ENV))
            if found and self._is_resumed:
                self._open_folder(found.run_id)
                self._plan = plan.load(self.folder)
                self.reporter.message(f"Run {found.run_id} is {found.status}: going on with it.")
                return
            self._open_folder(
                os.environ.get(RUN_ID_ENV) or new_run_id(job, dt.datetime.now(dt.UTC)), fresh=True
            )
            self._planning = Planning(self._job, self.database, self.folder, self.reporter)
            self._write_run_file()

    @classmethod
    def of_plan(cls, values: dict[str, Any]) -> Book:
        """Return the run that `run_id` names, with its frozen plan."""
        book = cls.__new__(cls)
        book._begin(values)
        with book._step("open"):
            run = book._find_run()
            book.kind = kind_of(run.job)
            book._open_folder(run.run_id)
            book._is_resumed = True
            with contextlib.suppress(StalePlan):  # verify needs the database only
                book._plan = plan.load(book.folder)
        return book

    @classmethod
    def of_revert(cls, values: dict[str, Any]) -> Book:
        """Return a new run whose plan puts back what the named run wrote."""
        book = cls.__new__(cls)
        book._begin(values)
        with book._step("open"):
            reverted = book._find_run()
            book.kind = kind_of(reverted.job)
            book._open_folder(
                os.environ.get(RUN_ID_ENV) or new_run_id("revert", dt.datetime.now(dt.UTC)),
                fresh=True,
            )
            book._is_resumed = False
            with book.database.connect() as connection:
                ledger = Ledger(connection)
                book._plan = plan_revert(ledger, reverted, book.kind, book.folder)
                ledger.register(row_of(book._plan))
            book._write_run_file()
        return book

    def _begin(self, values: dict[str, Any]) -> None:
        os.umask(0o077)  # what this process writes from here on is a run's, and private
        self._started = time.monotonic()
        self.values = values
        self.reporter = Reporter(_listener())
        self.run_id = os.environ.get(RUN_ID_ENV, "")
        self._job: Any = None
        self._planning: Planning | None = None
        self._plan: Plan | None = None
        self._computed: Any = None
        self._applied: Applied | None = None
        self._verification: Verification | None = None
        self._is_resumed = False
        self.folder: RunFolder = RunFolder(runs_dir(values["runs_dir"]))
        with self._step("open"):
            self.settings = engine_settings(values)
            # Under the command line the person has been told which database it is.
            say = (lambda _text: None) if RELAY_ENV in os.environ else self.reporter.message
            self.database: Database = open_database(say, values["dsn_env"])

    def _find_run(self) -> RunRow:
        wanted = self.values["run_id"]
        with self.database.connect() as connection:
            ledger = Ledger(connection)
            if wanted == "latest" and self.database.is_embedded and not ledger.runs(1):
                self.reporter.message("There is no run yet: planning the demo first.")
                run_id = plan_demo(self.values)
                return ledger.get(run_id)
            return ledger.get(wanted)

    def _open_folder(self, run_id: str, *, fresh: bool = False) -> None:
        self.run_id = run_id
        self.folder = RunFolder.of(runs_dir(self.values["runs_dir"]), run_id)
        if fresh:
            self.folder.create()
        self.reporter = Reporter(_listener(), self.folder if self.folder.path.is_dir() else None)

    # -- what a notebook shows ----------------------------------------------------------------

    def _repr_html_(self) -> str:
        return (style() + self._head())._repr_html_()

    def __repr__(self) -> str:
        return repr(self._head())

    def _head(self) -> Shown:
        mode = "apply" if self.values.get("apply") else "dry run"
        return table(
            f"Run {self.run_id}",
            ["setting", "value"],
            [
                ("database", self.database.name),
                ("mode", mode),
                *((name, _plain(value)) for name, value in self.values.items()),
            ],
        )

    @property
    def extracted(self) -> Any:
        """The extracted rows as a dataframe (`staging.duckdb`, table `extracted`)."""
        return frame(self._planned().staging, "extracted")

    @property
    def changes(self) -> Any:
        """The changes as a dataframe (`changes.parquet`; see `backfill.plan` for columns)."""
        if self._planning is None:
            return _flat_changes(self.folder)
        return frame(self._planning.staging, "changes")

    @property
    def skips(self) -> Any:
        """The rows left alone, as a dataframe."""
        return frame(self._planned().staging, "skips")

    @property
    def duckdb(self) -> Any:
        """The DuckDB connection over the same tables: run.duckdb.sql("FROM changes")."""
        return self._planned().staging.connection

    def _planned(self) -> Planning:
        if self._planning is None:
            raise UsageError(
                f"Run {self.run_id} goes on with a frozen plan: nothing was extracted here. "
                "Use run.changes."
            )
        return self._planning

    # -- the steps ----------------------------------------------------------------------------

    def preflight(self) -> Shown:
        """Check tables, rights, encodings and household; show what is pending."""
        with self._step("preflight"):
            if self._planning is None:
                return self._frozen_note()
            found = self._planning.preflight(self.settings, writing=self.values["apply"])
            self._pending_before = found.pending
            shown = table(
                f"Pending rows by household ({sum(found.pending.values()):,} rows)",
                ["household", "pending rows"],
                found.pending.items(),
            )
            shown += table("What was found", ["fact", "value"], found.facts.items())
            for warning in found.warnings:
                shown += note(warning, "warning")
            return shown

    def extract(self) -> Shown:
        """Read the pending rows into staging."""
        with self._step("extract"):
            if self._planning is None:
                return self._frozen_note()
            rows = self._planning.extract()
            return note(f"{rows:,} pending rows are in the table extracted of staging.duckdb.")

    def compute(self) -> Shown:
        """Compute the new values, and the reason for every row that gets none."""
        with self._step("compute"):
            if self._planning is None:
                return self._frozen_note()
            self._computed = self._planning.compute()
            done = self._computed
            return note(
                f"{done.rows:,} rows computed: {done.changes:,} changes, {done.skips:,} skips."
            )

    def diff(self) -> Shown:
        """Show the row-level diff: counts, the telling rows, the skips."""
        with self._step("diff"):
            if self._planning is None:
                return self._plan_view()
            return self._job.diff_view(self._planning.staging)

    def picture(self) -> Shown:
        """Show pending and filled rows over time."""
        with self._step("diff"):
            if self._planning is None:
                return NOTHING
            return self._job.picture(self._planning.staging, self.database)

    def plan(self) -> Shown:
        """Freeze the plan; from here on nothing of it can change."""
        with self._step("plan"):
            if self._planning is not None and self._plan is None:
                self._plan = self._planning.freeze(self._computed)
                self._write_run_file()
            return self._plan_view()

    def _plan_view(self) -> Shown:
        frozen = self._frozen()
        shown = table(
            f"Plan {frozen.plan_id[:12]}… of run {self.run_id}",
            ["", "rows"],
            [("to write", frozen.changes), ("left alone", frozen.rows - frozen.changes)],
        )
        _total, by_scope = planned_counts(frozen)
        return shown + table(
            f"By {self.kind.scope_name} ({len(by_scope):,})",
            [self.kind.scope_name, "to write", "unchanged", "skipped", "drifted"],
            [
                (scope, part.updated, part.unchanged, part.skipped, part.drifted)
                for scope, part in by_scope.items()
            ],
        )

    def _frozen(self) -> Plan:
        if self._plan is None:
            self._plan = plan.load(self.folder)
        return self._plan

    def _frozen_note(self) -> Shown:
        return note(
            f"Run {self.run_id} goes on with the plan that was frozen: nothing is read or "
            "computed again."
        )

    def apply(self) -> Shown:
        """Write the plan, if `apply` is true; a dry run says how to."""
        with self._step("apply"):
            if not self.values["apply"]:
                return note(
                    "Dry run: nothing was written. To write exactly this plan:\n"
                    f"backfill apply {self.run_id}"
                )
            self._applied = apply_run(
                self.database, self.folder, self.kind, self.settings, self.reporter
            )
            self._settle_reverted()
            counts = self._applied.counts
            return table(
                f"Applied run {self.run_id} ({counts.scanned:,} rows)",
                ["updated", "unchanged", "drifted", "skipped"],
                [(counts.updated, counts.unchanged, counts.drifted, counts.skipped)],
            )

    def _settle_reverted(self) -> None:
        """A run whose rows were all put back is reverted; a reverted revert is not any more."""
        reverts = self._frozen().reverts
        applied = self._applied
        if reverts is None or applied is None or applied.counts.drifted or applied.counts.skipped:
            return
        with self.database.connect() as connection:
            ledger = Ledger(connection)
            run = ledger.get(reverts)
            if run.status is not RunStatus.REVERTED:
                ledger.set_status(run.run_id, RunStatus.REVERTED, f"by {self.run_id}")
            original = ledger.get(run.reverts) if run.reverts else None
            if original and original.status is RunStatus.REVERTED:
                ledger.set_status(original.run_id, RunStatus.SUCCEEDED, f"again by {self.run_id}")

    def verify(self) -> Shown:
        """Prove from the database that the run did what its plan says."""
        with self._step("verify"):
            with self.database.connect(read_only=True) as connection:
                ledger = Ledger(connection)
                run = ledger.find(self.run_id) if ledger.exists() else None
                if run is None or run.status is RunStatus.PLANNED:
                    return note(
                        "Nothing to verify: the plan was not applied. "
                        f"Apply it: backfill apply {self.run_id}"
                    )
                self._verification = verify_run(ledger, run, self.kind)
            found = self._verification
            shown = table(
                f"Verification of run {self.run_id}",
                ["chunks", "rows read back", "values computed again", "disagreements"],
                [(found.chunks, found.rows, found.recomputed, len(found.findings))],
            )
            for text in found.notes:
                shown += note(text)
            if found.findings:
                shown += table(
                    f"Disagreements ({len(found.findings):,} shown)",
                    ["what"],
                    [[text] for text in found.findings],
                )
                self._show(shown)
                raise VerifyFailed(
                    f"Run {self.run_id} is not proven: {found.findings[0]}"
                    + (f" And {len(found.findings) - 1} more." if len(found.findings) > 1 else "")
                    + f" See: backfill status {self.run_id}"
                )
            return shown

    def summary(self) -> Shown:
        """End the run: write and show the summary, close the folder.

        Raises `RowsDrifted` (exit code 5) after showing it, when rows were left alone as drifted.
        """
        with self._step("summary"):
            document = self._summary_document()
            error = self._final_error(document)
            document["exit_code"] = int(error.exit_code) if error else 0
            self._finish(document)
        shown = table(
            f"Summary of run {self.run_id}",
            ["key", "value"],
            [(k, v) for k, v in document.items() if not isinstance(v, list | dict)],
        )
        self.reporter.outcome(
            {
                "exit_code": document["exit_code"],
                "summary": _public(document),
                "error": str(error) if error else "",
            }
        )
        if error is None:
            return shown
        self._show(shown)
        raise error

    def _final_error(self, document: Mapping[str, Any]) -> BackfillError | None:
        drifted = document["total_drifted"]
        if not drifted:
            return None
        verb = "were" if self._applied else "are"
        return RowsDrifted(
            f"{drifted:,} rows {verb} left alone: they were edited since they were read. They are "
            f"listed with their present values in {evidence.DRIFTED_FILE} and in backfill.skip. "
            "What is still pending goes into the next run."
        )

    def _show(self, shown: Shown) -> None:
        if "IPython" in sys.modules:
            from IPython.display import display

            display(shown)

    # -- the record ---------------------------------------------------------------------------

    def _summary_document(self) -> dict[str, Any]:
        frozen = self._frozen()
        is_applied = self._applied is not None
        counts, by_scope = planned_counts(frozen)
        status = RunStatus.PLANNED
        elapsed_ms = round((time.monotonic() - self._started) * 1000)
        if self._applied is not None:
            counts, by_scope = self._applied.counts, self._applied.by_scope
            status = self._applied.status
        document = self._job_summary(frozen, counts, by_scope)
        ordered: dict[str, Any] = {}
        for name, value in document.items():
            ordered[name] = value
            if name == "total_skipped":
                ordered["elapsed_ms"] = elapsed_ms
        ordered.setdefault("elapsed_ms", elapsed_ms)
        households = ordered.pop("households", None)
        ordered |= {
            "dry_run": not is_applied,
            "status": status.value,
            "run_id": self.run_id,
            "plan_id": frozen.plan_id,
        }
        if frozen.reverts:
            ordered["reverts"] = frozen.reverts
        if households is not None:
            ordered["households"] = [{**part, "elapsed_ms": elapsed_ms} for part in households]
        return ordered

    def _job_summary(
        self, frozen: Plan, counts: Counts, by_scope: Mapping[str, Counts]
    ) -> dict[str, Any]:
        return dict(self.kind.summary(frozen, counts, by_scope))

    def _write_run_file(self) -> None:
        frozen = self._plan
        self.folder.write_json(
            evidence.RUN_FILE,
            {
                "run_id": self.run_id,
                "job": frozen.job if frozen else self._job.name,
                "database": self.database.name,
                "parameters": {k: v for k, v in self.values.items() if k != "runs_dir"},
                "settings": frozen.settings if frozen else self._job.settings,
                "engine": self.settings.as_json(),
                "settings_fingerprint": frozen.settings_fingerprint if frozen else None,
                "database_fingerprint": frozen.database_fingerprint if frozen else None,
                "plan_id": frozen.plan_id if frozen else None,
                "tzdata_version": versions()["tzdata"],
                "versions": versions(),
            },
        )

    def _finish(self, document: Mapping[str, Any]) -> None:
        """Write summary and records, and close the folder."""
        if not self.folder.path.is_dir():
            return
        named = {**document}
        if notebook := os.environ.get(NOTEBOOK_ENV):
            named["notebook"] = notebook
        self.folder.write_json(evidence.SUMMARY_FILE, named)
        planned = [skip for _place, skip in plan.read_skips(self.folder)] if self._plan else []
        with self.database.connect() as connection:
            ledger = Ledger(connection)
            known = ledger if ledger.exists() else None
            evidence.write_records(self.folder, known, self.kind.scope_name, planned)
            evidence.close(self.folder, known, password_of(self.database.dsn))

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Take one step; when it fails, record the outcome before the error goes on."""
        try:
            yield
        except BackfillError as error:
            self._fail(name, int(error.exit_code), str(error))
            raise
        except KeyboardInterrupt:
            self._fail(name, int(ExitCode.INTERRUPTED), f"Interrupted during {name}.")
            raise
        except Exception as error:
            self._fail(name, int(ExitCode.UNEXPECTED), f"{type(error).__name__}: {error}")
            raise

    def _fail(self, step: str, exit_code: int, message: str) -> None:
        database = getattr(self, "database", None)
        message = redact(message, database.dsn if database else "")
        document: dict[str, Any] = {
            "run_id": self.run_id,
            "status": self._status_now(),
            "exit_code": exit_code,
            "step": step,
            "error": message,
        }
        if self.run_id and self.folder.path.is_dir() and self.folder.run_id == self.run_id:
            with contextlib.suppress(BackfillError, OSError):
                self._finish(document)
        self.reporter.outcome({"exit_code": exit_code, "error": message, "summary": document})

    def _status_now(self) -> str:
        """Return the run's status from the database: the only place that knows."""
        with contextlib.suppress(Exception), self.database.connect(read_only=True) as connection:
            ledger = Ledger(connection)
            run = ledger.find(self.run_id) if ledger.exists() else None
            if run:
                return run.status.value
        return RunStatus.FAILED.value


def plan_demo(values: Mapping[str, Any]) -> str:
    """Plan the UTC job on the embedded demo, and return the run's id."""
    defaults = {parameter.name: parameter.default for parameter in PARAMETERS["utc"]}
    defaults |= {"runs_dir": values["runs_dir"], "household_id": []}
    book = Book("utc", defaults)
    book.preflight()
    book.extract()
    book.compute()
    book.plan()
    book.summary()
    return book.run_id


def _public(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "exit_code"}


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _flat_changes(folder: RunFolder) -> Any:
    import pyarrow.parquet as pq

    rows = pq.read_table(folder.file(plan.CHANGES_FILE))
    return rows.flatten().to_pandas()


__all__ = [
    "Book",
    "open_plan",
    "open_revert",
    "open_run",
    "open_verification",
    "resume_command",
]
