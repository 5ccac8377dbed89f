"""From a task to what the engine runs, the same way for each: checked, read, decided, counted.

`Job` is a task with its parameters; `Ready` is what its preflight makes of it. Which rows are read
and what is decided of them the task upon its tables says (`steps.task.Rows`), by default
`steps.plain_rows.PlainRows`; what is decided the engine numbers, counts, stages and writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backfill.decisions import Answers
from backfill.display.pages import NOTHING, Shown
from backfill.errors import PreflightError
from backfill.folder import RunFolder
from backfill.plans.staging import Staging
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.server.postgres import Connection
from backfill.server.rights import Right, rights_on
from backfill.server.session import Session
from backfill.steps import results
from backfill.steps.kind import JobKind
from backfill.steps.plain_rows import PlainRows, plain_preflight
from backfill.steps.task import Preflight, Rows, Work, part
from backfill.steps.task_questions import tell_idle
from backfill.steps.task_returns import names_of, settings_of
from backfill.steps.task_table import resolve, resolved_of


@dataclass(frozen=True, slots=True)
class Computation:
    """What compute left behind: rows looked at, and counts that the summary shows."""

    rows: int
    changes: int
    skips: int
    counts: dict[str, Any]


class Job:
    """A task, before anything was asked of a database."""

    def __init__(
        self,
        task: Any,
        origin: Mapping[str, Any] | None = None,
        answers: Answers | None = None,
    ) -> None:
        """`origin` says where the task was found, and with which parameters; kept with its runs."""
        self.task = task
        self.answers = answers or Answers()
        self.origin = dict(origin or {})

    @property
    def name(self) -> str:
        return str(self.task.name)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides a value, as JSON: it is fingerprinted."""
        decided = {"decisions": self.answers.as_json()} if self.answers else {}
        return {**self.origin, **settings_of(self.task), **decided}

    @property
    def kind(self) -> JobKind:
        """What can be done for its runs later on."""
        return JobKind(self.name, part(self.task, "parts_of_runs") or (lambda _target: self.task))

    def rights(self, connect: Callable[[], Session]) -> Sequence[Right]:
        """Return what roles need on tables, read from the catalog where that is asked."""
        if own := part(self.task, "needed_rights"):
            rights: Sequence[Right] = own(connect)
            return rights
        with connect() as connection:
            return rights_on(resolve(connection, names_of(self.task)).table)

    def preflight(self, connection: Connection, *, writing: bool) -> Ready:
        """Check tables, rights and encodings; raise `PreflightError` or `UsageError`."""
        if own := part(self.task, "preflight"):
            return Ready(self, *own(connection, writing=writing))
        resolved = resolved_of(self.task, connection)
        preflight = plain_preflight(self.task, connection, resolved, writing=writing)
        rows = PlainRows(self.task, self.origin, self.answers, resolved, preflight)
        return Ready(self, rows, preflight)


class Ready:
    """A job as its preflight found it."""

    def __init__(self, job: Job, rows: Rows, preflight: Preflight) -> None:
        self.job = job
        self.rows = rows
        self.preflight = preflight
        self._refusal = ""

    @property
    def scope(self) -> dict[str, Any]:
        """`table`: what is written to; `members`: of the scope, None for all."""
        return self.rows.plan_scope

    def target(self) -> dict[str, Any]:
        """Return what the writer needs, as JSON.

        Raises `PreflightError` where what was computed is to be looked at, and not to be written.
        """
        if self._refusal:  # asked for when the plan is frozen: the diff has been shown
            raise PreflightError(self._refusal)
        return self.rows.plan_target()

    def compute(self, staging: Staging, folder: RunFolder, reporter: Reporter) -> Computation:
        """Write the plan's `changes.parquet`; fill `skips` and `questions` of staging."""
        work = Work(staging, folder, reporter)
        schema = self.rows.plan_schema(staging)
        written, counted = results.write(self.rows.plan_rows(work), schema, work)
        self._refusal = work.refusal
        idle = part(self.rows, "idle_words")
        tell_idle(self.job.answers, work.used | counted.used, idle, reporter)
        skips, kinds = counted.total("skipped"), part(self.rows, "counted_kinds")
        rules = {"rules": dict(sorted(counted.rules.items()))} if kinds is None else {}
        scopes = part(self.rows, "listed_scopes")
        if scopes is None:
            scopes = () if counted.kinds else (self.scope["table"],)
        return Computation(
            written + skips + counted.total("drifted"),
            written if kinds is None else counted.total("updated"),
            skips,
            {**rules, **work.counts, "by_scope": counted.by_scope(scopes, kinds or results.KINDS)},
        )

    def picture(self, staging: Staging, database: Database) -> Shown:
        own = part(self.rows, "picture")
        return own(staging, database) if own else NOTHING
