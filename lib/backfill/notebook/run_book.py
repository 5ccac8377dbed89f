"""The steps that every run shares, whatever opened it: plan, apply, verify, summary.

A step that fails ends the run: its outcome is recorded before the error is raised, with the exit
code that the command line returns.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg

from backfill.archive.checkpoint_view import applied_view, pace_of_run
from backfill.display.counting import counted
from backfill.display.eye import NotShown, attempt, shown, watching
from backfill.display.pages import Shown, note, style
from backfill.errors import (
    BackfillError,
    ExitCode,
    VerifyFailed,
)
from backfill.folder import NOTEBOOK_ENV, RUN_ID_ENV, RunFolder, named_runs, runs_dir
from backfill.jobs.registry import asked_again
from backfill.loading import give_back
from backfill.next_command import next_command, remember_about, remember_variable
from backfill.notebook import failed_step
from backfill.notebook.asking import Asking
from backfill.notebook.failed_step import FailedStep
from backfill.notebook.frames import Frames
from backfill.notebook.run_views import head_view, plan_view, summary_view, verification_view
from backfill.notebook.show import is_beside, listener, note_end, note_run
from backfill.plans import plan
from backfill.plans.plan import Plan, planned_by
from backfill.records.kept import kept_with
from backfill.records.ledger import Ledger
from backfill.records.seats import holder_name, is_worked_on
from backfill.report import RELAY_ENV, Reporter
from backfill.server.database import Database, open_database
from backfill.server.dsn import redact
from backfill.settings import engine_settings
from backfill.status import RunStatus
from backfill.steps import record
from backfill.steps.kind import JobKind
from backfill.steps.left_alone import rows_left
from backfill.steps.revert import settle_reverted
from backfill.steps.running import apply_run, too_many_skips
from backfill.steps.standing import Applied, standing
from backfill.steps.task_returns import raised_in_words
from backfill.steps.verify import Verification, lookers_wanted, verify_run
from backfill.stop import Interrupts
from backfill_lab.demo.seed import seed_if_empty

#: Why nobody can say how a run stands: the database does not answer, or not to this role.
_UNKNOWN = (BackfillError, psycopg.Error)


class RunBook(Asking, Frames):
    """One run with a plan, frozen or to be frozen; `changes` and `skips` to go on from."""

    kind: JobKind
    command: Sequence[str] = ()
    _usual: Mapping[str, Any] = {}  # defaults: what differs is told on the first screen

    def __init__(self, values: dict[str, Any], *, beside: bool = False) -> None:
        """`beside` a command's own run nothing is told to the command."""
        os.umask(0o077)  # what this process writes from here on is a run's, and private
        self._started = time.monotonic()
        self.values = values
        self._is_beside = beside or is_beside()
        self._listener = listener(beside=self._is_beside)
        self.reporter = Reporter(self._listener)
        self.run_id = "" if self._is_beside else os.environ.pop(RUN_ID_ENV, "")
        note_run(self.run_id)
        self._plan: Plan | None = None
        self._applied: Applied | None = None
        self._verification: Verification | None = None
        self._not_shown: list[NotShown] = []
        self._interrupts = Interrupts()
        if RELAY_ENV in os.environ:  # whoever runs this kernel for a command sends it their signals
            self._interrupts.listen()
        self.folder: RunFolder = RunFolder(named_runs(values["runs_dir"]))
        with self._step("open"):
            self.settings = engine_settings(values)
            self.database: Database = self._open_database()

    def _open_database(self) -> Database:
        """Return the database; a notebook that names no table of its own brings the demo's where
        there is nothing. Under the command line the person has been told which database it is.
        """
        is_relayed = RELAY_ENV in os.environ
        say = (lambda _text: None) if is_relayed else self.reporter.message
        database = open_database(say, self.values["dsn_env"])
        if not is_relayed and not self.values.get("table"):
            seed_if_empty(database, say)
        return database

    def _open_folder(self, run_id: str, *, fresh: bool = False) -> None:
        self.run_id = run_id
        self.folder = RunFolder.of(runs_dir(self.values["runs_dir"]), run_id)
        if fresh:
            self.folder.create()
        remember_about(asked_again(self.command or planned_by(self.folder)))
        folder = self.folder if self.folder.path.is_dir() else None
        self.reporter = Reporter(self._listener, folder)

    def _settle(self, said: Mapping[str, Any]) -> None:
        """Write the run as it has been, or was to be, but for what is said anew."""
        planned = self._plan.kept if self._plan else {}
        with self.database.connect(read_only=True) as connection:
            kept = kept_with(Ledger(connection), self.run_id, planned, said)
        self.values = {**self.values, **kept}
        self.settings = engine_settings(self.values)

    # -- what a notebook shows ----------------------------------------------------------------

    def _repr_html_(self) -> str:
        return (style() + self._head())._repr_html_()

    def __repr__(self) -> str:
        return repr(self._head())

    def _head(self) -> Shown:
        what = (self.folder, self.database.name, self._plan, self.values, self._usual)
        return self._look("The run's head", lambda: head_view(*what))

    def _look(self, what: str, make: Callable[[], Shown]) -> Shown:
        """Return something to look at, or why it can not be shown: the run goes on."""
        with watching(self._not_shown):
            return shown(what, make)

    def plan(self) -> Shown:
        with self._step("plan"):
            return self._plan_view()

    def _plan_view(self) -> Shown:
        frozen = self._frozen()
        return self._look("The plan", lambda: plan_view(frozen, self.kind.scope_name))

    def _frozen(self) -> Plan:
        if self._plan is None:
            self._plan = plan.load(self.folder)
        return self._plan

    def apply(self) -> Shown:
        """Write the plan, if `apply` is true; a dry run says how to."""
        with self._step("apply"):
            self._frozen()
            if not self.values["apply"]:
                return note(
                    "Dry run: nothing was written. To write exactly this plan:\n"
                    f"{next_command('apply', self.run_id)}"
                )
            self._applied = apply_run(
                self.database, self.folder, self.kind, self.settings, self.reporter
            )
            counts = self._applied.counts
            is_whole = self._is_through and not counts.drifted and not counts.skipped
            if is_whole and self._frozen().reverts:
                with self.database.connect() as connection:
                    settle_reverted(Ledger(connection), self._frozen())
            self._tell_pending()
            return self._look(
                "What was applied", lambda: applied_view(self.database, self.run_id, counts)
            )

    def _tell_pending(self) -> None:
        """Say how many rows are pending now."""

        def count() -> int | None:
            with self.database.connect(read_only=True, limits=self.settings.limits) as connection:
                return self.kind.count_pending(connection, self._frozen())

        pending = attempt("What is pending after the run", count, lambda _missed: None)
        if pending is not None:
            what = counted(pending, "row is", "rows are")
            self.reporter.message(f"{what} pending after the run.")

    def verify(self) -> Shown:
        """Prove from the database that the run did what its plan says."""
        with self._step("verify"):
            with self.database.connect(read_only=True) as connection:
                ledger = Ledger(connection)
                run = ledger.find(self.run_id)
                if run is None or run.status is RunStatus.PLANNED:
                    return note(
                        "Nothing to verify: the plan was not applied. "
                        f"Apply it: {next_command('apply', self.run_id)}"
                    )
                with self.database.lookers(lookers_wanted(run)) as lookers:
                    self._verification = verify_run(ledger, run, self.kind, lookers)
            proof = self._verification
            view = self._look("The verification", lambda: verification_view(self.run_id, proof))
            if self._applied is None:  # else apply has shown it
                view += self._look("The pace", lambda: pace_of_run(self.database, self.run_id))
            if proof.findings:
                self._show(view)
                raise VerifyFailed(
                    f"Run {self.run_id} is not proven: {proof.findings[0]}"
                    + (f" And {more:,} more." if (more := proof.disagreements - 1) else "")
                    + f" To list all of it: {next_command('verify', self.run_id)}"
                )
            return view

    def summary(self) -> Shown:
        """End the run: write and show the summary, close the folder.

        Raises `RowsDrifted` or `RowsLeft` (exit code 5) after showing it, when rows were left.
        """
        note_end(self.run_id)
        with self._step("summary"):
            document = record.summary_document(
                self._frozen(), self.kind, self._applied, self._started
            )
            document |= failed_step.own_report(self._conclude, self.reporter)
            document |= self._proof()
            error = self._final_error(document)
            document["exit_code"] = int(error.exit_code) if error else 0
            view = self._look("The summary", lambda: summary_view(self.run_id, document))
            self._finish(document)
        self.reporter.outcome(
            {
                "exit_code": document["exit_code"],
                "summary": {k: v for k, v in document.items() if k != "exit_code"},
                "error": str(error) if error else "",
            }
        )
        if error is None:
            return view
        self._show(view)
        raise error

    def _conclude(self) -> dict[str, Any]:
        with self.database.connect(read_only=True) as connection:
            ledger = Ledger(connection)
            run = ledger.find(self.run_id)
            is_started = run is not None and run.started_at is not None
            return self.kind.conclude(self.folder, self._frozen(), ledger if is_started else None)

    def _conclude_stopped(self) -> dict[str, Any]:
        """The same for a run that stopped half way: nothing of it may hide why it stopped."""
        with watching(self._not_shown):
            return failed_step.own_report(self._conclude) if self._plan else {}

    def _proof(self) -> dict[str, Any]:
        """Return what verify found, for the summary; nothing where it did not run."""
        return {} if self._verification is None else {"verification": self._verification.as_json()}

    @property
    def _is_through(self) -> bool:
        """Whether the whole plan is applied, and not only a part of it."""
        return self._applied is not None and self._applied.status is RunStatus.SUCCEEDED

    def _allowed(self) -> dict[str, int | None]:
        """Return how many failed and held rows are allowed, where this opening of the run says."""
        given = {name: self.values.get(f"max_{name}") for name in ("failed", "held")}
        return {
            name: None if value < 0 else value for name, value in given.items() if value is not None
        }

    def _final_error(self, document: Mapping[str, Any]) -> BackfillError | None:
        left = self._applied.left if self._applied else {}
        if self.values["apply"] and self._applied is None:
            return failed_step.never_applied(self.run_id)
        return (
            rows_left(document["total_drifted"], left, is_applied=self._applied is not None)
            or too_many_skips(self._frozen(), self.folder, self.settings)
            or self.kind.verdict(
                self._frozen(), is_applied=self._is_through, allowed=self._allowed(), left=left
            )
        )

    def _show(self, shown: Shown) -> None:
        if "IPython" in sys.modules:
            from IPython.display import display

            display(shown)  # type: ignore[no-untyped-call]

    def _what(self) -> tuple[str, dict[str, Any]]:
        frozen = self._frozen()
        return frozen.job, frozen.settings

    def _write_run_file(self) -> None:
        job, settings = self._what()
        record.write_run_file(
            self.folder,
            job=job,
            settings=settings,
            command=self.command,
            parameters=self.values,
            engine=self.settings,
            database=self.database,
            frozen=self._plan,
        )

    def _finish(self, document: Mapping[str, Any]) -> None:
        if self.folder.path.is_dir():
            record.finish(
                self.folder,
                self.database,
                self.kind.scope_name,
                document,
                self._plan is not None,
                self._not_shown,
                "" if self._is_beside else os.environ.get(NOTEBOOK_ENV, ""),
            )

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Take one step; when it fails, record the outcome before the error goes on."""
        try:
            remember_variable(self.values["dsn_env"])
            with watching(self._not_shown):
                self._interrupts.check()
                yield
        except KeyboardInterrupt:
            with self._interrupts.over():
                by = self._interrupts.name
                self._fail(name, failed_step.stopped(by, self.run_id, self._failed(name)))
            raise
        except Exception as error:  # a bug of ours, or of a person's cell: told, and raised
            said = failed_step.in_our_words(error, self._failed(name))
            self._fail(name, said or error)
            if said is None:
                raise
            raise said from None
        finally:
            self._listener.end_step()
            give_back()  # what a step has freed, before the next one takes more

    def _failed(self, step: str) -> FailedStep:
        is_writing = bool(self._plan and self.values.get("apply"))
        return FailedStep(step, self.folder, self._dsn, is_writing)

    @property
    def _dsn(self) -> str:
        return self.database.dsn if hasattr(self, "database") else ""  # else it was not opened

    def _fail(self, step: str, error: Exception) -> None:
        exit_code, message = int(ExitCode.UNEXPECTED), raised_in_words(error)
        if isinstance(error, BackfillError):
            exit_code, message = int(error.exit_code), str(error)
        message = redact(message, self._dsn)
        document: dict[str, Any] = {
            **self._standing(),
            **self._proof(),
            "exit_code": exit_code,
            "step": step,
            "error": message,
        }
        is_open = self.run_id and self.folder.path.is_dir() and self.folder.run_id == self.run_id
        is_refused = exit_code == ExitCode.LEASE_HELD and self._is_started()
        if is_open and not is_refused and not self._is_left_to_others():
            with contextlib.suppress(BackfillError, OSError, psycopg.Error):
                self._finish({**self._conclude_stopped(), **document})
        self.reporter.outcome({"exit_code": exit_code, "error": message, "summary": document})

    def _is_started(self) -> bool:
        """Whether the run was ever applied: without its lease, its folder is another's to write."""
        with contextlib.suppress(*_UNKNOWN), self.database.connect(read_only=True) as connection:
            run = Ledger(connection).find(self.run_id)
            return run is not None and run.started_at is not None
        return False

    def _is_left_to_others(self) -> bool:
        """Whether other appliers go on with the run: they will close its folder."""
        with contextlib.suppress(*_UNKNOWN), self.database.connect(read_only=True) as connection:
            return is_worked_on(connection, self.run_id, but_for=holder_name())
        return False

    def _standing(self) -> dict[str, Any]:
        """Return status and counts from the database: the only place that knows."""
        with watching(self._not_shown):
            document = attempt("How the run stands", self._standing_now, lambda _missed: None)
        return document or {"run_id": self.run_id, "status": RunStatus.FAILED.value}

    def _standing_now(self) -> dict[str, Any] | None:
        if not hasattr(self, "database"):
            return None  # it was not opened
        with self.database.connect(read_only=True) as connection:
            ledger = Ledger(connection)
            run = ledger.find(self.run_id)
            if run and self._plan and run.started_at:
                applied = standing(ledger, self._plan, run.status)
                return record.summary_document(self._plan, self.kind, applied, self._started)
            return {"run_id": self.run_id, "status": run.status.value} if run else None
