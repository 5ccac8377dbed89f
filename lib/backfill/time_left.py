"""How long a run will still take, and how sure that is. Pure: the clock is an argument.

1. Between two looks, n rows took t seconds; waiting on purpose does not count.
2. Of the newest looks, all rows over all seconds is the rate; what remains over the rate is left.
3. How far single looks were from that rate says how far the forecast may be off: the mean itself,
   and the looks to come. Two standard deviations to each side are told.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

NEWEST_LOOKS = 30
FEWEST_LOOKS = 3  # with less, half to double is an honest guess
_SHORTEST_SECONDS = 1e-3


def rows_per_s(rows: int, seconds: float) -> float:
    """Return a run's speed, wherever it is told: rows looked at (written, left or found as they
    should be) over the seconds in which it worked; what it waited on purpose is none of them."""
    return rows / max(seconds, _SHORTEST_SECONDS)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Rows a second, and the seconds left: likely, at best, at worst."""

    rows_per_s: float
    seconds: float
    low: float
    high: float

    def __str__(self) -> str:
        low, high = span_text(self.low), span_text(self.high)
        return f"about {span_text(self.seconds)} left" + (
            "" if low == high else f" ({low} to {high})"
        )


class TimeLeft:
    """Learns from looks at a run. A resumed run's earlier rows are no measure of this stretch."""

    def __init__(self) -> None:
        self._last: tuple[float, int] | None = None
        self._paused = 0.0
        self._looks: deque[tuple[int, float]] = deque(maxlen=NEWEST_LOOKS)

    def pause(self, seconds: float) -> None:
        """Take out so many seconds that the run waited on purpose."""
        self._paused += seconds

    def see(self, seconds: float, done: int) -> None:
        """Look: after so many seconds so many rows are done; both only grow."""
        if self._last is not None and done > self._last[1]:
            took = seconds - self._last[0] - self._paused
            self._looks.append((done - self._last[1], max(took, _SHORTEST_SECONDS)))
        if self._last is None or done != self._last[1]:
            self._last = (seconds, done)
            self._paused = 0.0

    def forecast(self, remaining: int) -> Forecast | None:
        """Return how long `remaining` rows will take, None while nothing is known."""
        if not self._looks:
            return None
        rows = sum(n for n, _t in self._looks)
        rate = rows_per_s(rows, sum(t for _n, t in self._looks))
        likely = remaining / rate
        if len(self._looks) < FEWEST_LOOKS:
            return Forecast(rate, likely, likely / 2, likely * 2)
        off = 2 * self._deviation(rate, remaining, rows)
        return Forecast(rate, likely, max(likely - off, 0.0), likely + off)

    def _deviation(self, rate: float, remaining: int, rows: int) -> float:
        looks = len(self._looks)
        spread = sum((t - n / rate) ** 2 for n, t in self._looks) / (looks - 1)
        of_the_mean = (remaining / rows) ** 2 * looks
        of_what_comes = remaining * looks / rows
        return math.sqrt(spread * (of_the_mean + of_what_comes))


def span_text(seconds: float) -> str:
    """Return a span of time as people say it: 8 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
