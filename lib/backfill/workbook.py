"""The façade that notebooks and the command line call: open a run, take its steps, end it well.

    run = workbook.open_run("utc", globals())
    run.preflight(); run.extract(); run.compute(); run.diff(); run.plan()
    run.apply(); run.verify(); run.summary()

Every step shows itself in a notebook.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from backfill.archive.run_facts import facts_of
from backfill.display.counting import counted
from backfill.display.explanation import Explanation
from backfill.display.eye import attempt
from backfill.display.pages import NOTHING, Shown, note, section
from backfill.errors import BackfillError, StalePlan, UsageError
from backfill.folder import named_runs, new_run_id, runs_dir
from backfill.jobs.entry import latest_sheets
from backfill.jobs.registry import JOBS, entry_of, kind_of
from backfill.notebook.asking import decide_in, explain_row
from backfill.notebook.built_ins import checked
from backfill.notebook.fill_run import FillRun, in_quotes
from backfill.notebook.opened import handed_over
from backfill.notebook.review import Review
from backfill.notebook.run_book import RunBook
from backfill.notebook.run_views import preflight_view
from backfill.notebook.show import is_beside, listener, refuse_second
from backfill.parameter import flags_of
from backfill.parameters import (
    APPLY_PARAMETERS,
    KEPT_DEFAULTS,
    REVERT_PARAMETERS,
    VERIFY_PARAMETERS,
    Parameter,
    defaults_of,
    injected_names,
)
from backfill.plans import plan
from backfill.plans.plan import Plan
from backfill.plans.worksheet import DECISIONS_FILE
from backfill.records.ledger import Ledger, RunRow
from backfill.report import Reporter
from backfill.server.database import open_database
from backfill.status import RunStatus
from backfill.steps.comparison import Comparison, compare_runs
from backfill.steps.job import Computation, Ready
from backfill.steps.planning import ORDERS, Planning, frame
from backfill.steps.revert import plan_revert
from backfill.steps.running import stopped_run
from backfill.steps.task import part
from backfill.steps.which_run import find_planned, row_of, run_to_apply, run_to_revert
from backfill.which_folder import find_folder

SHOWN_REMARKS = 1_000


def open_run(job: str, namespace: Mapping[str, Any]) -> Book:
    """Check the parameters of a job's notebook and return its run.

    A run of the same settings that stopped half way is gone on with; else a new one begins.
    """
    values = _parameters(entry_of(job).parameters, namespace)
    with _told(Reporter(listener(beside=False))):
        refuse_second()
    return Book(job, values)


def open_plan(namespace: Mapping[str, Any]) -> RunBook:
    """Return a planned run, to be applied or resumed."""
    return PlanBook(_parameters(APPLY_PARAMETERS, namespace))


def open_verification(namespace: Mapping[str, Any]) -> RunBook:
    return PlanBook({**defaults_of(APPLY_PARAMETERS), **_parameters(VERIFY_PARAMETERS, namespace)})


def open_revert(namespace: Mapping[str, Any]) -> RunBook:
    """Return a new run that is the inverse of the one that `run_id` names."""
    return RevertBook(_parameters(REVERT_PARAMETERS, namespace))


def fill(
    rows: Any,
    *,
    table: str,
    set: str | Sequence[str],
    reads: Sequence[str] | None = None,
    **options: Any,
) -> FillRun:
    """Plan new values of any table's columns from a dataframe with its key and the targets.

    `reads` as in `Book.propose`; `options` are those of `backfill fill`: key, overwrite,
    allow_null, chunk_size, runs_dir, …
    """
    names = {"table": table, "set": [set] if isinstance(set, str) else in_quotes(set)}
    given = _parameters(JOBS["fill"].parameters, {**options, **names}, [*options], beside=True)
    book = Book("fill", given, beside=True)
    book.preflight()
    book.propose(rows, reads)
    diff = book.diff()
    book.plan()
    defaults = defaults_of(REVERT_PARAMETERS)
    return FillRun(book, diff, lambda values: RevertBook(defaults | values, beside=True))


def decide(
    key: str, decision: str, *, run_id: str = "latest", runs_folder: str = "", **details: str
) -> Shown:
    """Answer what a run asked, as `Asking.decide` does; `details` are what that one takes."""
    folder = find_folder(named_runs(runs_folder), run_id, DECISIONS_FILE)
    return decide_in(folder, kind_of(folder.job), key, decision, details)


def review(run_id: str = "latest", *, runs_folder: str = "", by: str = "") -> Review:
    """Return what a run waits for, to be settled by clicking: `run.review()` of any run."""
    folder = find_folder(named_runs(runs_folder), run_id, DECISIONS_FILE)
    return Review(folder, kind_of(folder.job).words, by=by)


def explain(
    key: object, *, run_id: str = "latest", runs_folder: str = "", dsn_env: str = "DATABASE_URL"
) -> Explanation:
    """Return why a row of a run has its values; works without its folder, or its database."""
    looked = open_database(lambda _text: None, dsn_env)
    return explain_row(looked, run_id, named_runs(runs_folder), key)


def compare(
    run_a: str, run_b: str = "latest", *, runs_folder: str = "", output: str = ""
) -> Comparison:
    """Return which rows came, went and changed from one run to another, and what explains it.

    Runs are named by id, its unique beginning, `latest`, or their folder; no database is needed.
    `.rows` has at most 500 differences; `output` names a .csv or .parquet file for all of them.
    """
    runs = named_runs(runs_folder)
    before, after = (facts_of(runs, wanted) for wanted in (run_a, run_b))
    kind = kind_of(before.job)
    return compare_runs(before, after, kind, Path(output).expanduser() if output else None)


def _parameters(
    declared: tuple[Parameter, ...],
    namespace: Mapping[str, Any],
    given: Sequence[str] = (),
    *,
    beside: bool = False,
) -> dict[str, Any]:
    reporter = Reporter(listener(beside=beside or is_beside()))
    with _told(reporter):
        injected = {*given, *injected_names(namespace.get("In", []))}
        return checked(declared, namespace, injected)


@contextlib.contextmanager
def _told(reporter: Reporter) -> Iterator[None]:
    """Tell the command line how a notebook ended before its run had an id."""
    try:
        yield
    except BackfillError as error:
        reporter.outcome({"exit_code": int(error.exit_code), "error": str(error)})
        raise


class Book(RunBook):
    """A job's run, step by step; `extracted`, `changes`, `skips` are dataframes to go on from."""

    def __init__(self, job: str, values: dict[str, Any], *, beside: bool = False) -> None:
        super().__init__(values, beside=beside)
        self._planning: Planning | None = None
        self._computed: Computation | None = None
        with self._step("open"):
            entry = entry_of(job)
            self._usual = defaults_of(entry.parameters)
            opened = handed_over(values, Ready) if self.run_id else None
            self._job = opened.job if opened else entry.make(values)
            self.kind = self._job.kind
            self.kind.check_skip_limits(self.settings)
            # The command line has looked for it before it named this run.
            said = self.reporter.message
            stopped = None if self.run_id else stopped_run(self.database, self._job, values, said)
            if stopped:
                self._open_folder(stopped.run_id)
                self._plan = plan.load(self.folder)
                self._settle(self.settings.kept)
                self.reporter.message(f"Run {stopped.run_id} is {stopped.status}: going on.")
                return
            self.command = [*entry.command, *flags_of(entry.parameters, values)]
            self._open_folder(self.run_id or new_run_id(self._job.name), fresh=True)
            self._planning = Planning(
                self._job,
                self.database,
                self.folder,
                self.reporter,
                latest_sheets(self._job.name, values),
                opened,
            )
            self._write_run_file()

    def _what(self) -> tuple[str, dict[str, Any]]:
        return self._job.name, self._job.settings

    def propose(self, rows: Any, reads: Sequence[str] | None = None) -> Shown:
        """Take rows with new values from the notebook: a dataframe with the key and the targets.

        `reads` names the columns that the values were computed from: a row in which one of them
        changes is drifted. Without it, every column that the table has as well counts.
        """
        with self._step("compute"):
            if self._planning is None:
                return self._frozen_note()
            ready: Any = self._planning.ready
            if not hasattr(ready.rows, "propose"):
                raise UsageError(f"The {self._job.name} job computes its values by itself.")
            if self._plan is not None:
                if not ready.rows.has_proposed(rows):
                    raise UsageError(
                        f"The plan of run {self.run_id} is frozen with what was proposed before: "
                        "these values are not in it. For a plan of these, run the notebook from "
                        "its first cell, which opens a new run."
                    )
                return self._frozen_note()
            count = self._planning.propose(rows, reads)
        if count is None:
            return self.compute()
        return note(f"{counted(count, 'row is', 'rows are')} proposed.") + self.compute()

    @property
    def duckdb(self) -> Any:
        """A DuckDB connection over the same tables: run.duckdb.sql("FROM changes")."""
        # One of the analyst's own: the steps leave results open on theirs.
        return super().duckdb if self._planning is None else self._planning.staging.own_connection()

    def _frame(self, name: str) -> Any:
        """Return a table as soon as there is one: out of staging, where the run is planned here."""
        if self._planning is None:
            return super()._frame(name)
        staging = self._planning.staging
        if name == "extracted" and (own := getattr(self._planning.ready.rows, "frame", None)):
            return own(staging)
        orders = {**ORDERS, **part(self._planning.ready.job.task, "staged")}
        if name not in orders:
            return super()._frame(name)
        if not staging.has(name):
            raise UsageError(f"There is no table {name} yet. Run the cells above first.")
        return frame(staging, name, orders[name])

    def preflight(self) -> Shown:
        """Check tables, rights and encodings; show what is pending."""
        with self._step("preflight"):
            if self._planning is None:
                return self._frozen_note()
            found = self._planning.preflight(self.settings, writing=self.values["apply"])
            return self._look("The preflight", lambda: preflight_view(found, self.kind.scope_name))

    def extract(self) -> Shown:
        """Read the pending rows into staging."""
        with self._step("extract"):
            if self._planning is None or self._plan is not None:
                return self._frozen_note()
            rows = counted(self._planning.extract(), "row is", "rows are")
            return note(f"{rows} in the table extracted of staging.duckdb.")

    def compute(self) -> Shown:
        """Compute the new values, and the reason for every row that gets none."""
        with self._step("compute"):
            if self._planning is None or self._plan is not None:
                return self._frozen_note()
            self._computed = done = self._planning.compute()
            return note(
                f"{counted(done.rows, 'row')} computed: {counted(done.changes, 'change')}, "
                f"{counted(done.skips, 'skip')}."
            )

    def diff(self) -> Shown:
        """Show the row-level diff: counts, the telling rows, the skips."""
        with self._step("diff"):
            if self._planning is None:
                return self._plan_view()
            planning = self._planning
            return self._look("The diff", lambda: planning.ready.rows.diff_view(planning.staging))

    def picture(self) -> Shown:
        """Show the job's pictures: each with the table behind it."""
        with self._step("diff"):
            if self._planning is None:
                return NOTHING
            ready, staging = self._planning.ready, self._planning.staging
            drawn = self._look("The picture", lambda: ready.picture(staging, self.database))
            return section("pictures", drawn)

    def plan(self) -> Shown:
        """Freeze the plan; from here on nothing of it can change."""
        with self._step("plan"):
            if self._planning is not None and self._plan is None:
                computed = self._planning.needed(self._computed)
                self.kind.check_skip_limits(self.settings, seen=self._planning.reasons)
                self._plan = self._planning.freeze(computed, self.settings.kept)
                self._write_run_file()
            return self._plan_view()

    def _frozen(self) -> Plan:
        if self._planning is not None and self._plan is None:
            raise UsageError(
                "There is no plan yet. Run the cells above first: run.plan() makes it."
            )
        return super()._frozen()

    def _frozen_note(self) -> Shown:
        return note(
            f"Run {self.run_id} goes on with the plan that was frozen: nothing is read or "
            "computed again."
        )


class PlanBook(RunBook):
    """A run that `run_id` names, with the plan that it froze: to apply, resume or verify."""

    _usual = defaults_of(APPLY_PARAMETERS) | dict(KEPT_DEFAULTS)

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        with self._step("open"):
            self._plan = handed_over(values, plan.Plan) if self.run_id else None
            run = self._plan or _find_run(self)
            self.kind = kind_of(run.job)
            self._open_folder(run.run_id)
            if self._plan is None:
                with contextlib.suppress(StalePlan):  # verify needs the database only
                    self._plan = plan.load(self.folder)
            self._settle(values)
            if self._plan:
                self.kind.check_skip_limits(self.settings, self._plan.target, self._reasons)

    def _reasons(self) -> Iterator[str]:
        return (skip.reason.value for _place, skip in plan.read_skips(self.folder))


class RevertBook(RunBook):
    """A new run whose plan puts back what the named run wrote."""

    _usual = defaults_of(REVERT_PARAMETERS)

    def __init__(self, values: dict[str, Any], *, beside: bool = False) -> None:
        super().__init__(values, beside=beside)
        with self._step("open"):
            run = _find_run(self, has_written=True)
            if values["apply"] and run.status is RunStatus.PLANNED:
                raise UsageError(f"Run {run.run_id} wrote nothing yet: nothing to put back.")
            self.kind = kind_of(run.job)
            self.kind.check_skip_limits(self.settings)
            self.command = ["revert", run.run_id, *flags_of(REVERT_PARAMETERS, values, ("run_id",))]
            self._open_folder(self.run_id or new_run_id("revert"), fresh=True)
            with self.database.connect() as connection:
                ledger = Ledger(connection)
                self._plan = plan_revert(ledger, run, self.kind, self.folder, self.settings.kept)
                ledger.register(row_of(self._plan))
            self._write_run_file()
            attempt("What the revert leaves", self._tell_remarks, lambda _missed: None)

    def _tell_remarks(self) -> None:
        """Say what the revert leaves behind, like messages that were sent."""
        rows = pq.ParquetFile(self.folder.file(plan.CHANGES_FILE)).read(["key", "warnings"])
        remarks = rows.filter(pc.not_equal(rows.column("warnings"), "")).slice(0, SHOWN_REMARKS)
        for row in remarks.to_pylist():
            self.reporter.message(f"{row['key']}: {row['warnings']}", "warning")


def _find_run(book: RunBook, *, has_written: bool = False) -> RunRow:
    """Return the run that `run_id` names; on an embedded demo without runs, plan one first."""
    wanted = book.values["run_id"]
    with book.database.connect() as connection:
        ledger = Ledger(connection)
        if wanted != "latest" or not book.database.is_embedded or ledger.runs(1):
            is_writing = book.values.get("apply", False)
            if has_written:
                return run_to_revert(ledger, wanted, is_writing=is_writing)
            find = run_to_apply if is_writing else find_planned
            return find(ledger, wanted, runs_dir(book.values["runs_dir"]))
        book.reporter.message("There is no run yet: planning the demo first.")
        return ledger.get(plan_demo(book.values))


def plan_demo(values: Mapping[str, Any]) -> str:
    """Plan the UTC job on the embedded demo, and return the run's id."""
    named = {"runs_dir": values["runs_dir"], "household_id": []}
    book = Book("utc", defaults_of(JOBS["utc"].parameters) | named)
    for step in (book.preflight, book.extract, book.compute, book.plan, book.summary):
        step()
    return book.run_id
