"""Plan the inverse of a run, from the database alone: before-images back, nobody trampled.

Each row that the run wrote is looked at now: it holds what the run wrote (a change of the revert's
plan), it already holds its before-image (unchanged), or somebody edited it since (drifted: listed,
left alone).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from backfill.errors import UsageError
from backfill.folder import RunFolder
from backfill.next_command import next_command
from backfill.plans import plan
from backfill.plans.plan import Plan
from backfill.records.ledger import Ledger, RunRow
from backfill.rows import image
from backfill.skips import Skip, SkipReason
from backfill.status import RunStatus
from backfill.steps.kind import JobKind
from backfill.steps.looking import rows_not_at

_REVERTIBLE = frozenset(
    {
        RunStatus.SUCCEEDED,
        RunStatus.INTERRUPTED,
        RunStatus.CANCELLED,
        RunStatus.PAUSED,
        RunStatus.FAILED,
    }
)


def plan_revert(
    ledger: Ledger,
    run: RunRow,
    kind: JobKind,
    folder: RunFolder,
    kept: Mapping[str, Any] | None = None,
) -> Plan:
    """Freeze the revert of `run` as a plan of its own in `folder`; `kept`: how to write it."""
    if run.status is RunStatus.RUNNING:
        raise UsageError(
            f"Run {run.run_id} is running. Stop it first: {next_command('cancel', run.run_id)}"
        )
    planner = _Planner(ledger, run, kind)
    schema = planner.schema()
    plan.write_changes(folder, planner.batches(), schema)
    plan.write_skips(folder, iter(planner.drifted))
    by_scope = {
        scope: {name: planner.counts[(scope, name)] for name in ("updated", "unchanged", "drifted")}
        for scope in sorted({scope for scope, _name in planner.counts})
    }
    return plan.freeze(
        folder,
        {
            "job": run.job,
            "scope": run.scope,
            "settings": run.settings,
            "settings_fingerprint": run.settings_fingerprint,
            "database_fingerprint": run.database_fingerprint,
            "tzdata_version": run.tzdata_version,
            "rows": planner.position,
            "changes": planner.position - len(planner.drifted),
            "skips": 0,
            "target": run.target,
            "counts": {"by_scope": by_scope},
            "reverts": run.run_id,
            "kept": dict(kept or {}),
        },
    )


def settle_reverted(ledger: Ledger, revert: Plan) -> None:
    """Mark the run that was put back as reverted; one whose revert was put back, as before."""
    assert revert.reverts is not None
    run = ledger.get(revert.reverts)
    if run.status in _REVERTIBLE:
        ledger.set_status(run.run_id, RunStatus.REVERTED, f"by {revert.run_id}")
    original = ledger.get(run.reverts) if run.reverts else None
    if original is not None and original.status is RunStatus.REVERTED:
        ledger.set_status(original.run_id, RunStatus.SUCCEEDED, f"again by {revert.run_id}")


class _Planner:
    """Walks the images once; counts and drifted rows are known when it is through."""

    def __init__(self, ledger: Ledger, run: RunRow, kind: JobKind) -> None:
        self._ledger = ledger
        self._run = run
        self._kind = kind
        self.position = 0
        self.drifted: list[tuple[int, Skip]] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    def schema(self) -> pa.Schema:
        return _schema(next(self._images(), _NO_IMAGE))

    def batches(self) -> Iterator[pa.Table]:
        for rows in self._images():
            if rows.num_rows:
                yield self._inverse(rows)

    def _images(self) -> Iterator[pa.Table]:
        is_chained = bool(self._kind.chain(self._run.target))
        images = self._ledger.images(self._run.run_id, is_backwards=is_chained)
        for chunk_no, _rows, sha256, content in images:
            yield image.decode(self._run.run_id, chunk_no, sha256, content)

    def _inverse(self, rows: pa.Table) -> pa.Table:
        connection, target = self._ledger.connection, self._run.target
        not_after = rows_not_at(connection, self._kind, self._run, rows, "after")
        not_before = rows_not_at(connection, self._kind, self._run, rows, "before")
        keys, scopes = rows.column("key").to_pylist(), rows.column("scope").to_pylist()
        kinds: list[str] = []
        keep = np.zeros(rows.num_rows, dtype=bool)
        positions = []
        for index in range(rows.num_rows):
            holds_after = index not in not_after
            if holds_after or index not in not_before:
                keep[index] = True
                kinds.append("changed" if holds_after else "unchanged")
                positions.append(self.position)
                self.counts[(scopes[index], "updated" if holds_after else "unchanged")] += 1
            else:
                present = not_after[index]
                detail = "the row was deleted" if present is None else f"now {present}"
                self.drifted.append(
                    (
                        self.position,
                        Skip(keys[index], scopes[index], "", SkipReason.DRIFTED, detail),
                    )
                )
                self.counts[(scopes[index], "drifted")] += 1
            self.position += 1
        kept = rows.filter(pa.array(keep))
        remarks = self._kind.remarks(connection, target, kept)
        return _changes(kept, positions, kinds, remarks)


_NO_IMAGE = pa.table(
    {
        "key": pa.array([], pa.string()),
        "scope": pa.array([], pa.string()),
        "source": pa.array([], pa.struct([pa.field("none", pa.string())])),
        "before": pa.array([], pa.struct([pa.field("none", pa.string())])),
        "after": pa.array([], pa.struct([pa.field("none", pa.string())])),
    }
)


def _schema(rows: pa.Table) -> pa.Schema:
    return _changes(rows.slice(0, 0), [], [], []).schema


def _changes(
    rows: pa.Table, positions: list[int], kinds: list[str], remarks: Sequence[str]
) -> pa.Table:
    """Return image rows as changes with before and after swapped."""
    count = len(positions)
    text = pa.string()
    return pa.table(
        {
            "position": pa.array(positions, pa.int64()),
            "key": rows.column("key"),
            "scope": rows.column("scope"),
            "kind": pa.array(kinds, text),
            "rule": pa.array(["revert"] * count, text),
            "warnings": pa.array(list(remarks), text),
            "source": rows.column("source"),
            "before": rows.column("after"),
            "after": rows.column("before"),
            "why": pa.array([{"reverts": ""}] * count, pa.struct([pa.field("reverts", text)])),
        }
    )
