"""Which of the rows that were read, filled ones among them, compute has to see."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from backfill.utc.compute import convert_pairs
from backfill.utc.convert import LocalKind
from backfill.utc.described import Columns
from backfill.utc.pairs import BoolArray, Policy


def is_looked_at(rows: pa.Table, columns: Columns, policy: Policy) -> BoolArray:
    """Tell which rows wait for a value, hold another one, or stand in a fold of a series.

    A filled row of a fold tells its neighbours which of the two passes they belong to.
    """
    wanted: BoolArray = np.zeros(rows.num_rows, dtype=bool)
    for pair, values in zip(columns.pairs, convert_pairs(rows, columns, policy), strict=True):
        wanted |= values.is_pending
        if pair.fold_by:
            wanted |= values.candidates.kind == LocalKind.FOLD.code
    return wanted
