"""Wall-clock columns as they are stored, as microseconds since 1970 read as if they were UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backfill.rows.columns import NEGATIVE_INFINITY, POSITIVE_INFINITY
from backfill.rows.values import BoolArray, Int64Array
from backfill.utc.described import DAY_US, Reading, Unit, WallKind
from backfill.utc.month_names import english_patterns
from backfill.utc.wall_format import WHOLE_ALL_THE_SAME, width_of
from backfill.utc.wall_text import Times, digits, read_clock, read_day, read_format, read_iso
from backfill.utc.zones import load_rules


@dataclass(frozen=True, slots=True)
class WallTimes:
    """One entry per row; `us` is 0 where NULL or not valid.

    `offset_us` is what a text says of itself where `has_offset`: it is an instant then.
    """

    us: Int64Array
    is_null: BoolArray
    is_valid: BoolArray
    has_offset: BoolArray | None = None
    offset_us: Int64Array | None = None

    @property
    def is_read(self) -> BoolArray:
        """Whether a time stands there, and one that can be read."""
        return self.is_valid & ~self.is_null


_MOST_CLOCK_US = 10 * DAY_US  # since midnight
_MOST_DAYS = 10_000_000  # of any count of days: years 1 to 9999 have 3.7 million
_PLAIN_NUMBER = r"^(?P<s>[+-]?)(?P<w>\d{1,%s})(?:\.(?P<f>\d{1,18}))?$"
_MOST_DIGITS = 18  # int64 takes any number of these


def read_walls(arrays: Sequence[pa.Array], reading: Reading) -> WallTimes:
    """Return wall times in microseconds; integers only, so that milliseconds survive exactly.

    `arrays` is one column, or date and time, and days to add or the time that it comes after.
    Infinity, numbers that do not fit and text that is no date are not valid; the caller checks the
    range of years.
    """
    is_null = np.asarray(arrays[0].is_null())
    for array in arrays[1:]:
        is_null = is_null | np.asarray(array.is_null())
    if reading.missing:
        is_null = is_null | _is_missing(arrays[0], reading)
    read = _read(arrays, reading)
    is_valid = read.is_valid | is_null
    us = np.where(is_null, 0, read.us)
    if not read.has_offset.any():
        return WallTimes(us, is_null, is_valid)
    return WallTimes(us, is_null, is_valid, read.has_offset & ~is_null, read.offset_us)


def _is_missing(values: pa.Array, reading: Reading) -> BoolArray:
    if pa.types.is_string(values.type):
        texts = pc.utf8_trim_whitespace(values)
        meant = pa.array(reading.missing, pa.string())
        if reading.kind is WallKind.NUMBER and not reading.form:
            texts, meant = _without_zeros(texts), _without_zeros(meant)
        return np.asarray(pc.is_in(texts, meant))
    numbers = [number for text in reading.missing if (number := _number_of(text, values.type))]
    plain = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return np.isin(plain, np.array([n for group in numbers for n in group], dtype=np.int64))


def _without_zeros(numbers: pa.Array) -> pa.Array:
    """Return decimals so that equal ones are spelt alike: no zeros at the end of a fraction."""
    return pc.replace_substring_regex(numbers, r"\.0*$|(\.\d*[1-9])0+$", r"\1")


def _number_of(text: str, kind: pa.DataType) -> tuple[int, ...]:
    """Return what a text that means no time is among numbers or timestamps, if it is anything."""
    if text in ("infinity", "-infinity"):
        return (NEGATIVE_INFINITY if text.startswith("-") else POSITIVE_INFINITY,)
    try:
        if pa.types.is_integer(kind):
            return (int(text),)
        return (int(np.datetime64(text.strip().replace(" ", "T"), "us").astype(np.int64)),)
    except (ValueError, OverflowError):
        return ()


def _read(arrays: Sequence[pa.Array], reading: Reading) -> Times:
    values = arrays[0]
    if reading.kind is WallKind.DATE_AND_TIME:
        return _read_date_and_time(arrays, reading)
    if reading.form or reading.kind is WallKind.TEXT:
        texts = _spelt(values, reading.form, reading.months)
        return read_format(texts, reading.form) if reading.form else read_iso(texts)
    if reading.kind is WallKind.DATE:
        return read_day(values)
    is_text = pa.types.is_string(values.type)
    if reading.kind is WallKind.NUMBER and (reading.unit.is_coarse or is_text):
        read = _read_days if reading.unit.is_coarse else _read_decimal
        return Times.plain(*read(values.cast(pa.string()), reading.unit))
    numbers = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if reading.kind is WallKind.INSTANT:
        return _read_instants(numbers, reading.read_in)
    return _read_numbers(numbers, reading)


def _read_numbers(numbers: Int64Array, reading: Reading) -> Times:
    is_count = reading.kind is WallKind.NUMBER
    per_second = reading.unit.per_second if is_count else 1_000_000
    zero_us = reading.unit.zero_us if is_count else 0
    if per_second > 1_000_000:
        us = numbers // (per_second // 1_000_000)
        return Times.plain(us + zero_us, us > -(2**62))
    factor = 1_000_000 // per_second
    limit = (np.iinfo(np.int64).max - abs(zero_us)) // factor - 1
    is_valid = (numbers >= -limit) & (numbers <= limit)
    return Times.plain(np.where(is_valid, numbers, 0) * factor + zero_us, is_valid)


def _read_date_and_time(arrays: Sequence[pa.Array], reading: Reading) -> Times:
    if reading.follows:
        return _read_the_later(arrays, replace(reading, follows=False))
    if reading.begins_us:
        return _read_from_its_begin(arrays, replace(reading, begins_us=0), reading.begins_us)
    more_us, is_valid = _days_to_add(arrays[2:], len(arrays[0]))
    if reading.form and not reading.is_counted:
        day_form, _space, clock_form = reading.form.partition(" ")
        joined = pc.binary_join_element_wise(
            _spelt(arrays[0], day_form, reading.months), _spelt(arrays[1], clock_form, ""), " "
        )
        times = read_format(joined, reading.form, rolls_over=True)
        is_valid = is_valid & times.is_valid
        return replace(times, us=np.where(is_valid, times.us + more_us, 0), is_valid=is_valid)
    day = _read_day(arrays[0], reading)
    if reading.is_counted:
        clock, is_clock = _since_midnight(arrays[1], reading.unit)
    else:
        clock, is_clock = read_clock(arrays[1].cast(pa.string()))
    is_valid = is_valid & day.is_valid & is_clock
    return Times.plain(np.where(is_valid, day.us + clock + more_us, 0), is_valid)


def _read_day(values: pa.Array, reading: Reading) -> Times:
    """Read dates; of timestamps those at midnight are dates as well."""
    if day_form := reading.form.partition(" ")[0]:
        return read_format(_spelt(values, day_form, reading.months), day_form)
    if not pa.types.is_timestamp(values.type):
        return read_day(values.cast(pa.string()))
    us = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    is_day = us % DAY_US == 0
    return Times.plain(np.where(is_day, us, 0), is_day)


def _read_the_later(arrays: Sequence[pa.Array], reading: Reading) -> Times:
    """Read a date and a time that comes after another one: the day after, where it is earlier."""
    own = _read_date_and_time(arrays[:2], reading)
    other = _read_date_and_time((arrays[0], arrays[2]), reading)
    us = own.us + np.where(own.us < other.us, DAY_US, 0)
    return replace(own, us=us, is_valid=own.is_valid & other.is_valid)


def _read_from_its_begin(arrays: Sequence[pa.Array], reading: Reading, begins_us: int) -> Times:
    """Read a date and a time of days that begin later than at midnight."""
    times = _read_date_and_time(arrays, reading)
    since_us, is_day = since_its_day(times.us, arrays, reading)
    is_valid = times.is_valid & is_day
    us = times.us + np.where(since_us < begins_us, DAY_US, 0)
    return replace(times, us=np.where(is_valid, us, 0), is_valid=is_valid)


def since_its_day(
    us: Int64Array, arrays: Sequence[pa.Array], reading: Reading
) -> tuple[Int64Array, BoolArray]:
    """Return what is past of the day in a date's column, and where that is read."""
    day = _read_day(arrays[0], reading)
    return us - day.us, day.is_valid


def _since_midnight(values: pa.Array, unit: Unit) -> tuple[Int64Array, BoolArray]:
    read = _read_days if unit.is_coarse else _read_decimal
    us, is_number = read(values.cast(pa.string()), unit)
    is_valid: BoolArray = is_number & (us >= 0) & (us <= _MOST_CLOCK_US)
    return np.where(is_valid, us, 0), is_valid


def _days_to_add(arrays: Sequence[pa.Array], count: int) -> tuple[Int64Array, BoolArray]:
    """Return how much later than its date a time of day is, where a third column counts days."""
    if not arrays:
        return np.zeros(count, dtype=np.int64), np.ones(count, dtype=bool)
    days = arrays[0].cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    is_valid: BoolArray = np.abs(np.clip(days, -_MOST_DAYS - 1, _MOST_DAYS + 1)) <= _MOST_DAYS
    return np.where(is_valid, days, 0) * DAY_US, is_valid


def _spelt(values: pa.Array, form: str, months: str) -> pa.Array:
    """Return texts as their format has them: zeros before numbers, months in English."""
    texts = values.cast(pa.string())
    if width := width_of(form):
        texts = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), *WHOLE_ALL_THE_SAME)
        texts = pc.if_else(pc.ascii_is_decimal(texts), pc.utf8_lpad(texts, width, "0"), texts)
    return spelt_in_english(texts, months, form) if months else texts


def spelt_in_english(texts: pa.Array, language: str, form: str = "") -> pa.Array:
    """Return texts with their months' names in English; each row has one at most."""
    is_left = np.ones(len(texts), dtype=bool)
    for pattern, english in english_patterns(language, form):
        hits = np.asarray(pc.match_substring_regex(texts, pattern).fill_null(False)) & is_left
        if hits.any():
            spelt = pc.replace_substring_regex(texts, pattern, rf"\1{english}", max_replacements=1)
            texts = pc.if_else(pa.array(hits), spelt, texts)
            is_left &= ~hits
    return texts


def _read_days(values: pa.Array, unit: Unit) -> tuple[Int64Array, BoolArray]:
    """Read days with a fraction to the millisecond: their digits tell no more."""
    number = parts_of(values, most=_MOST_DIGITS, behind=12)
    days = digits(number.whole)
    is_valid = number.is_valid & (days <= _MOST_DAYS * DAY_US // unit.unit_us)
    us = np.where(is_valid, days, 0) * unit.unit_us
    us += number.fraction * (unit.unit_us // 1_000_000) // 1_000_000
    us = np.where(number.is_negative, -us, us)
    return (us + 500) // 1_000 * 1_000 + unit.zero_us, is_valid


class Parts(NamedTuple):
    """Decimal numbers taken apart: digits before the point as texts, those behind it counted."""

    is_valid: BoolArray  # a number of no more digits than may be
    is_negative: BoolArray
    whole: pa.Array
    fraction: Int64Array


def parts_of(values: pa.Array, *, most: int, behind: int) -> Parts:
    """Take numbers apart that have `most` digits before the point; `behind` it so many count."""
    groups = pc.extract_regex(pc.utf8_trim_whitespace(values), _PLAIN_NUMBER % most)
    sign, whole, fraction = groups.flatten()
    padded = pc.utf8_rpad(fraction.fill_null(""), behind, "0")
    counted = digits(pc.utf8_slice_codeunits(padded, 0, behind))
    is_negative = np.asarray(pc.equal(sign, "-").fill_null(False))
    return Parts(np.array(groups.is_valid()), is_negative, whole, counted)


def _read_decimal(values: pa.Array, unit: Unit) -> tuple[Int64Array, BoolArray]:
    """Read numbers with a fraction exactly: whole units, and what is left of one, in integers."""
    per_second = unit.per_second
    # Digits of a unit that are less than a microsecond: of nanoseconds three, of ticks one.
    finer = len(str(max(1, per_second // 1_000_000))) - 1
    # The fraction in billionths of a unit; a unit is at most a second.
    is_valid, is_negative, whole, parts = parts_of(values, most=_MOST_DIGITS + finer, behind=9)
    if finer:
        us = digits(pc.utf8_slice_codeunits(whole, 0, -finer))
        rest = digits(pc.utf8_slice_codeunits(whole, -finer)) + parts
    else:
        units, unit_us = digits(whole), 1_000_000 // per_second
        is_valid &= units <= np.iinfo(np.int64).max // 2 // unit_us
        us = np.where(is_valid, units, 0) * unit_us + parts // (1_000 * per_second)
        rest = parts % (1_000 * per_second)
    return np.where(is_negative, -us - (rest > 0), us) + unit.zero_us, is_valid


def _read_instants(instants: Int64Array, zone: str) -> Times:
    """Return the wall time that instants show in a zone."""
    limit = 300_000_000_000_000_000
    is_valid = (instants > -limit) & (instants < limit)
    rules = load_rules(zone, 9_999)
    offsets = rules.offsets[np.searchsorted(rules.instants, instants, side="right")]
    return Times.plain(np.where(is_valid, instants + offsets, 0), is_valid)
