"""What can be done for a run of any task from its ledger row alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from backfill.archive.run_facts import RunFacts
from backfill.archive.trace import Trace
from backfill.chunks.compare_and_set import TableWriter
from backfill.chunks.writing import ChunkWriter
from backfill.decisions import Words
from backfill.display.explanation import Explanation, facts, remarks
from backfill.errors import UsageError
from backfill.folder import RunFolder
from backfill.plans.keyed_rows import NO_COLUMN
from backfill.plans.plan import Plan
from backfill.records.checkpoint import Counts
from backfill.records.ledger import Ledger
from backfill.server.plain_table import plain_from_json
from backfill.server.postgres import Connection
from backfill.steps.comparison import causes_of_writing
from backfill.steps.job import Cause, JobKind, Recomputed
from backfill.steps.task import CHAIN, Task, part

#: Finds the task of a run by what its target says, None where it is not installed here.
FindTask = Callable[[Mapping[str, Any]], Task | None]


def _no_task(_target: Mapping[str, Any]) -> Task | None:
    return None


class TaskKind(JobKind):
    """`JobKind` of any task; what the task itself has to say is asked of it where it is at hand."""

    def __init__(self, name: str, find: FindTask = _no_task) -> None:
        self.name = name
        self._find = find

    @property
    def words(self) -> Words:  # type: ignore[override]  # known of a task only where it is at hand
        return self._part({}, "questions") or {}

    def chain(self, target: Mapping[str, Any], schema: pa.Schema | None = None) -> str:
        if not target.get(CHAIN):
            return ""
        # A revert's plan has no notes: all of the table is one chain then.
        has_own = schema is None or schema.field("why").type.get_field_index(CHAIN) >= 0
        return f"why.{CHAIN}" if has_own else "scope"

    def reasons(self, target: Mapping[str, Any]) -> Collection[str] | None:
        own = self._part(target, "reasons")
        return None if own is None else [str(reason) for reason in own]

    def _part(self, target: Mapping[str, Any], name: str) -> Any:
        task = self._find(target)
        return part(task, name) if task is not None else None

    def writer(self, target: Mapping[str, Any]) -> ChunkWriter:
        return self._writer(target, "writer")

    def reverter(self, target: Mapping[str, Any]) -> ChunkWriter:
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
        writer = self.writer(target)
        own = writer if hasattr(writer, "look") else TableWriter(plain_from_json(target["table"]))
        found: Mapping[int, str | None] = own.look(connection, rows, side)
        return found

    def remarks(
        self,
        connection: Connection,
        target: Mapping[str, Any],
        rows: pa.Table,
    ) -> Sequence[str]:
        own = self._part(target, "remarks")
        return own(connection, rows) if own else [""] * rows.num_rows

    def recompute(self, target: Mapping[str, Any], rows: pa.Table) -> Recomputed:
        """Let the task check rows by another way; without one nothing is claimed."""
        check = self._part(target, "check")
        if check is None:
            return Recomputed(0)
        found = check(rows)
        return found if isinstance(found, Recomputed) else Recomputed(rows.num_rows, list(found))

    def explain(self, trace: Trace) -> Explanation:
        document = _explained(trace)
        shown = facts(
            f"Row {trace.key} of run {trace.source.run_id}",
            [(k, v) for k, v in document.items() if not isinstance(v, list | dict)],
        )
        for name in ("source", "before", "after", "note"):
            if values := document[name]:
                shown += facts(name, [(k, "NULL" if v is None else v) for k, v in values.items()])
        return Explanation(document, shown + remarks(trace.notes))

    def causes(self, before: RunFacts, after: RunFacts) -> Iterable[Cause]:
        return _causes(before, after)

    def conclude(self, folder: RunFolder, plan: Plan, ledger: Ledger | None) -> dict[str, Any]:
        own = self._part(plan.target, "finish")
        found = own(folder) if own else None
        return dict(found) if isinstance(found, Mapping) else {}

    def summary(self, plan: Plan, counts: Counts, by_scope: Mapping[str, Counts]) -> dict[str, Any]:
        return {
            "job": plan.job,
            "table": plan.scope.get("table"),
            "total_scanned": counts.scanned,
            "total_updated": counts.updated,
            "total_skipped": counts.skipped,
            "total_unchanged": counts.unchanged,
            "total_drifted": counts.drifted,
            "rules": plan.counts.get("rules", {}),
        }


def _explained(trace: Trace) -> dict[str, Any]:
    change = trace.change or {}
    skip = trace.skip
    return {
        "run_id": trace.source.run_id,
        "job": trace.source.job,
        "key": trace.key,
        "table": change.get("scope") or (skip.scope if skip else None),
        "outcome": trace.outcome,
        "now": trace.now,
        "rule": change.get("rule"),
        "warnings": change.get("warnings") or None,
        "source": _values(change.get("source")),
        "before": _values(change.get("before")),
        "after": _values(change.get("after")),
        "note": _values(change.get("why")),
        "skip": {"column": skip.column, "reason": str(skip.reason), "detail": skip.detail}
        if skip
        else None,
        "chunk_no": trace.checkpoint.chunk_no if trace.checkpoint else None,
        "committed_at": trace.checkpoint.committed_at if trace.checkpoint else None,
        "notes": list(trace.notes),
    }


def _values(struct: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not struct:
        return None
    return {name: value for name, value in struct.items() if name != NO_COLUMN}


def _causes(before: RunFacts, after: RunFacts) -> Iterator[Cause]:
    """Yield what may explain a row, the surest first."""
    a, b = (facts_of.plan.get("settings") or {} for facts_of in (before, after))
    yield from causes_of_writing(before, after)
    yield Cause("a.key IS NULL", "it was not among the rows before")
    yield Cause("b.key IS NULL", "it is not among the rows any more")
    yield Cause("a.state <> b.state AND a.state = 'planned'", "it was written since, or edited")
    for name in sorted(set(a) | set(b)):
        if a.get(name) != b.get(name):
            yield Cause("a.key = b.key", f"{name}: {a.get(name)} → {b.get(name)}")
