"""Rows read are the rows counted, or the run stops and says which keys are missing."""

from __future__ import annotations

from collections.abc import Set

from backfill.errors import PreflightError
from backfill.plans.extract import PendingRows

SHOWN_KEYS = 5


def check_all_read(pending: PendingRows, counted: int | None, rows: int, read: Set[str]) -> None:
    """Raise `PreflightError` unless others explain why `rows` were read where more were counted.

    1. Keys that are pending now and were not read may have come meanwhile. 2. So the table is read
    once more: whoever was there before that, and still is after it, must be read this time.
    """
    if rows != len(read):
        raise PreflightError(
            f"{rows:,} rows were read with {len(read):,} keys: some twice. Nothing was planned. Is "
            "the key's index sound? Mend: REINDEX, then plan again."
        )
    missing = pending.keys() - read
    if not missing:
        return
    for page in pending.pages():
        missing -= set(page.column("key").to_pylist())
    missing &= pending.keys()
    if missing:
        some = ", ".join(sorted(missing)[:SHOWN_KEYS])
        raise PreflightError(
            f"The preflight counted {counted or 0:,} pending rows, {rows:,} were read; "
            f"{len(missing):,} are there and can not be read by their key, among them {some}. "
            "Nothing was planned. Is the key's index sound? Mend: REINDEX, then plan again."
        )
