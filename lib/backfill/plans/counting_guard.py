"""Rows read are the rows counted, or the run stops and says which keys are missing."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Protocol

import pyarrow as pa

from backfill.errors import PreflightError

SHOWN_KEYS = 5
_MEND = "Is the key's index sound? Mend: REINDEX, then plan again."


class Rows(Protocol):
    """Rows of a table that can be read page by page, and whose keys another way finds as well."""

    def keys(self) -> set[str]: ...

    def pages(self) -> Iterator[pa.Table]: ...


def check_all_read(
    pending: Rows, counted: int | None, rows: int, read: Set[str], mend: str = _MEND
) -> None:
    """Raise `PreflightError` unless others explain why `rows` were read where more were counted.

    `mend` says what else may be the matter, and what to do.

    1. Keys that are pending now and were not read may have come meanwhile. 2. So the table is read
    once more: whoever was there before that, and still is after it, must be read this time.
    """
    if rows != len(read):
        raise PreflightError(
            f"{rows:,} rows were read with {len(read):,} keys: some twice. Nothing was planned. "
            "Does a table inherit from this one, with keys of its own? Then make them unique over "
            "both. Else: REINDEX, then plan again."
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
            f"The preflight counted {counted or 0:,} rows, {rows:,} were read; "
            f"{len(missing):,} are there and can not be read by their key, among them {some}. "
            f"Nothing was planned. {mend}"
        )
