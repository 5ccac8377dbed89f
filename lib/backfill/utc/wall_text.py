"""Dates and times written as text, in ISO 8601 or in a format of one's own: whole columns at once.

A format is made of strptime's directives; each becomes a named group of one regular expression,
and what the groups hold is checked and put together in integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.rows.values import Int64Array
from backfill.utc.wall_format import ISO_PATTERNS, pattern_of
from backfill.utc.wall_layout import CLOCKS, DAYS, ISO, laid_out

BoolArray = NDArray[np.bool_]

#: A time of day, as `time`, `interval` and people write it; hours may pass midnight.
_CLOCK = (
    r"^(?:(?P<D>\d{1,3}) days? ?)?(?:(?P<H>\d{1,3}):?(?P<M>\d{2})"
    r"(?::?(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?)?$"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_US = 86_400_000_000
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


@dataclass(frozen=True, slots=True)
class TextTimes:
    """One entry per row, in microseconds; `us` and `offset_us` are 0 where not valid or none."""

    us: Int64Array
    is_valid: BoolArray
    offset_us: Int64Array
    has_offset: BoolArray


def read_iso(texts: pa.Array) -> TextTimes:
    """Read ISO 8601, an offset or `Z` at its end included."""
    return _laid_out(texts, ISO, ISO_PATTERNS, rolls_over=False)


def read_day(texts: pa.Array) -> TextTimes:
    """Read dates alone, of ISO 8601 extended and basic."""
    return _laid_out(texts, DAYS, (), rolls_over=False)


def _laid_out(
    texts: pa.Array, forms: Sequence[str], patterns: Sequence[str], *, rolls_over: bool
) -> TextTimes:
    """Read what has a usual layout; what is left, by each pattern in turn."""
    count = len(texts)
    found = TextTimes(*(np.zeros(count, dtype=kind) for kind in (int, bool, int, bool)))
    trimmed = pc.utf8_trim_whitespace(texts)
    for laid in laid_out(trimmed, forms):
        rows = laid.rows if len(laid.rows) < count else slice(None)
        groups = _Numbers(laid.numbers, len(laid.rows))
        days, is_date = _days(groups)
        clock, is_clock = _clock_us(groups, rolls_over=rolls_over)
        is_valid = is_date & is_clock
        found.us[rows] = np.where(is_valid, days * _DAY_US + clock, 0)
        found.is_valid[rows] = is_valid
        found.has_offset[rows] = is_valid & laid.is_zulu
    for pattern in patterns:
        left = np.flatnonzero(~found.is_valid & np.asarray(trimmed.is_valid()))
        if len(left):
            some = trimmed if len(left) == count else trimmed.take(pa.array(left))
            _put(found, left, _read(some, pattern, rolls_over=rolls_over))
    return found


def _put(into: TextTimes, rows: NDArray[np.intp], found: TextTimes) -> None:
    into.us[rows] = found.us
    into.is_valid[rows] = found.is_valid
    into.offset_us[rows] = found.offset_us
    into.has_offset[rows] = found.has_offset


def read_format(texts: pa.Array, form: str, *, rolls_over: bool = False) -> TextTimes:
    """Read texts in a format; hours beyond 24:00 count on where `rolls_over`."""
    return _laid_out(texts, (form,), (pattern_of(form),), rolls_over=rolls_over)


def read_clock(texts: pa.Array) -> tuple[Int64Array, BoolArray]:
    """Read times of day as microseconds from midnight, 24:00 and beyond included."""
    us, is_valid = np.zeros(len(texts), dtype=np.int64), np.zeros(len(texts), dtype=bool)
    trimmed = pc.utf8_trim_whitespace(texts)
    for laid in laid_out(trimmed, CLOCKS):
        clock, is_clock = _clock_us(_Numbers(laid.numbers, len(laid.rows)), rolls_over=True)
        us[laid.rows], is_valid[laid.rows] = clock, is_clock
    left = np.flatnonzero(~is_valid & np.asarray(trimmed.is_valid()))
    if len(left):
        groups = _groups(trimmed.take(pa.array(left)), _CLOCK)
        clock, is_clock = _clock_us(groups, rolls_over=True)
        us[left] = clock + groups.number("D", 0) * _DAY_US
        is_valid[left] = is_clock & (groups.has("H") | groups.has("D"))
    return us, is_valid


class _Fields(Protocol):
    """The numbers of a date and a time, row by row."""

    def number(self, name: str, otherwise: int) -> Int64Array: ...

    def month(self) -> Int64Array: ...

    def is_after_noon(self) -> BoolArray: ...

    def fraction_ns(self) -> Int64Array: ...

    def __contains__(self, name: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What a layout read."""

    found: Mapping[str, Int64Array]
    count: int

    def number(self, name: str, otherwise: int) -> Int64Array:
        if name not in self.found:
            return np.full(self.count, otherwise, dtype=np.int64)
        return self.found[name]

    def month(self) -> Int64Array:
        return self.number("m", 1)

    def is_after_noon(self) -> BoolArray:
        after: BoolArray = self.number("p", 0) == 1
        return after

    def fraction_ns(self) -> Int64Array:
        return self.number("f", 0)

    def __contains__(self, name: str) -> bool:
        return name in self.found


class _Groups:
    """What the groups of a pattern hold, row by row."""

    def __init__(self, found: Mapping[str, pa.Array], matches: BoolArray) -> None:
        self._found = found
        self.matches = matches

    def has(self, name: str) -> BoolArray:
        if name not in self._found:
            return np.zeros(len(self.matches), dtype=bool)
        filled = pc.not_equal(self._found[name], "").fill_null(False)
        return np.asarray(filled)

    def number(self, name: str, otherwise: int) -> Int64Array:
        """Return a group of digits as numbers, `otherwise` where it is empty."""
        if name not in self._found:
            return np.full(len(self.matches), otherwise, dtype=np.int64)
        texts = self._found[name]
        present = pc.not_equal(texts, "").fill_null(False)
        digits = pc.if_else(present, texts, pa.scalar(str(otherwise)))
        numbers: Int64Array = digits.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return numbers

    def text(self, name: str) -> pa.Array:
        return self._found[name].fill_null("")

    def month(self) -> Int64Array:
        if "b" not in self:
            return self.number("m", 1)
        names = pc.utf8_lower(self.text("b"))
        place = pc.index_in(names, pa.array(_MONTHS)).fill_null(-1)
        months: Int64Array = place.to_numpy(zero_copy_only=False).astype(np.int64) + 1
        return months

    def is_after_noon(self) -> BoolArray:
        return np.asarray(pc.equal(pc.utf8_lower(self.text("p")), "p"))

    def fraction_ns(self) -> Int64Array:
        padded = pc.utf8_rpad(self.text("f"), 9, "0")
        digits: Int64Array = padded.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return digits

    def __contains__(self, name: str) -> bool:
        return name in self._found


def _groups(texts: pa.Array, pattern: str) -> _Groups:
    trimmed = pc.utf8_trim_whitespace(texts)
    found = pc.extract_regex(trimmed, pattern)
    matches = np.asarray(found.is_valid())
    names = [field.name for field in found.type]
    return _Groups(dict(zip(names, found.flatten(), strict=True)), matches)


def _read(texts: pa.Array, pattern: str, *, rolls_over: bool) -> TextTimes:
    groups = _groups(texts, pattern)
    days, is_date = _days(groups)
    clock, is_clock = _clock_us(groups, rolls_over=rolls_over)
    offset, is_offset = _offsets(groups)
    is_valid = groups.matches & is_date & is_clock & is_offset
    return TextTimes(
        np.where(is_valid, days * _DAY_US + clock, 0),
        is_valid,
        np.where(is_valid, offset, 0),
        is_valid & groups.has("z"),
    )


def _days(groups: _Fields) -> tuple[Int64Array, BoolArray]:
    """Return days since 1970, and where there is such a day."""
    if "V" in groups:
        return _days_of_weeks(groups)
    year = groups.number("Y", 1970)
    if "y" in groups:
        short = groups.number("y", 70)
        year = short + np.where(short >= _PIVOT, 1900, 2000)
        if "C" in groups:
            year = short + 1900 + 100 * groups.number("C", 0)
    month = groups.month()
    is_month = (year >= 1) & (month >= 1) & (month <= 12)
    months = np.where(is_month, (year - 1970) * 12 + month - 1, 0)
    first = _day_of(months)
    length = _day_of(months + 1) - first
    day = groups.number("d", 1)
    if "j" in groups:
        day = groups.number("j", 1)
        length = _day_of(months + 12) - first
    return first + day - 1, is_month & (day >= 1) & (day <= length)


def _days_of_weeks(groups: _Fields) -> tuple[Int64Array, BoolArray]:
    """Read a year of weeks: its week 1 is the one that 4 January lies in, and begins on Monday."""
    year, week, weekday = (groups.number(name, 1) for name in ("G", "V", "u"))
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
    found: Int64Array = _FIRST_DAYS[np.clip(months + _FIRST_MONTH, 0, len(_FIRST_DAYS) - 1)]
    return found


def _clock_us(groups: _Fields, *, rolls_over: bool) -> tuple[Int64Array, BoolArray]:
    hour, minute, second = (groups.number(name, 0) for name in ("H", "M", "S"))
    is_valid = (minute <= 59) & (second <= 59)
    if "I" in groups:
        twelve = groups.number("I", 12)
        is_valid &= (twelve >= 1) & (twelve <= 12)
        hour = twelve % 12
        if "p" in groups:
            hour = hour + np.where(groups.is_after_noon(), 12, 0)
    fraction = groups.fraction_ns() // 1000 if "f" in groups else 0
    within = (minute * 60 + second) * 1_000_000 + fraction
    if not rolls_over:
        is_valid &= (hour <= 23) | ((hour == 24) & (within == 0))
    return hour * 3_600_000_000 + within, is_valid


def _offsets(groups: _Groups) -> tuple[Int64Array, BoolArray]:
    count = len(groups.matches)
    if "z" not in groups:
        return np.zeros(count, dtype=np.int64), np.ones(count, dtype=bool)
    texts = pc.replace_substring(groups.text("z"), ":", "")
    is_number = np.asarray(pc.match_substring_regex(texts, r"^[+-]\d{2}(\d{2})?$"))
    digits = pc.if_else(pa.array(is_number), pc.utf8_rpad(texts, 5, "0"), pa.scalar("+0000"))
    parts = pc.extract_regex(digits, r"^(?P<s>[+-])(?P<h>\d{2})(?P<m>\d{2})$")
    sign, hours, minutes = parts.flatten()
    hour, minute = (
        part.cast(pa.int64()).to_numpy(zero_copy_only=False) for part in (hours, minutes)
    )
    offset = (hour * 60 + minute) * 60_000_000
    is_west = np.asarray(pc.equal(sign, "-"))
    return np.where(is_west, -offset, offset), (minute <= 59) & (hour <= 18)
