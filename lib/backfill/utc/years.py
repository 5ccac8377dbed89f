"""In which years the planned instants lie, and which of those years look wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from backfill.decisions import Answers, Question
from backfill.rows.values import BoolArray
from backfill.utc.convert import in_range
from backfill.utc.described import DAY_US, Columns, WallKind
from backfill.utc.pairs import PairValues

YEAR = "year"
#: Further than this from today, or from the other times, a year is asked about.
FAR_YEARS = 150
#: From this share of rows on a plan needs --accept-years.
MOST_SHARE = 0.01
#: Seconds of our days (1990 to 2100) that are read as milliseconds, and so on: in early 1970.
_EARLY_US = (7 * DAY_US, 48 * DAY_US)
#: Fewer of them are a few rows' own mistake, and say nothing of the column's unit.
_LEAST_EARLY = 10
_LATER = 1975
_US = "datetime64[us]"
_EPOCH_YEAR = 1970


@dataclass(slots=True)
class YearCounts:
    """How many planned instants lie in a year, by pair, and the key of one of them."""

    counts: Counter[tuple[str, int]] = field(default_factory=Counter)
    examples: dict[tuple[str, int], str] = field(default_factory=dict)
    early: Counter[str] = field(default_factory=Counter)  # counts that may be of another unit

    def add(self, other: YearCounts) -> None:
        self.counts.update(other.counts)
        self.early.update(other.early)
        for place, key in other.examples.items():
            self.examples.setdefault(place, key)

    def odd(self, this_year: int) -> list[tuple[str, int]]:
        """Return (pair, year) of the years that look wrong, in order."""
        if not self.counts:
            return []
        years = np.array([year for _pair, year in self.counts])
        weights = np.array(list(self.counts.values()))
        order = np.argsort(years)
        half = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
        middle = int(years[order][min(half, len(years) - 1)])
        return sorted(
            (pair, year)
            for pair, year in self.counts
            if abs(year - this_year) > FAR_YEARS
            or abs(year - middle) > FAR_YEARS
            or (year == _EPOCH_YEAR and self.has_early(pair) and middle >= _LATER)
        )

    def has_early(self, pair: str) -> bool:
        """Tell whether enough counts of a pair may be of another unit to ask about it."""
        return self.early[pair] >= max(_LEAST_EARLY, MOST_SHARE * self._of_pairs()[pair])

    def _of_pairs(self) -> Counter[str]:
        rows = Counter[str]()
        for (pair, _year), count in self.counts.items():
            rows[pair] += count
        return rows

    def is_too_much(self, places: Sequence[tuple[str, int]], this_year: int) -> bool:
        """Tell whether so many rows lie in odd years that no plan is made of it in silence.

        One old time among few rows is history; two, or one that is yet to come, are a mistake
        until somebody says otherwise.
        """
        pairs = {pair for pair, _year in places}
        rows = max(sum(self.counts[p] for p in places if p[0] == pair) for pair in pairs)
        is_share = rows > MOST_SHARE * max(self._of_pairs().values())
        return is_share and (rows > 1 or max(year for _pair, year in places) > this_year)


def years_of(us: np.ndarray) -> np.ndarray:
    return us.astype(_US).astype("datetime64[Y]").astype(np.int64) + 1970


def count_years(
    rows: pa.Table, columns: Columns, pairs: Sequence[PairValues], keep: BoolArray
) -> YearCounts:
    """Count the planned instants of a batch by year."""
    by_year = YearCounts()
    for pair, values in zip(columns.pairs, pairs, strict=True):
        planned = np.flatnonzero(keep & values.is_pending & in_range(values.utc_us))
        years, first, counts = np.unique(
            years_of(values.utc_us[planned]), return_index=True, return_counts=True
        )
        for year, place, count in zip(years.tolist(), first.tolist(), counts.tolist(), strict=True):
            by_year.counts[(pair.label, year)] = count
            by_year.examples[(pair.label, year)] = rows.column("key")[int(planned[place])].as_py()
        first_us, last_us = _EARLY_US
        wall_us = values.wall.us[planned]
        is_early = (wall_us >= first_us) & (wall_us < last_us)
        if pair.reading.kind is WallKind.NUMBER and not pair.reading.form and is_early.any():
            by_year.early[pair.label] = int(np.count_nonzero(is_early))
    return by_year


def ask_year(label: str, year: int, count: int = 0, key: str = "") -> Question:
    values = "1 value" if count == 1 else f"{count:,} values"
    return Question(
        kind=YEAR,
        key="*",
        column=label,
        local_date=str(year),
        read=f"{values} in the year {year}, like {key}" if count else "",
        candidates="accept | skip",
    )


def answered_years(
    columns: Columns, pairs: Sequence[PairValues], answers: Answers
) -> Iterator[tuple[str, int, BoolArray, Question]]:
    """Yield the years of a batch that somebody may have decided about, with their rows."""
    if not any(answer.kind in ("", YEAR) and answer.local_date for answer in answers.lines):
        return
    for pair, values in zip(columns.pairs, pairs, strict=True):
        is_there = values.is_pending & in_range(values.utc_us)
        years = np.where(is_there, years_of(np.where(is_there, values.utc_us, 0)), 0)
        for year in np.unique(years[is_there]).tolist():
            yield pair.label, year, is_there & (years == year), ask_year(pair.label, year)
