"""What is wrong about filled values: by how far they are off, and what that looks like."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backfill.rows.values import BoolArray, Int64Array, named
from backfill.utc.described import Columns, Pair
from backfill.utc.pairs import PairValues
from backfill.utc.zones import load_rules

_USUAL_LAST_YEAR = 2100


class Pattern(StrEnum):
    """How a filled value differs from the one that its wall time gives."""

    STORED_AS_UTC = "stored_as_utc"  # by exactly the zone's offset: wall time taken for UTC
    OTHER_RULES = "other_rules"  # by another offset that the zone has or had: other tz rules
    OTHER = "other"


_CODES = {pattern: code for code, pattern in enumerate(Pattern, start=1)}


def is_repair(pair: PairValues) -> BoolArray:
    """Tell which values are to be replaced by another."""
    return pair.is_pending & ~pair.stored.is_null


def patterns_of(columns: Columns, pairs: Sequence[PairValues]) -> NDArray[np.int8]:
    """Return each row's pattern as a code: that of its first value that differs, 0 for none."""
    codes = np.zeros(len(pairs[0].is_pending), dtype=np.int8)
    for pair, values in zip(columns.pairs, pairs, strict=True):
        places = np.where(is_repair(values) & (codes == 0))[0]
        if len(places):
            codes[places] = _of_values(pair, values, places)
    return codes


def pattern_names(codes: NDArray[np.int8]) -> pa.Array:
    """Return patterns by name, NULL for none."""
    return named(codes, ["", *(pattern.value for pattern in Pattern)], codes == 0)


def moved_us(values: PairValues) -> Int64Array:
    """Return how far each value moves, in microseconds; 0 where nothing stood there."""
    is_moved = is_repair(values) & values.stored.is_valid
    return np.where(is_moved, values.utc_us - values.stored.us, 0)


def _of_values(pair: Pair, values: PairValues, rows: NDArray[np.intp]) -> NDArray[np.int8]:
    step = pair.target.step_us
    wall, stored = values.wall.us[rows], values.stored.us[rows]
    codes = np.full(len(rows), _CODES[Pattern.OTHER], dtype=np.int8)
    implied = np.floor_divide(wall, step) * step - np.floor_divide(stored, step) * step
    zone_codes = values.choice.codes[rows]
    for code, zone in enumerate(values.choice.zones):
        offsets = np.unique(load_rules(zone, _USUAL_LAST_YEAR).offsets)
        is_known = (zone_codes == code) & np.isin(implied, offsets)
        codes[is_known] = _CODES[Pattern.OTHER_RULES]
    codes[(implied == 0)] = _CODES[Pattern.STORED_AS_UTC]
    codes[~values.stored.is_valid[rows]] = _CODES[Pattern.OTHER]
    return codes
