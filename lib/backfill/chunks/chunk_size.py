"""How many rows the next chunk takes: a fixed number, or what fits a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from backfill.parameters import CHUNK_ROWS_BOUNDS

RECENT_CHUNKS = 20
GROWTH = 1.2
FAR_TOO_SLOW = 5.0
#: A tenth of a second on a healthy table, a second on one with many indexes or triggers. Simulated
#: with 4, 7 and 20 ms a chunk beside its rows, growth by a fifth from 500 rows costs a run of
#: 100,000 up to a fifth of its time; from here, 2 to 8 %.
FIRST_ROWS = 5_000
#: A million rows took as long in chunks of 40,000 as of 100,000, and 50 MB less of a writer.
MOST_ROWS = 40_000


class ChunkSizer:
    """Fixed when `fixed_rows` is given; else grows and shrinks towards `target_seconds` a chunk.

    1. The 90th percentile of recent seconds per row says what would fit. 2. Growth is at most
    ×1.2 a chunk, shrinking is not limited. 3. A chunk that took five times the target brings the
    size down at once, whatever went before. 4. `MOST_ROWS` is enough on any server.
    """

    def __init__(
        self,
        fixed_rows: int | None,
        target_seconds: float,
        before: Iterable[tuple[int, float]] = (),
    ) -> None:
        """`before` are rows and seconds of the run's earlier chunks: a resume knows the table."""
        self._fixed_rows = fixed_rows
        self._target_seconds = target_seconds
        self._rows = float(fixed_rows or FIRST_ROWS)
        self._seconds_per_row: deque[float] = deque(maxlen=RECENT_CHUNKS)
        for rows, seconds in before:
            self._rows = max(self._rows, float(rows))
            self.record(rows, seconds)

    @property
    def rows(self) -> int:
        return self._fixed_rows or round(self._rows)

    def record(self, rows: int, seconds: float) -> None:
        """Learn how long a chunk took."""
        if self._fixed_rows or not rows:
            return
        if seconds > FAR_TOO_SLOW * self._target_seconds:
            self._seconds_per_row.clear()
        self._seconds_per_row.append(max(seconds, 1e-6) / rows)
        ordered = sorted(self._seconds_per_row)
        slow = ordered[min(len(ordered) - 1, int(len(ordered) * 0.9))]
        self._set(min(self._target_seconds / slow, self._rows * GROWTH))

    def _set(self, rows: float) -> None:
        self._rows = min(max(rows, CHUNK_ROWS_BOUNDS[0]), MOST_ROWS)
