"""What a start of `apply` may write: the part that is still open, or a new one; and its ranges.

An open part is finished first and nothing else is written with it: who approved a part of the
plan did not approve the rest.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from backfill.errors import LeaseHeld, UsageError
from backfill.next_command import next_command
from backfill.plans.plan import Plan
from backfill.records.kept import keep
from backfill.records.lease import Lease, stand_by
from backfill.records.ledger import Ledger
from backfill.records.parts import Part, Selection, parts_of, record_part
from backfill.records.positions import Positions
from backfill.records.ranges import cut, done_of, open_ranges, ranges_of, shorten
from backfill.server.postgres import Connection
from backfill.settings import EngineSettings
from backfill.status import RunStatus
from backfill.steps.choosing import Choosing
from backfill.steps.kind import JobKind

#: More ranges than workers: who is done early, or joins late, finds one.
RANGES_PER_WORKER = 4
#: With an automatic chunk size: a range must be long enough for its chunks to grow.
AUTO_RANGE_ROWS = 20_000
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Approval:
    """Rows of one part; `pulled_in` of a new one came along, because others build on them."""

    part_no: int
    selection: Selection
    positions: Positions
    is_new: bool
    pulled_in: int = 0


def approve(connection: Connection, choosing: Choosing, asked: Selection) -> Approval:
    """Return what is to be written now; raises `UsageError` where it can not be meant."""
    frozen = choosing.plan
    parts = parts_of(connection, frozen.run_id)
    if is_open(connection, parts) or (asked.is_all and _was_left(connection, frozen, parts)):
        _check_same(parts[-1], asked)
        rows = choosing.rows_of(parts)
        return Approval(parts[-1].part_no, parts[-1].chosen_by, rows, is_new=False)
    if not parts and not asked.is_all and Ledger(connection).totals(frozen.run_id).scanned:
        raise UsageError(
            f"Run {frozen.run_id} was begun as a whole, by an earlier version. Finish it first: "
            f"{next_command('resume', frozen.run_id)}"
        )
    chosen = choosing.behind(parts, asked)
    if not asked.is_all and not chosen.positions.rows:
        raise UsageError(
            f"No row that is left to write in run {frozen.run_id} is chosen by: {asked}. "
            f"See its parts: {next_command('status', frozen.run_id)}"
        )
    return Approval(len(parts) + 1, asked, chosen.positions, True, chosen.pulled_in)


def _was_left(connection: Connection, frozen: Plan, parts: list[Part]) -> bool:
    """Whether whoever applied the last part was stopped before it could say that it is through.

    The rest of the plan was not approved by that, nor is it by a resume.
    """
    run = Ledger(connection).find(frozen.run_id)
    stopped = (RunStatus.RUNNING, RunStatus.INTERRUPTED, RunStatus.FAILED)
    return bool(parts) and run is not None and run.status in stopped


def is_open(connection: Connection, parts: list[Part]) -> bool:
    """Return whether the last part has rows without a checkpoint. Read-only."""
    return bool(parts) and any(
        not entry.has_ended for entry in ranges_of(connection, parts[-1].run_id)
    )


def _check_same(part: Part, asked: Selection) -> None:
    if not asked.is_all and asked != part.chosen_by:
        raise UsageError(
            f"Part {part.part_no} of run {part.run_id} ({part.chosen_by}) is not finished. Finish "
            f"it first: {next_command('resume', part.run_id)}"
        )


def begin(
    connection: Connection,
    kind: JobKind,
    frozen: Plan,
    approval: Approval,
    settings: EngineSettings,
) -> None:
    """Record a new part with its ranges, or cut what is left of an open one for more workers.

    For whoever just claimed the run: nobody else holds a range of it.
    """
    run_id = frozen.run_id
    with connection.transaction():
        parts = parts_of(connection, run_id)
        if len(parts) != approval.part_no - approval.is_new:
            raise LeaseHeld(
                f"Another part of run {run_id} was approved at this very moment. Nothing was "
                f"written here. See: {next_command('status', run_id)}"
            )
        keep(connection, run_id, settings.kept)
        wanted = (
            1 if kind.chain(frozen.target) else _ranges_wanted(approval.positions.rows, settings)
        )
        before = sum(part.rows for part in parts if part.part_no < approval.part_no)
        if approval.is_new:
            record_part(
                connection, run_id, approval.part_no, approval.selection, approval.positions
            )
            # What a run of an earlier version has written is of one range.
            is_begun = not parts and Ledger(connection).totals(run_id).scanned
            stretches = cut(0, approval.positions.rows, 1 if is_begun else wanted)
            open_ranges(connection, run_id, approval.part_no, before, stretches)
        if wanted > 1:
            _cut_further(connection, run_id, approval.part_no, before, wanted)


def _ranges_wanted(rows: int, settings: EngineSettings) -> int:
    if settings.workers == 1 and not settings.join:
        return 1
    chunks = -(-rows // (settings.chunk_rows or AUTO_RANGE_ROWS))
    return min(RANGES_PER_WORKER * max(settings.workers, 2), chunks)


def _cut_further(
    connection: Connection, run_id: str, part_no: int, before: int, wanted: int
) -> None:
    """Cut the open ranges of a part into about `wanted` in all."""
    left = []
    if sum(not entry.has_ended for entry in ranges_of(connection, run_id)) >= wanted:
        return
    for entry in ranges_of(connection, run_id):
        if not entry.has_ended:
            next_row = entry.row_low + done_of(connection, run_id, entry).passed
            left.append((entry, next_row))
    rows = sum(entry.row_high - next_row for entry, next_row in left)
    for entry, next_row in left:
        if next_row == entry.row_high:
            continue
        share = round(wanted * (entry.row_high - next_row) / rows)
        (_low, high), *others = cut(next_row, entry.row_high, share)
        shorten(connection, run_id, entry.range_no, high)
        open_ranges(connection, run_id, part_no, before, others)


def joined_part(connection: Connection, lease: Lease, frozen: Plan, asked: Selection) -> Part:
    """Return the part that a run is writing, which this process joined.

    Waits while whoever claimed the run has not recorded it yet; `LeaseHeld` when the run ended.
    """
    pause = threading.Event()
    while True:
        parts = parts_of(connection, frozen.run_id)
        if is_open(connection, parts):
            _check_same(parts[-1], asked)
            return parts[-1]
        try:
            stand_by(connection, lease)
        except LeaseHeld:
            if parts and not is_open(connection, parts_of(connection, frozen.run_id)):
                return parts[-1]  # it was written to its end meanwhile
            raise
        pause.wait(_LOOK_SECONDS)
