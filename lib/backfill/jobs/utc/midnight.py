"""Two times of day on one date, of which the later is now and then the earlier: past midnight."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa

from backfill.jobs.utc.sampled_place import Place, first, key_at
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.rows.values import field_of
from backfill.utc.described import Pair, WallKind
from backfill.utc.wall import read_walls


def past_midnight(zoned: ZonedTable, rows: pa.Table) -> list[str]:
    """Say which time of day comes before the one that it seems to follow, on the same date."""
    told: list[str] = []
    dated = [pair for pair in zoned.columns.pairs if _is_on_a_date(pair)]
    for one, other in combinations(dated, 2):
        if one.walls[0] == other.walls[0] and one.chain == other.chain:
            told += _compared(zoned, rows, one, other)
    return told


def _is_on_a_date(pair: Pair) -> bool:
    return pair.reading.kind is WallKind.DATE_AND_TIME and len(pair.walls) == 2


def _compared(zoned: ZonedTable, rows: pa.Table, one: Pair, other: Pair) -> list[str]:
    """Take for the start what mostly comes first; where the end is earlier, say so."""
    walls = [
        read_walls([field_of(rows, "source", wall.name) for wall in pair.walls], pair.reading)
        for pair in (one, other)
    ]
    is_there = np.logical_and.reduce([wall.is_valid & ~wall.is_null for wall in walls])
    is_before, is_after = (
        is_there & mask for mask in (walls[1].us < walls[0].us, walls[1].us > walls[0].us)
    )
    start, end = one, other
    if np.count_nonzero(is_before) > np.count_nonzero(is_after):
        start, end, is_before = other, one, is_after
    if not is_before.any():
        return []
    row = first(is_before)
    began, ended = names = (start.walls[1].name, end.walls[1].name)
    shown = " and ".join(str(field_of(rows, "source", name)[row].as_py()) for name in names)
    return [
        f"{Place(zoned, end).wall}: on {np.count_nonzero(is_before):,} of "
        f"{np.count_nonzero(is_there):,} sampled rows {ended} is earlier than {began} of the same "
        f"{start.walls[0].name}, like row {key_at(rows, row)}: {shown}. If it is of the day after "
        f'then, say so in its [[pair]]: after = "{began}"'
    ]
