"""How many rows the next chunk takes: a fixed number, or what fits a time."""

from __future__ import annotations

from collections import deque

from backfill.settings import CHUNK_ROWS_BOUNDS, DEFAULT_CHUNK_ROWS

RECENT_CHUNKS = 20
GROWTH = 1.2
FIRST_GROWTH = 4.0
FAR_TOO_SLOW = 5.0


class ChunkSizer:
    """Fixed when `fixed_rows` is given; else grows and shrinks towards `target_seconds` a chunk.

    The 90th percentile of recent seconds per row decides, growth is at most ×1.2 a chunk once a
    chunk came near the target (×4 before: a small start must not cost a large table), and a chunk
    that took five times the target brings the size down at once.
    """

    def __init__(self, fixed_rows: int | None, target_seconds: float) -> None:
        self._fixed_rows = fixed_rows
        self._target_seconds = target_seconds
        self._rows = float(fixed_rows or DEFAULT_CHUNK_ROWS)
        self._seconds_per_row: deque[float] = deque(maxlen=RECENT_CHUNKS)
        self._is_settled = False

    @property
    def rows(self) -> int:
        """Rows of the next chunk."""
        return self._fixed_rows or round(self._rows)

    def record(self, rows: int, seconds: float) -> None:
        """Learn how long a chunk took."""
        if self._fixed_rows or not rows:
            return
        self._seconds_per_row.append(max(seconds, 1e-6) / rows)
        if seconds > FAR_TOO_SLOW * self._target_seconds:
            self._seconds_per_row.clear()
            self._is_settled = True
            self._set(self._rows * self._target_seconds / seconds)
            return
        ordered = sorted(self._seconds_per_row)
        slow = ordered[min(len(ordered) - 1, int(len(ordered) * 0.9))]
        wanted = self._target_seconds / slow
        self._is_settled = self._is_settled or seconds > self._target_seconds / 2
        self._set(min(wanted, self._rows * (GROWTH if self._is_settled else FIRST_GROWTH)))

    def _set(self, rows: float) -> None:
        low, high = CHUNK_ROWS_BOUNDS
        self._rows = min(max(rows, low), high)
