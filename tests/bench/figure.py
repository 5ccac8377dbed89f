"""One promised figure: what was reached, and what is to be reached.

On its own, since every process of a pool imports what its parent ran first: what a benchmark of
processes imports is paid by each of its contenders, and blurs their ratio.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `is_reached` is None where this call did not measure its size."""

    name: str
    rows: int
    reached: str
    to_reach: str
    is_reached: bool
