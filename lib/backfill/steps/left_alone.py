"""What a run says of the rows that it was to write and did not: edited, locked, vetoed, refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from backfill.archive.evidence import DRIFTED_FILE, SKIPS_FILE
from backfill.display.counting import counted
from backfill.errors import BackfillError, RowsDrifted, RowsLeft, TooManyRefused
from backfill.folder import RunFolder
from backfill.plans.plan import new_plan
from backfill.records.ledger import Ledger
from backfill.skips import NOT_WRITTEN, Reason, SkipReason, reason_of

_WHY = {
    SkipReason.LOCKED: "others held a lock on them, also at the run's end",
    SkipReason.VETOED: "the database left them as they were, without an error",
}
#: Reasons that rows are left alone for only when they are to be written.
FOUND_LATE = NOT_WRITTEN | {SkipReason.DRIFTED}
LeftRows = Mapping[Reason, int]


def reasons_of(ledger: Ledger, run_id: str) -> dict[Reason, int]:
    """Return how many rows the run left alone, by reason. Read-only."""
    rows = ledger.connection.execute(
        "SELECT reason, count(DISTINCT key) FROM backfill.skip WHERE run_id = %s"
        " GROUP BY reason ORDER BY reason",
        [run_id],
    ).fetchall()
    return {reason_of(reason): int(number) for reason, number in rows}


def rows_left(drifted: int, left: LeftRows, *, is_applied: bool) -> BackfillError | None:
    """Return the error (exit code 5) of a run that left rows which wait for another one."""
    sentences = [
        f"{counted(left[reason], 'row')} {'was' if left[reason] == 1 else 'were'} left alone: {why}"
        f" (`{reason}` in {SKIPS_FILE} and in backfill.skip)."
        for reason, why in _WHY.items()
        if left.get(reason)
    ]
    ending = "What is still pending goes into the next run."
    if not drifted:
        return RowsLeft(" ".join([*sentences, ending])) if sentences else None
    return RowsDrifted(" ".join([_edited(drifted, is_applied=is_applied), *sentences, ending]))


def _edited(rows: int, *, is_applied: bool) -> str:
    """Say of how many rows that they drifted, and where they are listed; the plan has no list."""
    is_one = rows == 1
    it, its, is_, was = ("it", "its", "is", "was") if is_one else ("they", "their", "are", "were")
    if is_applied:
        return (
            f"{counted(rows, 'row')} {was} left alone: {it} {was} edited since {it} {was} read. "
            f"{it.capitalize()} {is_} listed with {its} present values in {DRIFTED_FILE} and in "
            "backfill.skip."
        )
    them = "it" if is_one else "them"
    return (  # whoever computed a value may have read another row than ever stood here
        f"{counted(rows, 'row')} {is_} left alone: the table holds something else than was read "
        f"or written of {them}. {it.capitalize()} {is_} listed in {SKIPS_FILE}."
    )


def nothing_written(
    ledger: Ledger, folder: RunFolder, ways_on: Callable[[], Sequence[str]]
) -> BackfillError | None:
    """Return the error of a run that wrote no row of those it was to write.

    `ways_on` finds sentences on what would let it; it is asked where rows were refused.
    """
    run_id = folder.run_id
    totals = ledger.totals(run_id)
    if totals.updated:
        return None
    by_reason = reasons_of(ledger, run_id)
    left = {reason: n for reason, n in by_reason.items() if reason in NOT_WRITTEN}
    if not left:  # rows that hold their values already are as good as written
        drifted = 0 if totals.unchanged else by_reason.get(SkipReason.DRIFTED, 0)
        return _all_drifted(folder, drifted)
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in left.items())
    ways = ways_on()
    kind = TooManyRefused if SkipReason.DATABASE_ERROR in left else RowsLeft
    return kind(
        f"Run {run_id} wrote no row: the database took none of them ({reasons}). Each stands with "
        f"what it said in {SKIPS_FILE} and in backfill.skip, and is pending as before. "
        f"{' '.join(ways)}{' ' if ways else ''}Mend that first. {new_plan(folder)}"
    )


def _all_drifted(folder: RunFolder, drifted: int) -> BackfillError | None:
    if not drifted:
        return None
    return RowsDrifted(
        f"Run {folder.run_id} wrote no row: all were edited since they were read "
        f"({counted(drifted, 'row')}). They are listed with their present values in "
        f"{DRIFTED_FILE} and in backfill.skip. {new_plan(folder)}"
    )
