"""Two times of day on one date, of which the later is now and then the earlier: past midnight."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa

from backfill.jobs.utc.sampled_place import Place, first, key_at
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.rows.values import BoolArray, field_of
from backfill.utc.compute import convert_pairs
from backfill.utc.convert import in_range
from backfill.utc.described import Pair, WallKind
from backfill.utc.pairs import PairValues, Policy


def past_midnight(zoned: ZonedTable, rows: pa.Table, policy: Policy) -> list[str]:
    """Say which time of day comes before the one that it seems to follow, on the same date."""
    told: list[str] = []
    dated = [pair for pair in zoned.columns.pairs if _is_on_a_date(pair)]
    several = [(a, b) for a, b in combinations(dated, 2) if a.walls[0] == b.walls[0]]
    if not several:
        return told
    found = dict(zip(zoned.columns.pairs, convert_pairs(rows, zoned.columns, policy), strict=True))
    for one, other in several:
        told += _compared(zoned, rows, (one, found[one]), (other, found[other]))
    return told


def _is_on_a_date(pair: Pair) -> bool:
    return pair.reading.kind is WallKind.DATE_AND_TIME and len(pair.walls) == 2


def _compared(
    zoned: ZonedTable, rows: pa.Table, one: tuple[Pair, PairValues], other: tuple[Pair, PairValues]
) -> list[str]:
    """Take for the start what mostly comes first; where the end is earlier, say so."""
    (start, of_start), (end, of_end) = one, other
    is_of_one_zone, values = start.chain == end.chain, (of_start, of_end)
    is_there = np.logical_and.reduce([_is_there(found, is_of_one_zone) for found in values])
    first_us, second_us = (found.wall.us if is_of_one_zone else found.utc_us for found in values)
    is_before, is_after = is_there & (second_us < first_us), is_there & (second_us > first_us)
    if np.count_nonzero(is_before) > np.count_nonzero(is_after):
        start, end, is_before = end, start, is_after
    if not is_before.any():
        return []
    row = first(is_before)
    day = start.walls[0].name
    began, ended = names = (start.walls[1].name, end.walls[1].name)
    shown = " and ".join(str(field_of(rows, "source", name)[row].as_py()) for name in names)
    mend = f'after = "{began}"' if is_of_one_zone else f'wall = ["{day}", "{ended}", "…"]'
    what = "" if is_of_one_zone else ", with a column that counts the days to add"
    return [
        f"{Place(zoned, end).wall}: on {np.count_nonzero(is_before):,} of "
        f"{np.count_nonzero(is_there):,} sampled rows {ended} is earlier than {began} of the same "
        f"{day}, like row {key_at(rows, row)}: {shown}. If it is of the day after then, say so in "
        f"its [[pair]]{what}: {mend}"
    ]


def _is_there(values: PairValues, is_of_one_zone: bool) -> BoolArray:
    is_read: BoolArray = values.wall.is_valid & ~values.wall.is_null
    if is_of_one_zone:
        return is_read
    return is_read & in_range(values.utc_us) & ((values.choice.codes >= 0) | values.is_free)
