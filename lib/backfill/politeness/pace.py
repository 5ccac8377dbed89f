"""What may hold an applier back between two chunks, and what it calls meanwhile."""

from __future__ import annotations

from collections.abc import Callable

#: Called by whoever holds an applier back, at least every second: it heeds signals, pause and
#: cancel by raising, and renews the lease, so that a long wait does not lose it.
Breathe = Callable[[], None]


class Pace:
    """Decides when the next chunk may begin: this one never waits. One serves all workers of a
    process."""

    def before_chunk(self, breathe: Breathe, /) -> None:
        """Return when the next chunk may begin; nothing is open in the database meanwhile."""

    def lets_follow(self) -> bool:
        """Say whether a chunk may begin the moment the one before it ends, as far as is known now.

        `before_chunk` is not asked then, and not told of it.
        """
        return True

    def after_chunk(self, rows: int, seconds: float, /) -> None:
        """Learn that a chunk of so many rows was committed, and how long it took."""

    def close(self) -> None:
        """Let go of what it holds; every writer has ended."""
