"""What can be done for a UTC run from its ledger row alone: write, revert, look, compute again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from backfill.archive.trace import Trace
from backfill.chunks.compare_and_set import TableWriter
from backfill.chunks.writing import ChunkWriter
from backfill.decisions import Words
from backfill.display.explanation import Explanation
from backfill.jobs.utc import comparable
from backfill.jobs.utc.pending import count_pending
from backfill.jobs.utc.recompute import recompute
from backfill.jobs.utc.table_json import table_from_json
from backfill.plans.plan import Plan
from backfill.records.checkpoint import Counts
from backfill.server.postgres import Connection
from backfill.server.table import Table
from backfill.steps.task import Recomputed
from backfill.utc.doubts import WORDS


class UtcRuns:
    """The parts that runs of the UTC job have, by the target of one (empty: of any)."""

    scope_name = "household_id"
    compared_by = ("zone", "zone_source")
    questions: Words = WORDS
    reasons = ()
    causes = staticmethod(comparable.causes)

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

    def check(self, rows: pa.Table) -> Recomputed:
        return recompute(self._target, rows)
