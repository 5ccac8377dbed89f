"""What may hold an applier back between two chunks, and what it calls meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

#: Called by whoever holds an applier back, at least every second: it heeds signals, pause and
#: cancel by raising, and renews the lease, so that a long wait does not lose it.
Breathe = Callable[[], None]


class Pace(Protocol):
    """Decides when the next chunk may begin. One pace serves all workers of a process."""

    def before_chunk(self, breathe: Breathe, /) -> None:
        """Return when the next chunk may begin; nothing is open in the database meanwhile."""
        ...

    def after_chunk(self, rows: int, seconds: float, /) -> None:
        """Learn that a chunk of so many rows was committed, and how long it took."""
        ...

    def close(self) -> None:
        """Let go of what it holds; every writer has ended."""
        ...


class Unpaced:
    """Never holds anybody back."""

    def before_chunk(self, _breathe: Breathe, /) -> None:
        return

    def after_chunk(self, _rows: int, _seconds: float, /) -> None:
        return

    def close(self) -> None:
        return
