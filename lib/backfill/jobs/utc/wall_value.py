"""One stored wall-clock value as a naive datetime, by another way than whole columns are read.

A reading is looked at once, and gives a function of values: a run's proof calls it for each row.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from backfill.utc.described import Reading, Unit, WallKind
from backfill.utc.month_names import in_english
from backfill.utc.wall_format import (
    ISO_PATTERNS,
    WEEKDAYS,
    WHOLE_ALL_THE_SAME,
    pattern_of,
    width_of,
)
from backfill.utc.zone_names import zone_info

EPOCH = dt.datetime(1970, 1, 1, tzinfo=None)  # noqa: DTZ001  a wall time has no zone
_PIVOT = 69  # as POSIX has it
_DAY_LENGTH = len("2026-03-29")
_CLOCK = re.compile(r"(?:(\d+) days? ?)?(?:(\d{1,3}):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?")
_ISO = tuple(re.compile(pattern) for pattern in ISO_PATTERNS)

#: From the values of a row's wall columns, none of them NULL, to its wall time.
Reader = Callable[[Sequence[Any]], dt.datetime]


def local_time(values: Sequence[Any], reading: Reading) -> dt.datetime | None:
    """Return the wall time, None for NULL; an aware one where a text tells its offset.

    Raises:
        ValueError: text that is no date.
        OverflowError: a number beyond years 1 to 9999.
    """
    if any(value is None for value in values):
        return None
    return reader_of(reading)(values)


def reader_of(reading: Reading) -> Reader:
    """Return how values of a reading are read; it raises as `local_time` does."""
    if reading.follows:
        return _after_another(_of_date_and_time(reading))
    if reading.kind is WallKind.DATE_AND_TIME:
        plain = _of_date_and_time(reading)
        return _from_its_begin(plain, reading) if reading.begins_us else plain
    if reading.form:
        read = _format_reader(reading)
        return lambda values: read(str(values[0]))
    if reading.kind is WallKind.NUMBER:
        return _number_reader(reading.unit)
    if reading.kind is WallKind.INSTANT:
        zone = zone_info(reading.read_in)
        return lambda values: values[0].replace(tzinfo=dt.UTC).astimezone(zone).replace(tzinfo=None)
    return _timestamp_or_text


def _timestamp_or_text(values: Sequence[Any]) -> dt.datetime:
    value = values[0]
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None) if value.tzinfo else value
    return _of_text(str(value).strip())


def _after_another(read: Reader) -> Reader:
    """Read a date, a time and the time that it comes after."""

    def later(values: Sequence[Any]) -> dt.datetime:
        day, clock, other = values
        local = read((day, clock))
        return local if local >= read((day, other)) else local + dt.timedelta(days=1)

    return later


def _from_its_begin(read: Reader, reading: Reading) -> Reader:
    """Read a date and a time of days that begin later than at midnight."""
    begins, day_of = dt.timedelta(microseconds=reading.begins_us), _day_reader(reading)

    def begun(values: Sequence[Any]) -> dt.datetime:
        local = read(values)
        return local + dt.timedelta(days=1) if local - day_of(values[0]) < begins else local

    return begun


def _day_reader(reading: Reading) -> Callable[[Any], dt.datetime]:
    day_form = reading.form.partition(" ")[0]
    day_of = _format_reader(replace(reading, form=day_form)) if day_form else _of_text
    width = width_of(day_form) if day_form else 0
    return lambda value: day_of(_filled(str(value), width))


def _of_date_and_time(reading: Reading) -> Reader:
    if reading.is_counted:
        day_of, count = _day_reader(reading), _number_reader(reading.unit)
        return lambda values: day_of(values[0]) + (count(values[1:2]) - EPOCH) + _later(values)
    if not reading.form:

        def plain(values: Sequence[Any]) -> dt.datetime:
            clock = _day_and_clock(str(values[0]).strip(), str(values[1]).strip())
            return clock + _later(values)

        return plain
    day_form, _space, clock_form = reading.form.partition(" ")
    widths = (width_of(day_form), width_of(clock_form))
    read = _format_reader(reading)

    def formed(values: Sequence[Any]) -> dt.datetime:
        parts = (_filled(str(v), width) for v, width in zip(values, widths, strict=False))
        return read(" ".join(parts)) + _later(values)

    return formed


def _later(values: Sequence[Any]) -> dt.timedelta:
    return dt.timedelta(days=int(values[2]) if len(values) > 2 else 0)


def _filled(text: str, width: int) -> str:
    text = re.sub(*WHOLE_ALL_THE_SAME, text.strip()) if width else text.strip()
    return text.zfill(width) if text.isdecimal() and text.isascii() else text


def _day_and_clock(day: str, clock: str) -> dt.datetime:
    try:
        return dt.datetime.combine(dt.date.fromisoformat(day), dt.time.fromisoformat(clock))
    except ValueError:
        return _of_text(day) + _clock(clock)


def _number_reader(unit: Unit) -> Reader:
    zero_us = unit.zero_us  # which may lie before the year 1
    if unit.is_coarse:

        def days(values: Sequence[Any]) -> dt.datetime:
            milliseconds = _decimal(values[0]) * (unit.unit_us // 1_000) + Decimal("0.5")
            whole = int(milliseconds.to_integral_value("ROUND_FLOOR"))
            return EPOCH + dt.timedelta(microseconds=whole * 1_000 + zero_us)

        return days
    per_second = unit.per_second

    def count(values: Sequence[Any]) -> dt.datetime:
        value = values[0]
        if isinstance(value, int):
            return EPOCH + dt.timedelta(microseconds=value * 1_000_000 // per_second + zero_us)
        microseconds = _decimal(value) / per_second * 1_000_000
        whole = int(microseconds.to_integral_value("ROUND_FLOOR"))
        return EPOCH + dt.timedelta(microseconds=whole + zero_us)

    return count


def _decimal(value: Any) -> Decimal:
    try:
        return Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"{value} is no number") from error


def _of_text(text: str) -> dt.datetime:
    """Read ISO 8601, its weeks and days of the year included; 24:00 is the next day's midnight."""
    if len(text) == _DAY_LENGTH or text[_DAY_LENGTH : _DAY_LENGTH + 1] in ("T", "t", " "):
        try:
            return dt.datetime.fromisoformat(text)  # most texts, at once
        except ValueError:
            pass  # it knows less than we do, and of nothing more
    for pattern in _ISO:
        if match := pattern.match(text):
            return _of_groups(match)
    raise ValueError(f"{text!r} is not ISO 8601")


def _clock(text: str) -> dt.timedelta:
    match = _CLOCK.fullmatch(text)
    if not match or not text:
        raise ValueError(f"{text!r} is no time of day")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:4])
    fraction = int(f"{match[5] or '':0<6}"[:6])
    return dt.timedelta(days, seconds, fraction, 0, minutes, hours)


def _format_reader(reading: Reading) -> Callable[[str], dt.datetime]:
    form, months = reading.form, reading.months
    pattern = re.compile(pattern_of(form))
    picks = _picks(set(pattern.groupindex))
    is_half = "p" in pattern.groupindex
    width = width_of(form) if reading.kind is not WallKind.DATE_AND_TIME else 0

    def read(text: str) -> dt.datetime:
        text = _filled(text, width) if width else text.strip()
        match = pattern.match(in_english(text, months, form) if months else text)
        if not match:
            raise ValueError(f"{text!r} is not in the format {form}")
        if picks:
            year, month, day, hour, *rest = map(int, match.group(*picks))
            if is_half:
                hour = hour % 12 + (12 if match["p"] in "pP" else 0)
            if hour < 24:
                return _at(year, month, day, hour, rest)
        return _of_groups(match)

    return read


def _at(year: int, month: int, day: int, hour: int, rest: Sequence[int]) -> dt.datetime:
    second = rest[1] if len(rest) > 1 else 0
    return dt.datetime(year, month, day, hour, rest[0], second)  # noqa: DTZ001  a wall time


def _picks(names: set[str]) -> list[str]:
    """Return the groups of the usual formats, in the order of a datetime; none of others."""
    hour = "I" if "p" in names else "H"
    usual = ["Y", "m", "d", hour, "M"]
    if set(usual) <= names <= {*usual, "S", "p"}:
        return [*usual, *(["S"] if "S" in names else [])]
    return []


def _of_groups(match: re.Match[str]) -> dt.datetime:
    part = {name: value or "" for name, value in match.groupdict().items()}
    hour, minute, second = (int(part.get(name) or 0) for name in ("H", "M", "S"))
    if "I" in part:
        hour = int(part["I"]) % 12 + (12 if part.get("p", "").lower() == "p" else 0)
    fraction = int(f"{part['f']:0<6}"[:6]) if part.get("f") else 0
    day = _day_in(part)
    if (told := part.get("a", "")[:3].lower()) in WEEKDAYS and WEEKDAYS[day.weekday()] != told:
        raise ValueError(f"{day} is no {part['a']}")
    midnight = dt.datetime.combine(day, dt.time())
    local = midnight + dt.timedelta(0, second, fraction, 0, minute, hour)
    zone = part.get("z", "")
    if not zone:
        return local
    zone = "Z" if zone.isalpha() else zone + "00" * (len(zone) == len("+02"))
    return local.replace(tzinfo=dt.datetime.strptime(zone.upper(), "%z").tzinfo)


def _day_in(part: dict[str, str]) -> dt.date:
    if "V" in part:
        return dt.date.fromisocalendar(int(part["G"]), int(part["V"]), int(part["u"]))
    year = int(part.get("Y") or part["y"])
    if "C" in part:
        year += 1900 + 100 * int(part["C"])
    elif "Y" not in part:
        year += 1900 if year >= _PIVOT else 2000
    if "j" in part:
        return dt.datetime.strptime(f"{year:04} {part['j']}", "%Y %j").date()  # noqa: DTZ007
    month = dt.datetime.strptime(part["b"], "%b").month if "b" in part else int(part["m"])  # noqa: DTZ007
    return dt.date(year, month, int(part["d"]))
