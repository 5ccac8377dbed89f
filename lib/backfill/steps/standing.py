"""How a run stands: what its checkpoints count, whole and by scope, beside what its plan counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from backfill.plans.plan import Plan
from backfill.politeness.waiting import Waiting, waiting_of
from backfill.records.checkpoint import COUNTED, Counts
from backfill.records.ledger import Ledger
from backfill.records.parts import Part, parts_of
from backfill.rows import image
from backfill.skips import Reason, SkipReason
from backfill.status import RunStatus
from backfill.steps.left_alone import reasons_of


@dataclass(frozen=True, slots=True)
class Applied:
    """How a run stands after its plan was written: counts of the whole run, and by scope."""

    status: RunStatus
    counts: Counts
    by_scope: dict[str, Counts]
    elapsed_ms: int = 0  # of all chunks, whatever stretch wrote them
    paused_ms: dict[str, int] = field(default_factory=dict)  # what it waited, by signal
    parts: tuple[Part, ...] = ()
    left: Mapping[Reason, int] = field(default_factory=dict)  # rows by why they were left


def planned_counts(frozen: Plan) -> tuple[Counts, dict[str, Counts]]:
    """Return what applying the plan would count, in all and by scope."""
    by_scope = {
        scope: Counts(*(part.get(kind, 0) for kind in COUNTED))
        for scope, part in frozen.counts.get("by_scope", {}).items()
    }
    return sum(by_scope.values(), Counts()), by_scope


def standing(ledger: Ledger, frozen: Plan, status: RunStatus) -> Applied:
    """Return how the whole run stands by its checkpoints, in all and by scope. Read-only."""
    planned, by_scope = planned_counts(frozen)
    with ledger.connection.transaction():  # one for all questions, which saves two messages each
        done = ledger.checkpoints(frozen.run_id)
        waiting = waiting_of(ledger.connection, [frozen.run_id]).get(frozen.run_id, Waiting())
        parts = tuple(parts_of(ledger.connection, frozen.run_id)) if ledger.has_ranges() else ()
        left = reasons_of(ledger, frozen.run_id)
    total = sum((checkpoint.counts for checkpoint in done), Counts())
    if total != planned:
        by_scope = _counts_by_scope(ledger, frozen, by_scope)
    elapsed_ms = sum(checkpoint.elapsed_ms for checkpoint in done)
    return Applied(status, total, by_scope, elapsed_ms, waiting.paused_ms, parts, left)


def _counts_by_scope(
    ledger: Ledger, frozen: Plan, planned: Mapping[str, Counts]
) -> dict[str, Counts]:
    """Count by scope from images and skips, where the run differs from its plan."""
    updated: Counter[str] = Counter()
    for chunk_no, _rows, sha256, content in ledger.images(frozen.run_id):
        rows = image.decode(frozen.run_id, chunk_no, sha256, content)
        for entry in rows.column("scope").value_counts().to_pylist():
            updated[entry["values"]] += entry["counts"]
    drifted: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for skip in ledger.skips(frozen.run_id):
        (drifted if skip.reason == SkipReason.DRIFTED else skipped)[skip.scope] += 1
    is_complete = sum(c.scanned for c in ledger.checkpoints(frozen.run_id)) == frozen.rows
    counts = {}
    for scope in sorted({*planned, *updated, *drifted, *skipped}):
        part = Counts(updated[scope], 0, drifted[scope], skipped[scope])
        if is_complete and scope in planned:
            part = replace(part, unchanged=planned[scope].scanned - part.scanned)
        counts[scope] = part
    return counts
