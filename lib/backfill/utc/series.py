"""Folds of a series told apart by the order of its rows: 25 hours give 25 instants.

A meter that counts on through the end of summer time writes the repeated hour twice. Within one
series and one clock change the rows stand in the order of another column: where the wall time
falls back, the second pass begins. Steps: 1. collect the rows of folds; 2. sort each series; 3.
find the one place where the time falls back; 4. what is before it happened earlier, what comes
after it later. Without such a place, or with several, nothing is decided; nor where texts count on
(r9, r10) and so have two orders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pyarrow as pa

from backfill.rows.values import field_of
from backfill.utc.convert import Decision, LocalKind
from backfill.utc.described import Columns, Pair
from backfill.utc.pairs import FoldOrder, PairValues

_NUMBER = re.compile(r"[+-]?(?=\.?\d)(\d*)(?:\.\d*)?(?:[eE][+-]?\d{1,3})?")
_DIGITS = re.compile(r"(\d+)")
_Rank = tuple[int, Decimal | str]


@dataclass(frozen=True, slots=True)
class _Reading:
    order: _Rank
    wall_us: int
    key: str


@dataclass(slots=True)
class FoldRows:
    """The rows in folds of every series, as they come by."""

    _found: dict[tuple[str, str, int], list[_Reading]] = field(default_factory=dict)

    def add(self, rows: pa.Table, columns: Columns, pairs: Sequence[PairValues]) -> None:
        """Note the rows of a batch that lie in a fold, filled ones as well."""
        for pair, values in zip(columns.pairs, pairs, strict=True):
            if pair.fold_by:
                self._add_pair(rows, pair, values)

    def _add_pair(self, rows: pa.Table, pair: Pair, values: PairValues) -> None:
        is_fold = values.candidates.kind == LocalKind.FOLD.code
        places = np.flatnonzero(is_fold & ~values.wall.is_null)
        if not len(places):
            return
        folds = rows.take(pa.array(places))
        keys = folds.column("key").to_pylist()
        orders = field_of(folds, "source", pair.fold_by).cast(pa.string()).to_pylist()
        series = (
            field_of(folds, "source", pair.series).cast(pa.string()).to_pylist()
            if pair.series
            else folds.column("scope").to_pylist()
        )
        for place, key, order, name in zip(places.tolist(), keys, orders, series, strict=True):
            if order is None:
                continue
            change = int(values.candidates.transition_us[place])
            readings = self._found.setdefault((pair.label, name or "", change), [])
            readings.append(_Reading(_rank(order), int(values.wall.us[place]), key))

    def decide(self) -> FoldOrder:
        """Return which of the two instants each row means, by key and pair."""
        decided: dict[str, dict[str, Decision]] = {}
        for (label, _series, _change), readings in self._found.items():
            ordered = sorted(readings, key=lambda reading: reading.order)
            if not _is_sure([reading.order for reading in ordered]):
                continue
            walls = np.array([reading.wall_us for reading in ordered])
            falls = np.flatnonzero(np.diff(walls) <= 0)
            if len(falls) != 1:
                continue
            for place, reading in enumerate(ordered):
                is_later = place > int(falls[0])
                choice = Decision.SECOND if is_later else Decision.FIRST
                decided.setdefault(reading.key, {})[label] = choice
        return decided


def has_order(columns: Columns) -> bool:
    """Tell whether any pair lets an order decide."""
    return any(pair.fold_by for pair in columns.pairs)


def order_of(batches: Iterable[tuple[pa.Table, list[PairValues]]], columns: Columns) -> FoldOrder:
    """Return what the order of all rows says about their folds."""
    rows = FoldRows()
    for batch, pairs in batches:
        rows.add(batch, columns, pairs)
    return rows.decide()


def _rank(text: str) -> _Rank:
    """Numbers in the order of numbers, all else as text."""
    return (0, Decimal(text)) if _NUMBER.fullmatch(text) else (1, text)


def _is_sure(ordered: Sequence[_Rank]) -> bool:
    """Tell whether texts have one order: to people r10 comes after r9, letter by letter before."""
    parts = [_DIGITS.split(text) for _kind, text in ordered if isinstance(text, str)]
    # Every second part is digits.
    natural = [[int(p) if place % 2 else p for place, p in enumerate(split)] for split in parts]
    return natural == sorted(natural)
