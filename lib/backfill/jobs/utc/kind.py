"""What can be done for a UTC run from its ledger row alone: write, revert, look, compute again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from backfill.archive.run_facts import RunFacts
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
from backfill.steps.job import Cause, JobKind, Recomputed
from backfill.utc.doubts import WORDS

if TYPE_CHECKING:
    pass


class UtcKind(JobKind):
    """`JobKind` of the UTC job."""

    name = "utc"
    scope_name = "household_id"
    compared_by = ("zone", "zone_source")
    words: Words = WORDS

    def change_columns(self, schema: pa.Schema) -> Mapping[str, str]:
        has_zone = schema.field("why").type.get_field_index("zone") >= 0  # a revert's plan has none
        columns = {"household_id": "scope", **({"zone": "why.zone"} if has_zone else {})}
        has_pattern = schema.field("why").type.get_field_index("pattern") >= 0
        return columns | ({"pattern": "why.pattern"} if has_pattern else {})

    def writer(self, target: Mapping[str, Any]) -> ChunkWriter:
        return TableWriter(table_from_json(target["table"]))

    def reverter(self, target: Mapping[str, Any]) -> ChunkWriter:
        return TableWriter(_row_only(target))

    def look(
        self, connection: Connection, target: Mapping[str, Any], rows: pa.Table, side: str
    ) -> Mapping[int, str | None]:
        return TableWriter(_row_only(target)).look(connection, rows, side)

    def explain(self, trace: Trace) -> Explanation:
        from backfill.jobs.utc.explain import explain_utc  # what few commands need

        return explain_utc(trace)

    def causes(self, before: RunFacts, after: RunFacts) -> Iterable[Cause]:
        return comparable.causes(before, after)

    def count_pending(self, connection: Connection, plan: Plan) -> int | None:
        pending = count_pending(
            connection,
            table_from_json(plan.target["table"]),
            plan.scope.get("members"),
            skip_deleted=plan.settings.get("skip_deleted", False),
        )
        return sum(pending.values())

    def summary(self, plan: Plan, counts: Counts, by_scope: Mapping[str, Counts]) -> dict[str, Any]:
        """Return the demand's keys first; one object per household when there are several."""
        members = plan.scope.get("members")
        document: dict[str, Any] = {
            "household_id": members[0] if members and len(members) == 1 else None,
            **_totals(counts),
            "folds": plan.counts.get("folds", 0),
            "gaps": plan.counts.get("gaps", 0),
        }
        if not members or len(members) > 1:
            document["households"] = [
                {"household_id": scope, **_totals(part)} for scope, part in sorted(by_scope.items())
            ]
        return document

    def recompute(self, target: Mapping[str, Any], rows: pa.Table) -> Recomputed:
        return recompute(target, rows)


def _totals(counts: Counts) -> dict[str, int]:
    return {
        "total_scanned": counts.scanned,
        "total_updated": counts.updated,
        "total_skipped": counts.skipped,
        "total_unchanged": counts.unchanged,
        "total_drifted": counts.drifted,
    }


def _row_only(target: Mapping[str, Any]) -> Table:
    """Return the table without what it looks up: what a run wrote stays what it wrote when,
    later, a household moves to another zone, or a row out of the condition."""
    return replace(table_from_json(target["table"]), joins=(), looked_up=(), where="")
