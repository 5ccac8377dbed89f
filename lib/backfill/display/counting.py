"""Counts in sentences: one row is, two rows are."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """Return a count with what is counted: `counted(1, "row is pending", "rows are pending")`.

    Without `many` it is `one` and an s.
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
