"""The one adapter from a task to what the engine runs: it numbers, decides, counts and reports.

1. Names become a table with types. 2. Rows are staged as the task reads them; a key twice is
refused. 3. In key order, block by block, the task computes; values are fitted to their columns by
the server; each row becomes a change, unchanged, drifted, or a skip with a reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from backfill.decisions import Answers
from backfill.display.pages import Shown
from backfill.errors import PreflightError, UsageError
from backfill.folder import RunFolder
from backfill.plans import plan
from backfill.plans.fitting import Fitting
from backfill.plans.keyed_rows import NO_COLUMN, first_keys
from backfill.plans.staging import Staging
from backfill.plans.worksheet import QUESTIONS_SCHEMA
from backfill.report import Reporter
from backfill.server.grants import Right
from backfill.server.plain_table import PlainTable, targets_null
from backfill.server.postgres import Connection, connect, scalar
from backfill.server.session import Session, SessionLimits
from backfill.skips import Skip, SkipReason
from backfill.steps.job import Computation, Job, JobKind, Preflight
from backfill.steps.task import CHAIN, TOLD, Task, part
from backfill.steps.task_kind import TaskKind
from backfill.steps.task_questions import TaskQuestions
from backfill.steps.task_rights import check_rights, rights_of
from backfill.steps.task_rows import Decided, changes_schema, decide, typed
from backfill.steps.task_table import Resolved, resolve
from backfill.steps.task_view import task_diff

BLOCK_ROWS = 20_000
#: Reading a large table in its own order may take what it takes.
PATIENT = SessionLimits(statement_timeout_ms=0)
SKIPS_SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64()),
        *(pa.field(name, pa.string()) for name in ("key", "scope", "column", "reason", "detail")),
    ]
)


class TaskJob(Job):
    """`Job` of any task. `preflight` must come first: it learns the table's types."""

    def __init__(
        self, task: Task, origin: Mapping[str, Any] | None = None, answers: Answers | None = None
    ) -> None:
        """`origin` says where the task was found, and with which parameters; kept with its runs."""
        self.task = task
        self._answers = answers or Answers()
        self._origin = dict(origin or {})
        self._resolved: Resolved | None = None
        self._dsn = ""

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def kind(self) -> JobKind:
        return TaskKind(self.name, lambda _target: self.task)

    def rights(self, connect: Callable[[], Session]) -> Sequence[Right]:
        with connect() as connection:
            return rights_of(resolve(connection, self.task.names()))

    @property
    def resolved(self) -> Resolved:
        if self._resolved is None:
            raise PreflightError("The preflight has not run yet. Run its cell first.")
        return self._resolved

    @property
    def table(self) -> PlainTable:
        return self.resolved.table

    @property
    def scope(self) -> dict[str, Any]:
        return {"table": str(self.table.relation), "members": None}

    @property
    def settings(self) -> dict[str, Any]:
        decided = {"decisions": self._answers.as_json()} if self._answers else {}
        return {**self._origin, **self.task.settings, **decided}

    @property
    def answers(self) -> Answers:
        return self._answers

    def target(self) -> dict[str, Any]:
        own = {name: True for name in TOLD if part(self.task, name)}
        return {"table": self.table.as_json(), **self._origin, **own}

    def preflight(self, connection: Connection, *, writing: bool) -> Preflight:
        self._resolved = resolve(connection, self.task.names())
        if accept := part(self.task, "accept"):
            accept(self._resolved)
        warnings = check_rights(connection, self._resolved, writing=writing)
        facts = {
            "table": str(self.table.relation),
            "key": ", ".join(column.name for column in self.table.key.columns),
            "to write": ", ".join(column.name for column in self.table.targets),
            "computed from": ", ".join(column.name for column in self.table.sources) or "nothing",
            **(part(self.task, "facts") or {}),
        }
        pending = part(self.task, "pending") or _without_value
        counted = pending(connection, self._resolved)
        return Preflight(counted, tuple(warnings), facts, part(self.task, "what") or WHAT)

    def extract(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        self._dsn = dsn
        rows = 0
        with connect(dsn, read_only=True, limits=PATIENT) as connection:
            for page in self.task.extract(connection, self.table):
                if not rows:
                    staging.create("extracted", page.schema)
                staging.append("extracted", page)
                rows += page.num_rows
                reporter.message(f"extract: {rows:,} rows read", "debug")
        if not rows and not staging.has("extracted"):
            staging.create("extracted", pa.schema([pa.field("key", pa.string())]))
        self._refuse_twice(staging)
        return rows

    def _refuse_twice(self, staging: Staging) -> None:
        found = staging.connection.execute(
            "SELECT key FROM extracted GROUP BY key HAVING count(*) > 1 ORDER BY key LIMIT 1000"
        ).fetchall()
        if found:
            raise UsageError(
                f"A key is there more than once: {first_keys([str(row[0]) for row in found])}. "
                "Which value counts, nobody can know: keep one row for each key."
            )

    def changes_schema(self) -> pa.Schema:
        return changes_schema(self.table, pa.struct([pa.field("detail", pa.string())]))

    def compute(self, staging: Staging, folder: RunFolder, reporter: Reporter) -> Computation:
        staging.create("skips", SKIPS_SCHEMA)
        staging.create("questions", QUESTIONS_SCHEMA)
        rows = int(staging.scalar("SELECT count(*) FROM extracted"))
        count = _Count()
        asking = TaskQuestions(part(self.task, "questions") or {}, self._answers)
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
            changes = self._blocks(staging, fitting, count, reporter, note, asking)
            written = plan.write_changes(folder, changes, changes_schema(self.table, note))
        asking.tell_idle(reporter)
        return Computation(rows, written, count.skips, count.as_json(str(self.table.relation)))

    def _blocks(
        self,
        staging: Staging,
        fitting: Fitting,
        count: _Count,
        reporter: Reporter,
        note: pa.StructType,
        asking: TaskQuestions,
    ) -> Iterator[pa.Table]:
        schema = _schema_of(staging)
        if "before" not in schema.names:
            return
        place = 0
        for block in staging.read("SELECT * FROM extracted ORDER BY key", schema, BLOCK_ROWS):
            given = asking.answered(typed(block, self.resolved))
            computed = self.task.compute(given)
            if computed.num_rows != block.num_rows:
                raise PreflightError(
                    f"The task {self.name} computed {computed.num_rows:,} rows of "
                    f"{block.num_rows:,}: row for row is what the engine needs."
                )
            asking.take(given, computed, staging)
            decided = decide(
                self.task, self.resolved, block, computed, fitting, first=place, note=note
            )
            place += block.num_rows
            self._tell(decided, count, staging, reporter)
            yield decided.changes

    def _tell(self, decided: Decided, count: _Count, staging: Staging, reporter: Reporter) -> None:
        count.add(decided)
        staging.append("skips", _skips_table(decided.skips))
        reporter.skips(skip for _position, skip in decided.skips)
        pa.default_memory_pool().release_unused()

    def diff_view(self, staging: Staging) -> Shown:
        own = part(self.task, "views")
        shown: Shown = task_diff(staging, self.table)
        return own(staging) + shown if own else shown


WHAT = ("row has no value yet", "rows have no value yet")


def _without_value(connection: Connection, resolved: Resolved) -> dict[str, int]:
    """Count the rows of which a target is NULL: what most tasks look for."""
    relation = resolved.table.relation
    rows = scalar(
        connection,
        sql.SQL("SELECT count(*) FROM {} WHERE {}").format(
            relation.identifier, sql.SQL(targets_null(resolved.table))
        ),
    )
    return {str(relation): int(rows)}


class _Count:
    """What is counted while blocks of rows are decided."""

    def __init__(self) -> None:
        self.rules: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    def add(self, decided: Decided) -> None:
        for column, counter in (("rule", self.rules), ("kind", self.kinds)):
            rows = decided.changes
            if column == "rule":
                rows = rows.filter(pc.not_equal(rows.column("kind"), "unchanged"))
            for entry in rows.column(column).value_counts().to_pylist():
                counter[entry["values"]] += entry["counts"]
        for _position, skip in decided.skips:
            is_drifted = skip.reason == SkipReason.DRIFTED
            self.kinds["drifted" if is_drifted else "skipped"] += 1

    @property
    def skips(self) -> int:
        return self.kinds["skipped"]

    def as_json(self, scope: str) -> dict[str, Any]:
        updated = self.kinds["added"] + self.kinds["changed"]
        counts = {name: self.kinds[name] for name in ("unchanged", "drifted", "skipped")}
        return {
            "rules": dict(sorted(self.rules.items())),
            "by_scope": {scope: {"updated": updated, **counts}},
        }


def _skips_table(skips: Sequence[tuple[int, Skip]]) -> pa.Table:
    return pa.table(
        {
            "position": [position for position, _skip in skips],
            **{
                name: [getattr(skip, name) for _position, skip in skips]
                for name in ("key", "scope", "column")
            },
            "reason": [skip.reason.value for _position, skip in skips],
            "detail": [skip.detail for _position, skip in skips],
        },
        schema=SKIPS_SCHEMA,
    )


def _schema_of(staging: Staging) -> pa.Schema:
    empty = staging.connection.cursor().sql("SELECT * FROM extracted LIMIT 0").to_arrow_table()
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
