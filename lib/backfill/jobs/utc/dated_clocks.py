"""Times of day beside their date: which are of the day after? Told of, and never guessed."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pyarrow as pa

from backfill.jobs.utc.lookup_checks import is_end
from backfill.jobs.utc.wall_checks import Place, first, key_at
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.rows.values import BoolArray, field_of
from backfill.utc.compute import convert_pairs
from backfill.utc.convert import in_range
from backfill.utc.described import DAY_US, Pair, WallKind
from backfill.utc.doubts import show_time
from backfill.utc.pairs import PairValues, Policy
from backfill.utc.wall import read_walls, since_its_day


def before_its_begin(place: Place, rows: pa.Table) -> list[str]:
    """Say that a day which others count from the morning on is read as one of the calendar."""
    pair = place.pair
    day, clock = pair.walls[0].name, pair.walls[-1].name
    if not _is_on_a_date(pair) or pair.reading.begins_us or not _BUSINESS_DAY.search(day):
        return []
    arrays = [field_of(rows, "source", wall.name) for wall in pair.walls]
    walls = read_walls(arrays, pair.reading)
    since_us, is_day = since_its_day(walls.us, arrays, pair.reading)
    is_read = walls.is_read & is_day
    is_early = is_read & (since_us < _MORNING_US)
    if not is_early.any() or (is_read & (since_us >= DAY_US)).any():  # 25:15 counts on by itself
        return []
    row = first(is_early)
    return [
        f"{place.wall}: on {np.count_nonzero(is_early):,} of {np.count_nonzero(is_read):,} "
        f"sampled rows {clock} is in the small hours, like row {key_at(rows, row)}: "
        f"{show_time(int(walls.us[row]))}. If the days of {day} begin in the morning, such a row "
        'is of the day after; say when they begin in its [[pair]]: after = "=06:00"'
    ]


#: Dates that often begin later than at midnight, by their names.
_BUSINESS_DAY = re.compile(
    r"(?i)(business|broadcast|trading|operat\w*|programme?|service|sende|gaming)_?(day|date|tag)"
)
_MORNING_US = 4 * 3_600_000_000


def past_midnight(zoned: ZonedTable, rows: pa.Table, policy: Policy) -> list[str]:
    """Say which time of day comes before the one that it seems to follow, on the same date."""
    sentences: list[str] = []
    dated = [pair for pair in zoned.columns.pairs if _is_on_a_date(pair)]
    several = [(a, b) for a, b in combinations(dated, 2) if a.walls[0] == b.walls[0]]
    if not several:
        return sentences
    values = convert_pairs(rows, zoned.columns, policy)
    converted = dict(zip(zoned.columns.pairs, values, strict=True))
    for one, other in several:
        sentences += _compared(zoned, rows, (one, converted[one]), (other, converted[other]))
    return sentences


def _is_on_a_date(pair: Pair) -> bool:
    return pair.reading.kind is WallKind.DATE_AND_TIME and len(pair.walls) == 2


#: Words in names of times at which something ends, beside those of dates up to which it counts.
_ENDS = re.compile(
    r"(?i)(?:^|_|\W)(out|off|finish\w*|stop\w*|leav\w*|arr(iv\w*)?|ende|slut|fin)(?:_|\b)"
)


def _is_end(pair: Pair) -> bool:
    clock = pair.walls[1].name
    return is_end(clock) or _ENDS.search(clock) is not None


#: What is earlier by less would take nearly a day, were it of the day after.
_LEAST_TURN_US = 4 * 3_600_000_000


def _compared(
    zoned: ZonedTable, rows: pa.Table, one: tuple[Pair, PairValues], other: tuple[Pair, PairValues]
) -> list[str]:
    """Take for the end what is named like one, else what mostly comes later; where it is earlier,
    say so."""
    (start, of_start), (end, of_end) = one, other
    is_of_one_zone, values = start.chain == end.chain, (of_start, of_end)
    is_there = np.logical_and.reduce([_is_there(each, is_of_one_zone) for each in values])
    first_us, second_us = (each.wall.us if is_of_one_zone else each.utc_us for each in values)
    is_before, is_after = is_there & (second_us < first_us), is_there & (second_us > first_us)
    is_turned = np.count_nonzero(is_before) > np.count_nonzero(is_after)
    if _is_end(start) if _is_end(start) != _is_end(end) else is_turned:
        start, end, is_before = end, start, is_after
    is_before &= np.abs(first_us - second_us) >= _LEAST_TURN_US  # a train may leave early
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
    if is_of_one_zone:
        return values.wall.is_read
    return values.wall.is_read & in_range(values.utc_us) & values.has_zone
