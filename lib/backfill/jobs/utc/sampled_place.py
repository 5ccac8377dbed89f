"""A pair of a table, to be named in a message, and rows of samples to be shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.utc.convert import in_range
from backfill.utc.described import Pair


@dataclass(frozen=True, slots=True)
class Place:
    """A pair of a table, to be named in a message."""

    zoned: ZonedTable
    pair: Pair

    @property
    def wall(self) -> str:
        return f"{self.zoned.table.relation}.{self.pair.label}"

    @property
    def target(self) -> str:
        return f"{self.zoned.table.relation}.{self.pair.target.column.name}"


def bounded(us: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(in_range(us), us, 0)


def first(mask: NDArray[np.bool_]) -> int:
    rows = np.flatnonzero(mask)
    return int(rows[0]) if len(rows) else 0


def key_at(rows: pa.Table, row: int) -> str:
    return str(rows.column("key")[row].as_py())
