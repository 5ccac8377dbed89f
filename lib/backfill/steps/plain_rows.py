"""A task upon one table whose values travel as texts: what the engine does where it says nothing.

1. Names became a table with types. 2. Rows are staged as the task reads them; a key twice is
refused. 3. In key order, block by block, the task computes; values are fitted to their columns by
the server; each row becomes a change, unchanged, drifted, or a skip with a reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from backfill.decisions import Answers
from backfill.display.pages import Shown
from backfill.errors import UsageError
from backfill.plans.fitting import Fitting
from backfill.plans.keyed_rows import NO_COLUMN, first_keys, rows_where
from backfill.plans.staging import Staging
from backfill.report import Reporter
from backfill.server.own_casts import check_casts
from backfill.server.plain_table import plain_to_json, targets_null
from backfill.server.postgres import Connection, connect
from backfill.server.rights import check_rights, rights_on
from backfill.server.session import SessionLimits
from backfill.server.table import Table
from backfill.steps.chosen import ChosenRows, count_chosen, stage_pages
from backfill.steps.task import CHAIN, TOLD, Decided, Preflight, Work, part, where_of
from backfill.steps.task_questions import TaskQuestions
from backfill.steps.task_returns import computed_by, pages_of
from backfill.steps.task_rows import decide_rows, plain_schema, typed
from backfill.steps.task_table import Resolved, cautions
from backfill.steps.task_view import task_diff

BLOCK_ROWS = 20_000
#: Reading a large table in its own order may take what it takes.
PATIENT = SessionLimits(statement_timeout_ms=0)
WHAT = ("row has no value yet", "rows have no value yet")
CHOSEN = ("row is chosen", "rows are chosen")
NOT_YIELDED = "The task's `where` chooses them, and its `extract` did not yield them."
_OWN = ("counted_kinds", "listed_scopes", "idle_words", "picture")


def plain_preflight(
    task: Any, connection: Connection, resolved: Resolved, *, writing: bool
) -> Preflight:
    """Check rights, count the rows that wait; raise `PreflightError` or `UsageError`."""
    table, what = resolved.table, part(task, "what")
    warnings = check_rights(connection, rights_on(resolved.table), writing=writing)
    check_casts(connection, table.relations)
    warnings += cautions(connection, resolved)
    facts = {
        "table": str(table.relation),
        "key": ", ".join(column.name for column in table.key.columns),
        "to write": ", ".join(column.name for column in table.targets),
        "computed from": ", ".join(column.name for column in table.sources) or "nothing",
        **part(task, "facts"),
    }
    if where := where_of(task):
        rows = count_chosen(connection, table, where, f"The condition of {task.name}")
        return Preflight({str(table.relation): rows}, tuple(warnings), facts, what or CHOSEN)
    counted = (part(task, "pending") or _without_value)(connection, resolved)
    return Preflight(counted, tuple(warnings), facts, what or WHAT)


def _without_value(connection: Connection, resolved: Resolved) -> dict[str, int]:
    """Count the rows of which a target is NULL: what most tasks look for."""
    table = resolved.table
    rows = count_chosen(connection, table, targets_null(table), "The condition of no value")
    return {str(table.relation): rows}


class PlainRows:
    """`Rows` of any task; each of its verbs may be the task's own."""

    def __init__(
        self,
        task: Any,
        origin: Mapping[str, Any],
        answers: Answers,
        resolved: Resolved,
        preflight: Preflight,
    ) -> None:
        """`origin` says where the task was found; `preflight` is what that counted."""
        self.task = task
        self.resolved = resolved
        self.preflight = preflight
        self._origin = origin
        self._dsn = ""
        self._asking = TaskQuestions(part(task, "questions"), answers)
        for name in _OWN:
            setattr(self, name, part(task, name))

    @property
    def table(self) -> Table:
        return self.resolved.table

    @property
    def plan_scope(self) -> dict[str, Any]:
        own = part(self.task, "plan_scope")
        return own or {"table": str(self.table.relation), "members": None}

    def plan_target(self) -> dict[str, Any]:
        if own := part(self.task, "plan_target"):
            return dict(own())
        parts = {name: True for name in TOLD if part(self.task, name)}
        return {"table": plain_to_json(self.table), **self._origin, **parts}

    def stage_rows(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        self._dsn = dsn
        if own := part(self.task, "stage_rows"):
            return int(own(dsn, staging, reporter))
        with connect(dsn, read_only=True, limits=PATIENT) as connection:
            rows = self._read(connection, staging, reporter)
            if not rows and not staging.has("extracted"):
                staging.create("extracted", pa.schema([pa.field("key", pa.string())]))
            _refuse_twice(staging)
        return rows

    def _read(self, connection: Connection, staging: Staging, reporter: Reporter) -> int:
        """Read as the task does, or the rows that it chooses; compare them with the count."""
        where, table = where_of(self.task), self.table
        has_own = hasattr(self.task, "extract")
        own = partial(pages_of, self.task, connection, table)
        if where:
            counted = sum(self.preflight.pending.values())
            read, mend = partial(rows_where, connection, table, where), {}
            if has_own:
                read, mend = own, {"mend": NOT_YIELDED}
            chosen = ChosenRows(connection, table, where, read)
            return chosen.stage(staging, "extracted", counted, reporter, **mend)
        rows = stage_pages(own(), staging, "extracted", reporter)
        if not part(self.task, "counts_itself"):
            reporter.message(
                "The task reads its rows by itself: that it read all it should, nobody has "
                "counted. A task that says `where` is counted."
            )
        return rows

    def plan_schema(self, staging: Staging) -> pa.Schema:
        if own := part(self.task, "plan_schema"):
            schema: pa.Schema = own(staging)
            return schema
        return plain_schema(self.table, self._notes(staging))

    def plan_rows(self, work: Work) -> Iterator[Decided]:
        if own := part(self.task, "plan_rows"):
            yield from own(work)
            return
        schema = _schema_of(work.staging)
        with connect(self._dsn, read_only=True, limits=PATIENT) as connection:
            fitting = Fitting(connection, self.table, self.resolved.columns)
            for name in fitting.unchecked:
                work.reporter.message(
                    f"The constraint {name} could not be asked about (does the role see all "
                    "columns that it reads?): rows that it refuses are found when they are "
                    "written, and skipped then.",
                    "warning",
                )
            if "before" in schema.names:
                yield from self._decided(work.staging, schema, fitting)
        work.used = self._asking.used

    def _decided(self, staging: Staging, schema: pa.Schema, fitting: Fitting) -> Iterator[Decided]:
        place, note = 0, self._notes(staging)
        for block in staging.read("SELECT * FROM extracted ORDER BY key", schema, BLOCK_ROWS):
            given = self._asking.answered(typed(block, self.resolved))
            computed = computed_by(self.task, given)
            changes, skips = decide_rows(
                self.task, self.resolved, block, computed, fitting, first=place, note=note
            )
            place += block.num_rows
            yield Decided(changes, skips, self._asking.asked(given, computed))

    def _notes(self, staging: Staging) -> pa.StructType:
        """Return the type of `why`: the detail, and the notes that came with the rows."""
        fields = [pa.field("detail", pa.string())]
        schema = _schema_of(staging)
        if "note" in schema.names:
            own = schema.field("note").type
            names = (f.name for f in own if f.name not in (NO_COLUMN, "detail", CHAIN))
            fields += [pa.field(name, pa.string()) for name in names]
        if part(self.task, "chain") is not None:
            fields.append(pa.field(CHAIN, pa.string()))
        return pa.struct(fields)

    def diff_view(self, staging: Staging) -> Shown:
        if diff := part(self.task, "diff_view"):
            shown: Shown = diff(staging)
            return shown
        own = part(self.task, "views")
        shown = task_diff(staging, self.table)
        return own(staging) + shown if own else shown


def _refuse_twice(staging: Staging) -> None:
    query = "SELECT key FROM extracted GROUP BY key HAVING count(*) > 1 ORDER BY key LIMIT 1000"
    pages = staging.read(query, pa.schema([pa.field("key", pa.string())]))
    doubles = [str(key) for page in pages for key in page["key"].to_pylist()]
    if doubles:
        raise UsageError(
            f"A key is there more than once: {first_keys(doubles)}. "
            "Which value counts, nobody can know: keep one row for each key."
        )


def _schema_of(staging: Staging) -> pa.Schema:
    empty = staging.table("SELECT * FROM extracted LIMIT 0")
    return empty.schema
