"""Dates and times written as text, in ISO 8601 or in a format of one's own: whole columns at once.

A format is made of strptime's directives; each becomes a named group of one regular expression,
and what the groups hold is checked and put together in integers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.rows.values import BoolArray, Int64Array
from backfill.utc.described import DAY_US
from backfill.utc.month_names import ENGLISH
from backfill.utc.wall_format import ISO_PATTERNS, WEEKDAYS, pattern_of

#: A time of day, as `time`, `interval` and people write it; hours may pass midnight.
_CLOCK = (
    r"^(?:(?P<D>\d{1,3}) days? ?)?(?:(?P<H>\d{1,3}):?(?P<M>\d{2})"
    r"(?::?(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?)?$"
)
#: ISO 8601 as nearly everybody spells it.
_DAY = r"[1-9]\d{3}-\d\d-\d\d"
_TIME = r"[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?"
_MOMENT = rf"^{_DAY}(?:{_TIME})?"
_USUAL = (f"{_MOMENT}$", f"{_MOMENT}Z$")
_DAY_PATTERNS = tuple(
    rf"^(?P<Y>\d{{4}}){sign}(?P<m>\d{{2}}){sign}(?P<d>\d{{2}})$" for sign in ("-", "")
)
MONTHS = tuple(name.lower() for name in ENGLISH)
#: The day since 1970 that each month of the years 0 to 10001 begins with.
_FIRST_MONTH = 1970 * 12
_FIRST_DAYS: Int64Array = (
    (np.arange(10_002 * 12) - _FIRST_MONTH)
    .astype("datetime64[M]")
    .astype("datetime64[D]")
    .astype(np.int64)
)
#: Two digits of a year: as POSIX has them, 69 to 99 are of the last century.
_PIVOT = 69
_WEEKDAYS = pa.array(WEEKDAYS)
#: What a part of a date stands for that is not told; 0 for all others.
_ABSENT = {"Y": 1970, "y": 70, "I": 12} | dict.fromkeys("mdjGVu", 1)


@dataclass(frozen=True, slots=True)
class Times:
    """One entry per row, in microseconds; `us` and `offset_us` are 0 where not valid or none."""

    us: Int64Array
    is_valid: BoolArray
    offset_us: Int64Array
    has_offset: BoolArray

    @classmethod
    def plain(cls, us: Int64Array, is_valid: BoolArray) -> Times:
        """Return times of which none tells an offset."""
        return cls(us, is_valid, np.zeros(len(us), np.int64), np.zeros(len(us), bool))


def read_iso(texts: pa.Array) -> Times:
    """Read ISO 8601, an offset or `Z` at its end included."""
    return _by_patterns(*_usual(texts, _USUAL), ISO_PATTERNS)


def read_day(texts: pa.Array) -> Times:
    """Read dates alone, of ISO 8601 extended and basic."""
    return _by_patterns(*_usual(texts, (rf"^{_DAY}$",)), _DAY_PATTERNS)


def read_format(texts: pa.Array, form: str, *, rolls_over: bool = False) -> Times:
    """Read texts in a format; hours beyond 24:00 count on where `rolls_over`."""
    return _by_patterns(*_usual(texts, ()), (pattern_of(form),), rolls_over=rolls_over)


def _usual(texts: pa.Array, patterns: Sequence[str]) -> tuple[Times, pa.Array]:
    """Have Arrow read what is spelt as nearly all ISO 8601 is, ten times faster than expressions
    do; return that, and the texts without blanks around."""
    count = len(texts)
    times = Times(*(np.zeros(count, dtype=kind) for kind in (int, bool, int, bool)))
    trimmed = pc.utf8_trim_whitespace(texts)
    for pattern in patterns:
        rows = np.asarray(pc.match_substring_regex(trimmed, pattern).fill_null(False))
        if not rows.any():
            continue
        has_offset = pattern.endswith("Z$")
        kind = pa.timestamp("us", "UTC" if has_offset else None)
        # One that there is not, a 30 February or 24:00, is left with all others to what comes next.
        with contextlib.suppress(pa.ArrowInvalid):
            read = trimmed.filter(pa.array(rows)).cast(kind).cast(pa.int64())
            times.us[rows] = read.to_numpy()
            times.is_valid[rows], times.has_offset[rows] = True, has_offset
    return times, trimmed


def _by_patterns(
    times: Times, texts: pa.Array, patterns: Sequence[str], *, rolls_over: bool = False
) -> Times:
    """Read what is left, by each pattern in turn."""
    for pattern in patterns:
        left = np.flatnonzero(~times.is_valid & np.asarray(texts.is_valid()))
        if len(left):
            some = texts if len(left) == len(texts) else texts.take(pa.array(left))
            _put(times, left, _read(some, pattern, rolls_over=rolls_over))
    return times


def _put(into: Times, rows: NDArray[np.intp], part: Times) -> None:
    into.us[rows] = part.us
    into.is_valid[rows] = part.is_valid
    into.offset_us[rows] = part.offset_us
    into.has_offset[rows] = part.has_offset


def read_clock(texts: pa.Array) -> tuple[Int64Array, BoolArray]:
    """Read times of day as microseconds from midnight, 24:00 and beyond included."""
    trimmed = pc.utf8_trim_whitespace(texts)
    on_a_day = pc.binary_join_element_wise(pa.scalar("1970-01-01"), trimmed, " ")
    usual, _texts = _usual(on_a_day, (rf"^{_DAY}{_TIME}$",))
    us, is_valid = usual.us, usual.is_valid
    left = np.flatnonzero(~is_valid & np.asarray(trimmed.is_valid()))
    if len(left):
        groups, _matches = _groups(trimmed.take(pa.array(left)), _CLOCK)
        numbers = _numbers_of(groups, len(left))
        clock, is_clock = _clock_us(numbers, rolls_over=True)
        us[left] = clock + numbers["D"] * DAY_US
        is_valid[left] = is_clock & (_has(groups, "H", len(left)) | _has(groups, "D", len(left)))
    return us, is_valid


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The numbers of dates and times by their directives: months 1 to 12, `p` 1 after noon, `f` in
    nanoseconds."""

    columns: Mapping[str, Int64Array]
    count: int

    def __getitem__(self, name: str) -> Int64Array:
        if name not in self.columns:
            return np.full(self.count, _ABSENT.get(name, 0), dtype=np.int64)
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns


def digits(texts: pa.Array, absent: int = 0) -> Int64Array:
    """Return texts of digits as numbers, `absent` for those that are empty or NULL."""
    present = pc.not_equal(texts, "").fill_null(False)
    numbers = pc.if_else(present, texts, pa.scalar(str(absent))).cast(pa.int64())
    plain: Int64Array = numbers.to_numpy(zero_copy_only=False)
    return plain


def _groups(texts: pa.Array, pattern: str) -> tuple[dict[str, pa.Array], BoolArray]:
    """Return what the groups of a pattern hold, row by row, and which rows it fits."""
    groups = pc.extract_regex(texts, pattern)
    names = (field.name for field in groups.type)
    return dict(zip(names, groups.flatten(), strict=True)), np.asarray(groups.is_valid())


def _has(groups: Mapping[str, pa.Array], name: str, count: int) -> BoolArray:
    if name not in groups:
        return np.zeros(count, dtype=bool)
    return np.asarray(pc.not_equal(groups[name], "").fill_null(False))


def _numbers_of(groups: Mapping[str, pa.Array], count: int) -> _Numbers:
    columns: dict[str, Int64Array] = {}
    for name, texts in groups.items():
        if name == "b":
            place = pc.index_in(pc.utf8_lower(texts), pa.array(MONTHS)).fill_null(-1)
            columns["m"] = place.to_numpy(zero_copy_only=False).astype(np.int64) + 1
        elif name == "a":
            place = pc.index_in(pc.utf8_lower(pc.utf8_slice_codeunits(texts, 0, 3)), _WEEKDAYS)
            columns["a"] = place.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        elif name == "p":
            columns["p"] = np.asarray(pc.is_in(texts, pa.array(["p", "P"]))).astype(np.int64)
        elif name == "f":
            columns["f"] = digits(pc.utf8_rpad(texts.fill_null(""), 9, "0"))
        elif name != "z":
            columns[name] = digits(texts, _ABSENT.get(name, 0))
    return _Numbers(columns, count)


def _read(texts: pa.Array, pattern: str, *, rolls_over: bool) -> Times:
    groups, matches = _groups(texts, pattern)
    numbers = _numbers_of(groups, len(texts))
    days, is_date = _days(numbers)
    clock, is_clock = _clock_us(numbers, rolls_over=rolls_over)
    offset, is_offset = _offsets(groups, len(texts))
    is_valid = matches & is_date & is_clock & is_offset
    if "a" in numbers:  # a day and a month that changed places give themselves away
        is_valid &= (numbers["a"] < 0) | (numbers["a"] == (days + 3) % 7)
    return Times(
        np.where(is_valid, days * DAY_US + clock, 0),
        is_valid,
        np.where(is_valid, offset, 0),
        is_valid & _has(groups, "z", len(texts)),
    )


def _days(groups: _Numbers) -> tuple[Int64Array, BoolArray]:
    """Return days since 1970, and where there is such a day."""
    if "V" in groups:
        return _days_of_weeks(groups)
    year = groups["Y"]
    if "y" in groups:
        short = groups["y"]
        year = short + np.where(short >= _PIVOT, 1900, 2000)
        if "C" in groups:
            year = short + 1900 + 100 * groups["C"]
    month = groups["m"]
    is_month = (year >= 1) & (month >= 1) & (month <= 12)
    months = np.where(is_month, (year - 1970) * 12 + month - 1, 0)
    first = _day_of(months)
    length = _day_of(months + 1) - first
    day = groups["d"]
    if "j" in groups:
        day = groups["j"]
        length = _day_of(months + 12) - first
    return first + day - 1, is_month & (day >= 1) & (day <= length)


def _days_of_weeks(groups: _Numbers) -> tuple[Int64Array, BoolArray]:
    """Read a year of weeks: its week 1 is the one that 4 January lies in, and begins on Monday."""
    year, week, weekday = (groups[name] for name in "GVu")
    is_year = (year >= 1) & (year <= 9999)
    first = _monday_of(_day_of(np.where(is_year, (year - 1970) * 12, 0)) + 3)
    following = _monday_of(_day_of(np.where(is_year, (year - 1969) * 12, 0)) + 3)
    day = first + (week - 1) * 7 + weekday - 1
    is_day = is_year & (week >= 1) & (weekday >= 1) & (weekday <= 7) & (day < following)
    return day, is_day


def _monday_of(days: Int64Array) -> Int64Array:
    monday: Int64Array = days - (days + 3) % 7  # 1970 began on a Thursday
    return monday


def _day_of(months: Int64Array) -> Int64Array:
    days: Int64Array = _FIRST_DAYS[np.clip(months + _FIRST_MONTH, 0, len(_FIRST_DAYS) - 1)]
    return days


def _clock_us(groups: _Numbers, *, rolls_over: bool) -> tuple[Int64Array, BoolArray]:
    hour, minute, second = (groups[name] for name in "HMS")
    is_valid = (minute <= 59) & (second <= 59)
    if "I" in groups:
        twelve = groups["I"]
        is_valid &= (twelve >= 1) & (twelve <= 12)
        hour = twelve % 12
        if "p" in groups:
            hour = hour + 12 * groups["p"]
    fraction = groups["f"] // 1000 if "f" in groups else 0
    within = (minute * 60 + second) * 1_000_000 + fraction
    if not rolls_over:
        is_valid &= (hour <= 23) | ((hour == 24) & (within == 0))
    return hour * 3_600_000_000 + within, is_valid


def _offsets(groups: Mapping[str, pa.Array], count: int) -> tuple[Int64Array, BoolArray]:
    if "z" not in groups:
        return np.zeros(count, dtype=np.int64), np.ones(count, dtype=bool)
    texts = pc.replace_substring(groups["z"].fill_null(""), ":", "")
    is_number = np.asarray(pc.match_substring_regex(texts, r"^[+-]\d{2}(\d{2})?$"))
    plain = pc.if_else(pa.array(is_number), pc.utf8_rpad(texts, 5, "0"), pa.scalar("+0000"))
    parts = pc.extract_regex(plain, r"^(?P<s>[+-])(?P<h>\d{2})(?P<m>\d{2})$")
    sign, hours, minutes = parts.flatten()
    hour, minute = digits(hours), digits(minutes)
    offset = (hour * 60 + minute) * 60_000_000
    is_west = np.asarray(pc.equal(sign, "-"))
    return np.where(is_west, -offset, offset), (minute <= 59) & (hour <= 18)
