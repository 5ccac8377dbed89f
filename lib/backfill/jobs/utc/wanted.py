"""Which of the rows that were read, filled ones among them, compute has to see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from backfill.rows.values import BoolArray
from backfill.utc.compute import convert_pairs
from backfill.utc.convert import LocalKind
from backfill.utc.described import Columns
from backfill.utc.pairs import FoldOrder, Policy, is_unjudged
from backfill.utc.series import has_order, order_of

SHOWN_KEYS = 20


def fold_order(pages: Iterable[pa.Table], columns: Columns, policy: Policy) -> FoldOrder:
    """Return what the order of a series says about its folds: it takes all rows at once."""
    if not has_order(columns):
        return {}
    return order_of(((rows, convert_pairs(rows, columns, policy)) for rows in pages), columns)


@dataclass(frozen=True, slots=True)
class LookedAt:
    """`wanted`: rows that wait for a value, hold another one, or stand in a fold of a series.

    A filled row of a fold tells its neighbours which of the two passes they belong to.
    `unjudged`: filled rows of which nobody can tell whether they are right.
    """

    wanted: BoolArray
    unjudged: BoolArray


def look_at(rows: pa.Table, columns: Columns, policy: Policy) -> LookedAt:
    """Tell which of the rows compute has to see."""
    wanted: BoolArray = np.zeros(rows.num_rows, dtype=bool)
    unjudged: BoolArray = np.zeros(rows.num_rows, dtype=bool)
    for pair, values in zip(columns.pairs, convert_pairs(rows, columns, policy), strict=True):
        wanted |= values.is_pending
        unjudged |= is_unjudged(values)
        if pair.fold_by:
            wanted |= values.candidates.kind == LocalKind.FOLD.code
    return LookedAt(wanted, unjudged)


@dataclass(slots=True)
class Unjudged:
    """Filled rows that no value could be computed for, counted page by page; the first few keys."""

    rows: int = 0
    keys: list[str] = field(default_factory=list)

    def add(self, page: pa.Table, unjudged: BoolArray) -> None:
        places = np.flatnonzero(unjudged)
        self.rows += len(places)
        for place in places[: SHOWN_KEYS - len(self.keys)].tolist():
            self.keys.append(page.column("key")[place].as_py())

    def says(self) -> str:
        """Say it in a sentence, empty when all were judged."""
        if not self.rows:
            return ""
        what = "1 filled row can" if self.rows == 1 else f"{self.rows:,} filled rows can"
        return (
            f"{what} not be judged, since their wall time or zone can not be read: "
            f"{', '.join(self.keys)}{' …' if self.rows > len(self.keys) else ''}. They are left "
            "as they are."
        )
