"""The one adapter from a task to what the engine runs: it numbers, decides, counts and reports.

`Job` is a task with its parameters; `Ready` is what its preflight makes of it.

1. Names become a table with types. 2. Rows are staged as the task reads them; a key twice is
refused. 3. In key order, block by block, the task computes; values are fitted to their columns by
the server; each row becomes a change, unchanged, drifted, or a skip with a reason. A task that
reads or decides by itself does so in place of 2 or 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from backfill.decisions import Answers
from backfill.display.pages import NOTHING, Shown
from backfill.errors import PreflightError, UsageError
from backfill.folder import RunFolder
from backfill.plans.fitting import Fitting
from backfill.plans.keyed_rows import NO_COLUMN, first_keys, rows_where
from backfill.plans.staging import Staging
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.server.grants import Right
from backfill.server.plain_table import PlainTable, targets_null
from backfill.server.postgres import Connection, connect
from backfill.server.session import Session, SessionLimits
from backfill.steps import results
from backfill.steps.chosen import ChosenRows, count_chosen, stage_pages
from backfill.steps.kind import JobKind
from backfill.steps.task import CHAIN, TOLD, Decided, Preflight, Work, part
from backfill.steps.task_questions import IDLE, TaskQuestions, tell_idle
from backfill.steps.task_rows import decide, plain_schema, typed
from backfill.steps.task_table import Resolved, check_rights, resolve, rights_of
from backfill.steps.task_view import task_diff

BLOCK_ROWS = 20_000
#: Reading a large table in its own order may take what it takes.
PATIENT = SessionLimits(statement_timeout_ms=0)
WHAT = ("row has no value yet", "rows have no value yet")
NOT_YIELDED = "The task's `where` chooses them, and its `extract` did not yield them."
CHOSEN = ("row is chosen", "rows are chosen")


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
        return {**self.origin, **self.task.settings, **decided}

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
            return rights_of(resolve(connection, self.task.names()))

    def preflight(self, connection: Connection, *, writing: bool) -> Ready:
        """Check tables, rights and encodings; raise `PreflightError` or `UsageError`."""
        if own := part(self.task, "preflight"):
            task, found = own(connection, writing=writing)
            return Ready(self, task, found)
        resolved = self.resolved(connection)
        warnings = check_rights(connection, resolved, writing=writing)
        table = resolved.table
        facts = {
            "table": str(table.relation),
            "key": ", ".join(column.name for column in table.key.columns),
            "to write": ", ".join(column.name for column in table.targets),
            "computed from": ", ".join(column.name for column in table.sources) or "nothing",
            **(part(self.task, "facts") or {}),
        }
        what = part(self.task, "what")
        if where := part(self.task, "where"):
            rows = count_chosen(connection, table, where, f"The condition of {self.name}")
            counted, what = {str(table.relation): rows}, what or CHOSEN
        else:
            counted = (part(self.task, "pending") or _without_value)(connection, resolved)
        found = Preflight(counted, tuple(warnings), facts, what or WHAT)
        return Ready(self, self.task, found, resolved)

    def resolved(self, connection: Connection) -> Resolved:
        """Return the task's table with its types; raise what the task finds wrong with it."""
        resolved = resolve(connection, self.task.names())
        if accept := part(self.task, "accept"):
            accept(resolved)
        return resolved


class Ready:
    """A task upon its tables, as the preflight found them."""

    def __init__(
        self, job: Job, task: Any, found: Preflight, resolved: Resolved | None = None
    ) -> None:
        self.job = job
        self.task = task
        self.found = found
        self._resolved = resolved
        self._refusal = ""
        self._dsn = ""

    @property
    def resolved(self) -> Resolved:
        assert self._resolved is not None  # only a task without a preflight of its own asks
        return self._resolved

    @resolved.setter
    def resolved(self, resolved: Resolved) -> None:
        self._resolved = resolved

    @property
    def table(self) -> PlainTable:
        return self.resolved.table

    @property
    def scope(self) -> dict[str, Any]:
        """`table`: what is written to; `members`: of the scope, None for all."""
        own = part(self.task, "plan_scope")
        return own or {"table": str(self.table.relation), "members": None}

    def target(self) -> dict[str, Any]:
        """Return what the writer needs, as JSON.

        Raises `PreflightError` where what was computed is to be looked at, and not to be written.
        """
        if self._refusal:  # asked for when the plan is frozen: the diff has been shown
            raise PreflightError(self._refusal)
        if own := part(self.task, "plan_target"):
            return dict(own())
        parts = {name: True for name in TOLD if part(self.task, name)}
        return {"table": self.table.as_json(), **self.job.origin, **parts}

    def extract(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        """Read into staging; return the number of rows."""
        self._dsn = dsn
        if own := part(self.task, "stage_rows"):
            return int(own(dsn, staging, reporter))
        with connect(dsn, read_only=True, limits=PATIENT) as connection:
            rows = self._read(connection, staging, reporter)
            if not rows:
                staging.create("extracted", pa.schema([pa.field("key", pa.string())]))
            _refuse_twice(staging)
        return rows

    def _read(self, connection: Connection, staging: Staging, reporter: Reporter) -> int:
        """Read as the task does, or the rows that it chooses; compare them with the count."""
        where, table = part(self.task, "where"), self.table
        own = getattr(self.task, "extract", None)
        if where:
            counted = sum(self.found.pending.values())
            read, mend = partial(rows_where, connection, table, where), {}
            if own is not None:
                read, mend = partial(own, connection, table), {"mend": NOT_YIELDED}
            chosen = ChosenRows(connection, table, where, read)
            return chosen.stage(staging, "extracted", counted, reporter, **mend)
        assert own is not None  # without one or the other it is no task
        rows = stage_pages(own(connection, table), staging, "extracted", reporter)
        if not part(self.task, "counts_itself"):
            reporter.message(
                "The task reads its rows by itself: that it read all it should, nobody has "
                "counted. A task that says `where` is counted."
            )
        return rows

    def compute(self, staging: Staging, folder: RunFolder, reporter: Reporter) -> Computation:
        """Write the plan's `changes.parquet`; fill `skips` and `questions` of staging."""
        results.begin(staging)
        work = Work(staging, folder, reporter)
        if own := part(self.task, "plan_rows"):
            schema = self.task.plan_schema
            written, counted = results.write(own(work), schema, staging, folder, reporter)
        else:
            written, counted = self._decide(work)
            work.counts = {"rules": dict(sorted(counted.rules.items()))}
        self._refusal = work.refusal
        idle = part(self.task, "idle_words") or IDLE
        tell_idle(self.job.answers, work.used | counted.used, idle, reporter)
        scopes = part(self.task, "listed_scopes")
        if scopes is None:
            scopes = () if counted.kinds else (str(self.table.relation),)
        skips = counted.total("skipped")
        by_scope = counted.by_scope(scopes, part(self.task, "counted_kinds") or results.KINDS)
        return Computation(
            written + skips + counted.total("drifted"),
            counted.total("updated") if own else written,  # as plans have told it ever since
            skips,
            {**work.counts, "by_scope": by_scope},
        )

    def _decide(self, work: Work) -> tuple[int, results.Counted]:
        staging, reporter = work.staging, work.reporter
        asking = TaskQuestions(part(self.task, "questions") or {}, self.job.answers)
        note = _note_type(staging, part(self.task, "chain") is not None)
        with connect(self._dsn, read_only=True, limits=PATIENT) as connection:
            fitting = Fitting(connection, self.table, self.resolved.columns)
            for name in fitting.unchecked:
                reporter.message(
                    f"The constraint {name} could not be asked about (does the role see all "
                    "columns that it reads?): rows that it refuses are found when they are "
                    "written, and skipped then.",
                    "warning",
                )
            blocks = self._blocks(staging, fitting, note, asking)
            schema = plain_schema(self.table, note)
            written = results.write(blocks, schema, staging, work.folder, reporter)
        work.used = asking.used
        return written

    def _blocks(
        self, staging: Staging, fitting: Fitting, note: pa.StructType, asking: TaskQuestions
    ) -> Iterator[Decided]:
        schema = _schema_of(staging)
        if "before" not in schema.names:
            return
        place = 0
        for block in staging.read("SELECT * FROM extracted ORDER BY key", schema, BLOCK_ROWS):
            given = asking.answered(typed(block, self.resolved))
            computed = self.task.compute(given)
            if computed.num_rows != block.num_rows:
                raise PreflightError(
                    f"The task {self.job.name} computed {computed.num_rows:,} rows of "
                    f"{block.num_rows:,}: row for row is what the engine needs."
                )
            changes, skips = decide(
                self.task, self.resolved, block, computed, fitting, first=place, note=note
            )
            place += block.num_rows
            yield Decided(changes, skips, asking.asked(given, computed))

    def diff_view(self, staging: Staging) -> Shown:
        """Return what a person reads before approving."""
        if diff := part(self.task, "diff_view"):
            shown: Shown = diff(staging)
            return shown
        own = part(self.task, "views")
        shown = task_diff(staging, self.table)
        return own(staging) + shown if own else shown

    def picture(self, staging: Staging, database: Database) -> Shown:
        """Return the picture that belongs to the diff."""
        own = part(self.task, "picture")
        return own(staging, database) if own else NOTHING


def _refuse_twice(staging: Staging) -> None:
    doubles = staging.connection.execute(
        "SELECT key FROM extracted GROUP BY key HAVING count(*) > 1 ORDER BY key LIMIT 1000"
    ).fetchall()
    if doubles:
        raise UsageError(
            f"A key is there more than once: {first_keys([str(row[0]) for row in doubles])}. "
            "Which value counts, nobody can know: keep one row for each key."
        )


def _without_value(connection: Connection, resolved: Resolved) -> dict[str, int]:
    """Count the rows of which a target is NULL: what most tasks look for."""
    table = resolved.table
    rows = count_chosen(connection, table, targets_null(table), "The condition of no value")
    return {str(table.relation): rows}


def _schema_of(staging: Staging) -> pa.Schema:
    empty = staging.table("SELECT * FROM extracted LIMIT 0")
    return empty.schema


def _note_type(staging: Staging, is_chained: bool) -> pa.StructType:
    """Return the type of `why`: the detail, and the notes that came with the rows."""
    fields = [pa.field("detail", pa.string())]
    schema = _schema_of(staging)
    if "note" in schema.names:
        own = [
            pa.field(f.name, pa.string()) for f in schema.field("note").type if f.name != NO_COLUMN
        ]
        fields += [field for field in own if field.name not in ("detail", CHAIN)]
    if is_chained:
        fields.append(pa.field(CHAIN, pa.string()))
    return pa.struct(fields)
