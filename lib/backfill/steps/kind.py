"""What can be done for a run whose settings are not at hand: from its ledger row alone.

Whatever the task itself has to say is asked of its parts; where it says nothing, or is not there,
the engine does what it does for any table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import pyarrow as pa

from backfill.archive.run_facts import RunFacts
from backfill.archive.trace import Trace
from backfill.chunks.compare_and_set import TableWriter
from backfill.chunks.writing import ChunkWriter
from backfill.decisions import Words
from backfill.display.explanation import Explanation, facts, remarks
from backfill.errors import BackfillError, UsageError
from backfill.folder import RunFolder
from backfill.plans.keyed_rows import NO_COLUMN
from backfill.plans.plan import Plan
from backfill.records.checkpoint import Counts
from backfill.records.ledger import Ledger
from backfill.server.plain_table import plain_from_json
from backfill.server.postgres import Connection
from backfill.settings import EngineSettings, check_reasons
from backfill.steps.laid_out import causes_of_any, lay_out_rows
from backfill.steps.task import CHAIN, Cause, Recomputed, RunOutcome, part
from backfill.steps.task_returns import found_wrong

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Finds what has a task's parts by the target of a run, None where that is not installed here.
FindParts = Callable[[Mapping[str, Any]], object | None]


class JobKind:
    """The runs of one task, shipped or somebody else's."""

    def __init__(self, name: str, find: FindParts = lambda _target: None) -> None:
        self.name = name
        self._find = find

    def _part(self, target: Mapping[str, Any], name: str) -> Any:
        return part(self._find(target), name)

    @property
    def scope_name(self) -> str:
        """What a member of the scope is called."""
        return self._part({}, "scope_name") or "table"

    @property
    def words(self) -> Words:
        """What answers a question of this task, by kind of question."""
        words: Words = self._part({}, "questions")
        return words

    def chain(self, target: Mapping[str, Any], schema: pa.Schema | None = None) -> str:
        """Return a DuckDB expression over a change, equal for rows that build on one another.

        Such rows are written one to a transaction, in order, and reverted the last one first.
        Empty: every row stands for itself. `schema` is that of the plan, where it is at hand.
        """
        if over_columns := self._part(target, "chained_by"):
            return str(over_columns)
        if not target.get(CHAIN):
            return ""
        # A revert's plan has no notes: all of the table is one chain then.
        has_own = schema is None or schema.field("why").type.get_field_index(CHAIN) >= 0
        return f"why.{CHAIN}" if has_own else "scope"

    def reasons(self, target: Mapping[str, Any]) -> Collection[str] | None:
        """Return its own reasons for a skip, beside the engine's; None where it tells none."""
        own = self._part(target, "reasons")
        return None if own is None else [str(reason) for reason in own]

    def check_skip_limits(
        self,
        settings: EngineSettings,
        target: Mapping[str, Any] | None = None,
        seen: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """Raise `UsageError` for a reason as which no row is skipped: it would limit nothing.

        Nor may one be near to a reason `seen`: it is a misspelling of that.
        """
        if settings.max_skips_of:
            check_reasons(settings.max_skips_of, self.reasons(target or {}), set(seen()))

    def change_columns(self, schema: pa.Schema) -> Mapping[str, str]:
        """Return columns by which people choose changes: DuckDB expressions by name."""
        own = self._part({}, "change_columns")
        return {self.scope_name: "scope", **(own(schema) if own else {})}

    def writer(self, target: Mapping[str, Any]) -> ChunkWriter:
        return self._writer(target, "writer")

    def reverter(self, target: Mapping[str, Any]) -> ChunkWriter:
        """Return what writes before-images back."""
        return self._writer(target, "reverter")

    def _writer(self, target: Mapping[str, Any], name: str) -> ChunkWriter:
        own = self._part(target, name)
        if target.get(name) and own is None:
            raise UsageError(
                f"The task {self.name} writes in its own way, and is not installed here. Install "
                "its package, then type the command again. Nothing was written."
            )
        return own(target) if own else TableWriter(plain_from_json(target["table"]))

    def look(
        self, connection: Connection, target: Mapping[str, Any], rows: pa.Table, side: str
    ) -> Mapping[int, str | None]:
        """Return present values by row, of the image rows that the database holds not at `side`.

        None stands for a row that is gone.
        """
        for name in ("reverter", "writer"):
            if target.get(name) or self._part(target, name):
                own: Any = self._writer(target, name)
                if hasattr(own, "look"):
                    present: Mapping[int, str | None] = own.look(connection, rows, side)
                    return present
        return TableWriter(plain_from_json(target["table"])).look(connection, rows, side)

    def remarks(
        self, connection: Connection, target: Mapping[str, Any], rows: pa.Table
    ) -> Sequence[str]:
        """Return for each image row what reverting it leaves behind; empty for nothing."""
        own = self._part(target, "remarks")
        return own(connection, rows) if own else [""] * rows.num_rows

    def recompute(self, target: Mapping[str, Any], rows: pa.Table) -> Recomputed:
        """Let the task check rows by another way; without one nothing is claimed."""
        check = self._part(target, "check")
        if check is None:
            return Recomputed(0)
        wrong = check(rows)
        if isinstance(wrong, Recomputed):
            return wrong
        return Recomputed(rows.num_rows, found_wrong(self.name, wrong, rows.num_rows))

    def explain(self, trace: Trace) -> Explanation:
        """Return why a row's values are what they are. Read-only."""
        if own := self._part({}, "explain_row"):
            explained: Explanation = own(trace)
            return explained
        document = _explained(trace)
        shown = facts(
            f"Row {trace.key} of run {trace.source.run_id}",
            [
                ("what became of it", document["outcome"]),
                ("in the database now", document["now"]),
                ("rule", document["rule"]),
                ("warnings", document["warnings"]),
            ],
        )
        for name in ("source", "before", "after", "note"):
            told = [
                (column, "NULL" if value is None else value)
                for column, value in (document[name] or {}).items()
                if value is not None or name != "note"
            ]
            if told:
                shown += facts(name, told)
        return Explanation(document, shown + remarks(trace.notes))

    def lay_out(self, connection: DuckDBPyConnection, folder: RunFolder, name: str) -> None:
        """Make the DuckDB table `name` of a run's folder, all text: what, key, scope, values."""
        own = self._part({}, "lay_out")
        if own:
            own(connection, folder, name)
        else:
            lay_out_rows(connection, folder, name, self._part({}, "compared_by"))

    def causes(self, before: RunFacts, after: RunFacts) -> Iterable[Cause]:
        """Return what may explain differences between two runs, the surest first."""
        own = self._part({}, "causes") or causes_of_any
        causes: Iterable[Cause] = own(before, after)
        return causes

    def doubts(self, facts: RunFacts) -> str:
        """Return what was doubtful about a run, in a sentence; empty for nothing."""
        own = self._part(facts.planned("target"), "doubts")
        return str(own(facts)) if own else ""

    def computed_by(self, facts: RunFacts) -> Mapping[str, Any]:
        """Return what computed a run beside the engine: names, each with what it was."""
        target = facts.planned("target")
        own = self._part(target, "computed_by")
        return dict(own(target)) if own else {}

    @property
    def set_on_writing(self) -> Mapping[str, str]:
        """The columns whose value is made by writing, each with one that says there is a row."""
        return self._part({}, "set_on_writing") or {}

    def uses_calendar(self, target: Mapping[str, Any]) -> bool:
        """Whether its values hang on the rules of local time: a plan is stale when they change."""
        return self._part(target, "uses_calendar") is not False

    def count_pending(self, connection: Connection, plan: Plan) -> int | None:
        """Return how many rows of the plan's scope are pending now, None where nobody counts."""
        own = self._part(plan.target, "count_pending")
        return own(connection, plan) if own else None

    def conclude(self, folder: RunFolder, plan: Plan, ledger: Ledger | None) -> dict[str, Any]:
        """Let the task write files of its own; return what they add to the summary.

        `ledger` is None for a plan that nobody applied.
        """
        if own := self._part(plan.target, "conclude"):
            return dict(own(folder, plan, ledger))
        own = self._part(plan.target, "finish")
        keys = own(folder) if own else None
        return dict(keys) if isinstance(keys, Mapping) else {}

    def summary(self, plan: Plan, counts: Counts, by_scope: Mapping[str, Counts]) -> dict[str, Any]:
        """Return the task's own keys of the summary, and the totals."""
        if own := self._part(plan.target, "summary_keys"):
            return dict(own(plan, counts, by_scope))
        return {
            "job": plan.job,
            "table": plan.scope.get("table"),
            **counts.totals(),
            "rules": plan.counts.get("rules", {}),
        }

    def verdict(self, plan: Plan, **outcome: Unpack[RunOutcome]) -> BackfillError | None:
        """Return the error that a run ends with although every step did its work, if any."""
        own = self._part(plan.target, "verdict")
        return own(plan, **outcome) if own else None


def _explained(trace: Trace) -> dict[str, Any]:
    change = trace.change or {}
    values = {name: _values(change.get(name)) for name in ("source", "before", "after")}
    table = change.get("scope") or (trace.skip.scope if trace.skip else None)
    return trace.document({"table": table, **values, "note": _values(change.get("why"))})


def _values(struct: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not struct:
        return None
    return {name: value for name, value in struct.items() if name != NO_COLUMN}
