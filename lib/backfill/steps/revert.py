"""Plan the inverse of a run, from the database alone: before-images back, nobody trampled.

Each row that the run wrote is looked at now: it holds what the run wrote (a change of the revert's
plan), it already holds its before-image (unchanged), or somebody edited it since (drifted: listed,
left alone).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from backfill.errors import UsageError
from backfill.folder import RunFolder
from backfill.next_command import next_command
from backfill.plans import plan
from backfill.plans.keyed_rows import NO_COLUMN
from backfill.plans.plan import Plan
from backfill.records.ledger import Ledger, RunRow
from backfill.rows import image
from backfill.rows.values import schema_of_changes
from backfill.server.postgres import Connection, database_fingerprint
from backfill.skips import Skip, SkipReason
from backfill.status import RunStatus
from backfill.steps.kind import JobKind
from backfill.steps.read_back import rows_not_at
from backfill.steps.results import Counted
from backfill.steps.task import Decided

_REVERTIBLE = frozenset(
    {
        RunStatus.SUCCEEDED,
        RunStatus.INTERRUPTED,
        RunStatus.CANCELLED,
        RunStatus.PAUSED,
        RunStatus.FAILED,
    }
)
#: What the plan of a revert has of the run that it puts back.
_OF_THE_RUN = ("job", "scope", "target", "settings", "settings_fingerprint", "tzdata_version")


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
    counted = Counted()
    drifted: list[tuple[int, Skip]] = []

    def changes() -> Iterator[pa.Table]:
        for decided in _inverse(ledger, run, kind):
            counted.add(decided)
            drifted.extend(decided.skips)
            yield decided.changes

    written = plan.write_changes(folder, changes(), _schema(ledger, run))
    plan.write_skips(folder, iter(drifted))
    by_scope = counted.by_scope((), ("updated", "unchanged", "drifted"))
    return plan.freeze(
        folder,
        {
            **{name: getattr(run, name) for name in _OF_THE_RUN},
            # Where the ledger is, there are the rows: also of a database that was restored,
            # renamed or upgraded since.
            "database_fingerprint": database_fingerprint(ledger.connection),
            "rows": written + len(drifted),
            "changes": written,
            "skips": 0,
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


def _images(ledger: Ledger, run: RunRow, *, is_backwards: bool = False) -> Iterator[pa.Table]:
    for chunk_no, _rows, sha256, content in ledger.images(run.run_id, is_backwards=is_backwards):
        yield image.decode(run.run_id, chunk_no, sha256, content)


def _schema(ledger: Ledger, run: RunRow) -> pa.Schema:
    """Return the columns of the plan: those of the first image; of none, columns of nothing."""
    rows = next(_images(ledger, run), None)
    source = state = pa.struct([pa.field(NO_COLUMN, pa.string())])
    if rows is not None:
        source, state = rows.schema.field("source").type, rows.schema.field("before").type
    return schema_of_changes(source, state, _WHY)


def _inverse(ledger: Ledger, run: RunRow, kind: JobKind) -> Iterator[Decided]:
    """Yield what becomes of the rows of each image, as they are now."""
    first = 0
    is_backwards = bool(kind.chain(run.target))
    for rows in _images(ledger, run, is_backwards=is_backwards):
        if rows.num_rows:
            yield _looked_at(ledger.connection, run, kind, rows, first)
            first += rows.num_rows


def _looked_at(
    connection: Connection, run: RunRow, kind: JobKind, rows: pa.Table, first: int
) -> Decided:
    not_after = rows_not_at(connection, kind, run, rows, "after")
    not_before = rows_not_at(connection, kind, run, rows, "before")
    kinds = np.full(rows.num_rows, "changed", dtype=object)
    kinds[list(not_after)] = "unchanged"
    keep = np.ones(rows.num_rows, dtype=bool)
    drifted = []
    for row in sorted(not_after.keys() & not_before.keys()):
        keep[row] = False
        key, scope = (rows.column(name)[row].as_py() for name in ("key", "scope"))
        now = not_after[row]
        detail = "the row was deleted" if now is None else f"now {now}"
        drifted.append((first + row, Skip(key, scope, "", SkipReason.DRIFTED, detail)))
    kept = rows.filter(pa.array(keep))
    remarks = kind.remarks(connection, run.target, kept)
    positions = pa.array(first + np.flatnonzero(keep), pa.int64())
    return Decided(_changes(kept, positions, kinds[keep].tolist(), remarks), drifted)


_WHY = pa.struct([pa.field("reverts", pa.string())])


def _changes(
    rows: pa.Table, positions: pa.Array, kinds: list[str], remarks: Sequence[str]
) -> pa.Table:
    count, text = rows.num_rows, pa.string()
    return pa.table(
        {
            "position": positions,
            "key": rows.column("key"),
            "scope": rows.column("scope"),
            "kind": pa.array(kinds, text),
            "rule": pa.array(["revert"] * count, text),
            "warnings": pa.array(list(remarks), text),
            "source": rows.column("source"),
            "before": rows.column("after"),
            "after": rows.column("before"),
            "why": pa.array([{"reverts": ""}] * count, _WHY),
        }
    )
