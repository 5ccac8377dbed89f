"""One thing that must stay true whatever happens: a name, a promise, and what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backfill_lab.selftest.world import World


@dataclass(frozen=True, slots=True)
class Case:
    """A fault and what must hold after it.

    Attributes:
        name: `group.what`, unique.
        promise: one sentence that a person reads in the report.
        act: brings the fault about and raises `Disproved` when the promise does not hold.
        is_quick: part of `make test`.
    """

    name: str
    promise: str
    act: Callable[[World], None]
    is_quick: bool = False
