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
from dataclasses import dataclass
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


#: The rows in folds by pair, series and clock change.
_Found = dict[tuple[str, str, int], list[_Reading]]


def has_order(columns: Columns) -> bool:
    """Tell whether any pair lets an order decide."""
    return any(pair.fold_by for pair in columns.pairs)


def order_of(batches: Iterable[tuple[pa.Table, list[PairValues]]], columns: Columns) -> FoldOrder:
    """Return which of the two instants each row of a fold means, by key and pair, as the order of
    all rows, filled ones among them, says."""
    found: _Found = {}
    for rows, pairs in batches:
        for pair, values in zip(columns.pairs, pairs, strict=True):
            if pair.fold_by:
                _collect(found, rows, pair, values)
    decided: dict[str, dict[str, Decision]] = {}
    for (label, _series, _change), readings in found.items():
        ordered = sorted(readings, key=lambda reading: reading.order)
        walls = np.array([reading.wall_us for reading in ordered])
        falls = np.flatnonzero(np.diff(walls) <= 0)
        if len(falls) != 1 or not _is_sure([reading.order for reading in ordered]):
            continue
        for place, reading in enumerate(ordered):
            choice = Decision.SECOND if place > int(falls[0]) else Decision.FIRST
            decided.setdefault(reading.key, {})[label] = choice
    return decided


def _collect(found: _Found, rows: pa.Table, pair: Pair, values: PairValues) -> None:
    is_fold = values.candidates.kind == LocalKind.FOLD.code
    places = np.flatnonzero(is_fold & ~values.wall.is_null)
    folds = rows.take(pa.array(places))
    orders = field_of(folds, "source", pair.fold_by).cast(pa.string()).to_pylist()
    named = field_of(folds, "source", pair.series) if pair.series else folds.column("scope")
    series, keys = named.cast(pa.string()).to_pylist(), folds.column("key").to_pylist()
    for place, key, order, name in zip(places.tolist(), keys, orders, series, strict=True):
        if order is not None:
            change = int(values.candidates.transition_us[place])
            reading = _Reading(_rank(order), int(values.wall.us[place]), key)
            found.setdefault((pair.label, name or "", change), []).append(reading)


def _rank(text: str) -> _Rank:
    """Numbers in the order of numbers, all else as text."""
    return (0, Decimal(text)) if _NUMBER.fullmatch(text) else (1, text)


def _is_sure(ordered: Sequence[_Rank]) -> bool:
    """Tell whether texts have one order: to people r10 comes after r9, letter by letter before."""
    parts = [_DIGITS.split(text) for _kind, text in ordered if isinstance(text, str)]
    # Every second part is digits.
    natural = [[int(p) if place % 2 else p for place, p in enumerate(split)] for split in parts]
    return natural == sorted(natural)
