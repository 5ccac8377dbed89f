"""What can be done for a UTC run from its ledger row alone: write, revert, look, compute again,
compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from backfill.archive.run_facts import RunFacts, read_rows
from backfill.archive.trace import Trace
from backfill.chunks.compare_and_set import TableWriter
from backfill.chunks.writing import ChunkWriter
from backfill.decisions import Words
from backfill.display.explanation import Explanation
from backfill.jobs.utc.pending import count_pending
from backfill.jobs.utc.recompute import recompute
from backfill.jobs.utc.table_json import table_from_json
from backfill.plans.plan import CHANGES_FILE, Plan
from backfill.plans.staging import literal, quoted
from backfill.plans.worksheet import USED_FILE
from backfill.records.checkpoint import Counts
from backfill.server.postgres import Connection
from backfill.server.table import Table
from backfill.steps.laid_out import causes_of_writing, changed
from backfill.steps.task import Cause, Recomputed
from backfill.utc.doubts import WORDS
from backfill.utc.reasons import UtcReason


def _of_policy(rule: str, reason: UtcReason) -> str:
    """Return the condition of rows of one rule, or of those left alone for one reason."""
    return (
        f"a.rule = '{rule}' OR b.rule = '{rule}' OR contains(coalesce(a.reason, ''), '{reason}')"
        f" OR contains(coalesce(b.reason, ''), '{reason}')"
    )


_BY_DECISION = (
    "a.rule = 'fold' OR a.rule = 'gap' OR b.rule = 'fold' OR b.rule = 'gap' OR a.reason"
    " <> coalesce(b.reason, '') OR b.reason <> coalesce(a.reason, '')"
)
_BY_ZONE = (
    "a.zone IS DISTINCT FROM b.zone OR a.state <> b.state"
    " OR a.zone_source IS DISTINCT FROM b.zone_source"
    " OR a.reason IS DISTINCT FROM b.reason"
)
#: The rows that a setting bears on, the surest first.
_BY_SETTING = {
    "fold": _of_policy("fold", UtcReason.AMBIGUOUS_LOCAL_TIME),
    "gap": _of_policy("gap", UtcReason.NONEXISTENT_LOCAL_TIME),
    "default_tz": _BY_ZONE,
    "fallback_on_invalid_tz": _BY_ZONE,
    "strict": "a.state <> b.state",
    "encoding": "a.key = b.key",
}


class UtcRuns:
    """The parts that runs of the UTC job have, by the target of one (empty: of any)."""

    scope_name = "household_id"
    compared_by = ("zone", "zone_source")
    questions: Words = WORDS
    reasons = tuple(UtcReason)

    def __init__(self, target: Mapping[str, Any]) -> None:
        self._target = target

    def change_columns(self, schema: pa.Schema) -> dict[str, str]:
        notes = schema.field("why").type  # a revert's plan has none
        return {n: f"why.{n}" for n in ("zone", "pattern") if notes.get_field_index(n) >= 0}

    def writer(self, target: Mapping[str, Any]) -> ChunkWriter:
        return TableWriter(table_from_json(target["table"]))

    def reverter(self, target: Mapping[str, Any]) -> ChunkWriter:
        """Write, and look, without what the table looks up: what a run wrote stays what it wrote
        when, later, a household moves to another zone, or a row out of the condition."""
        table: Table = table_from_json(target["table"])
        return TableWriter(replace(table, joins=(), looked_up=(), where=""))

    def explain_row(self, trace: Trace) -> Explanation:
        from backfill.jobs.utc.explain import explain_utc  # what few commands need

        return explain_utc(trace)

    def count_pending(self, connection: Connection, plan: Plan) -> int:
        pending = count_pending(
            connection,
            table_from_json(plan.target["table"]),
            plan.scope.get("members"),
            skip_deleted=plan.settings.get("skip_deleted", False),
        )
        return sum(pending.values())

    def summary_keys(
        self, plan: Plan, counts: Counts, by_scope: Mapping[str, Counts]
    ) -> dict[str, Any]:
        """Return the demand's keys first; one object per household when there are several."""
        members = plan.scope.get("members")
        document: dict[str, Any] = {
            "household_id": members[0] if members and len(members) == 1 else None,
            **counts.totals(),
            "folds": plan.counts.get("folds", 0),
            "gaps": plan.counts.get("gaps", 0),
        }
        if not members or len(members) > 1:
            document["households"] = [
                {"household_id": scope, **part.totals()} for scope, part in sorted(by_scope.items())
            ]
        return document

    @staticmethod
    def doubts(facts: RunFacts) -> str:
        summary, settings = facts.summary, facts.planned("settings")
        if "folds" not in summary:  # it ended before any was counted
            return ""
        decided = sum(1 for _row in read_rows(facts.folder, USED_FILE))
        return (
            f"Doubtful: {summary['folds']:,} wall times happened twice (fold: "
            f"{settings.get('fold', 'earlier')}), {summary.get('gaps', 0):,} never happened (gap: "
            f"{settings.get('gap', 'shift_forward')}); {decided:,} were decided by a person."
        )

    def check(self, rows: pa.Table) -> Recomputed:
        return recompute(self._target, rows)

    @staticmethod
    def causes(before: RunFacts, after: RunFacts) -> Iterator[Cause]:
        """Yield what may explain a row, the surest first."""
        a, b = (facts.planned("settings") for facts in (before, after))
        otherwise = changed(a, b)
        yield from _of_scope(before, after)
        yield from causes_of_writing(before, after)
        if "skip_deleted" in otherwise:
            yield Cause("a.key IS NULL OR b.key IS NULL", otherwise["skip_deleted"])
        yield Cause("a.key IS NULL", "it was not pending before, or not there")
        yield Cause("b.key IS NULL", "it is not pending any more, or gone")
        yield from _edited(before, after)
        if "decisions" in otherwise:
            yield Cause(_BY_DECISION, "decisions of persons")
        for name, condition in _BY_SETTING.items():
            if name in otherwise:
                yield Cause(condition, otherwise[name])
        tzdata = changed(
            *({"tzdata": facts.plan.get("tzdata_version")} for facts in (before, after))
        )
        yield from (Cause("a.key = b.key", text) for text in tzdata.values())


def _of_scope(before: RunFacts, after: RunFacts) -> Iterator[Cause]:
    """Explain rows of households that the other run did not look at."""
    for mine, its, other in (("b", "a", before), ("a", "b", after)):
        if other.scope is not None:
            members = ", ".join(literal(member) for member in other.scope) or "NULL"
            yield Cause(
                f"{its}.key IS NULL AND {mine}.scope NOT IN ({members})",
                f"out of the scope of run {other.run_id}",
            )


def _edited(before: RunFacts, after: RunFacts) -> Iterator[Cause]:
    """Explain rows whose own wall time, zone or default zone was another when they were read."""
    import pyarrow.parquet as pq

    fields = [
        {
            field.name
            for field in pq.read_schema(facts.folder.file(CHANGES_FILE)).field("source").type
        }
        for facts in (before, after)
    ]
    for name in sorted(fields[0] & fields[1]):
        column = quoted(f"source.{name}")
        yield Cause(
            f"a.state = b.state AND a.{column} IS DISTINCT FROM b.{column}",
            f"the row was edited between the runs: {name}",
        )
