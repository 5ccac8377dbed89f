"""What a column of a type can be: a wall time, a target, an offset; refused in words if none."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from backfill.errors import PreflightError
from backfill.jobs.utc.table_spec import OFFSET_UNITS, PairSpec
from backfill.server.catalog_columns import CatalogColumn, quoted_name
from backfill.server.table import Relation
from backfill.utc.described import (
    CLOCK_UNITS,
    HHMM_SECONDS,
    PLAIN_TEXT,
    Encoding,
    Offset,
    OffsetUse,
    Reading,
    Target,
    Unit,
    WallKind,
    reading_of,
    resolve_encoding,
)

_TEXTS = ("text", "character varying", "character", "citext", "name")
_WHOLE = ("bigint", "integer", "smallint")
_DECIMAL = ("numeric", "double precision", "real")
_TARGETS = (
    *("timestamp with time zone", "timestamp without time zone"),
    *("text", "character varying", "character"),
)
_MOMENTS = (
    *("timestamp with time zone", "timestamp without time zone"),
    *("date", "time without time zone"),
)
_RANGES = ("tsrange", "daterange")
_CLOCKS = ("time without time zone", "interval", *_TEXTS)
UNIT_NAMES = {
    **{"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"},
    **{"filetime": "Windows' FILETIME", "webkit": "microseconds since 1601"},
    **{"cocoa": "seconds since 2001", "ticks": ".NET's ticks"},
    **{"days": "days since 1970", "excel": "Excel's days"},
    **{"julian": "Julian days", "min": "minutes", "h": "hours"},
}
_UNIT_WORDS = {
    Unit.SECONDS: {"s", "sec", "secs", "seconds"},
    Unit.MILLISECONDS: {"ms", "msec", "millis", "milliseconds"},
    Unit.MICROSECONDS: {"us", "usec", "micros", "microseconds"},
    Unit.NANOSECONDS: {"ns", "nsec", "nanos", "nanoseconds"},
}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MEND = "Change the type, or name another column with --table spec.toml."


def in_words(name: str) -> str:
    """Return a column's name in small letters, a capital one beginning a word: startMillis."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def unit_in_name(name: str) -> Unit | None:
    """Return the unit that a column's name ends in, like `begins_utc_us` or `startMillis`."""
    last = re.split(r"[^a-z0-9]+", in_words(name).strip("_ "))[-1]
    return next((unit for unit, words in _UNIT_WORDS.items() if last in words), None)


def reading_of_pair(
    relation: Relation, columns: Sequence[CatalogColumn], spec: PairSpec, encoding: Encoding
) -> Reading:
    """Return how a pair's wall times are read, by the types and what the specification says."""
    reading = _of_types(relation, columns, spec, encoding)
    if spec.months and not (spec.form and reading.kind in (WallKind.TEXT, WallKind.DATE_AND_TIME)):
        raise PreflightError(
            f'{relation}.{columns[0].name}: months = "{spec.months}" goes with the format of a '
            'text, like format = "%d %b %Y %H:%M".'
        )
    has_unit = reading.kind in (WallKind.NUMBER, WallKind.DATE_AND_TIME)
    if spec.unit and not has_unit:
        raise PreflightError(
            f'{relation}.{columns[0].name} is {columns[0].type_name}: unit = "{spec.unit}" is of '
            "numbers only. Take it out of the [[pair]]."
        )
    return replace(
        reading,
        unit=spec.unit or reading.unit,
        form=spec.form,
        uses_offset=spec.offset_in_text,
        months=spec.months,
    )


def missing_values(texts: Sequence[str], reading: Reading) -> tuple[str, ...]:
    """Return the walls that mean no time as their column has them: dates as counts."""
    if reading.kind is not WallKind.NUMBER or reading.form:
        return tuple(texts)
    return tuple(_as_count(text, reading.unit) for text in texts)


def _as_count(text: str, unit: Unit) -> str:
    try:
        since = dt.datetime.fromisoformat(text.strip()).replace(tzinfo=dt.UTC) - _EPOCH
    except ValueError:
        return text.strip()
    if re.fullmatch(r"\s*\d+\s*", text):  # digits are a count, though 20260701 is a date as well
        return text.strip()
    us = since // dt.timedelta(microseconds=1)
    if unit.is_coarse or unit.zero_us:
        return text.strip()
    return str(us * unit.per_second // 1_000_000)


def _of_types(
    relation: Relation, columns: Sequence[CatalogColumn], spec: PairSpec, encoding: Encoding
) -> Reading:
    first, name = columns[0], columns[0].plain_type
    if len(columns) > 1:
        if spec.follows:
            _check_alike(relation, columns[1], columns[2])
            columns = columns[:2]
        _check_date_and_time(relation, columns, spec.form, spec.unit)
        return Reading(
            WallKind.DATE_AND_TIME,
            follows=spec.follows,
            begins_us=_since_midnight(spec.begins),
            is_counted=spec.unit is not None,
        )
    if name == "timestamp with time zone":
        if not spec.read_in:
            raise PreflightError(
                f"{relation}.{first.name} is timestamp with time zone: it holds instants, not "
                "wall-clock times. If wall time was stored there all the same, say in which zone "
                f'it shows: wall = {{ column = "{first.name}", read_in = "UTC" }}'
            )
        return Reading(WallKind.INSTANT, read_in=spec.read_in)
    if spec.read_in:
        raise PreflightError(
            f"{relation}.{first.name} is {name}: read_in is of timestamp with time zone only."
        )
    if name == "date":
        return Reading(WallKind.DATE)
    if name in _DECIMAL or (name in _TEXTS and spec.unit):
        return Reading(WallKind.NUMBER)
    if name in (*_WHOLE, *_TEXTS, "timestamp without time zone"):
        column = first.as_column()
        return reading_of(resolve_encoding(encoding, first.name, column.type))
    if name.startswith("time "):
        raise PreflightError(
            f"{relation}.{first.name} is {name}: a time of day is no date. Name both: "
            f'wall = ["day", "{first.name}"]'
        )
    if first.type_name.endswith("[]") or name in _RANGES:
        value = f"({quoted_name(first.name)})[1]" if first.type_name.endswith("[]") else None
        value = value or f"lower({quoted_name(first.name)})"
        raise PreflightError(
            f"{relation}.{first.name} is {first.type_name}: it holds several times. Which one is "
            f"meant a generated column can say: ALTER TABLE {relation.spelt} ADD COLUMN … "
            f"timestamp GENERATED ALWAYS AS ({value}) STORED;"
        )
    raise PreflightError(
        f"{relation}.{first.name} is {name}; a wall time is timestamp, date, date and time, text, "
        f"a whole number or numeric. {_MEND}"
    )


def _since_midnight(clock: str) -> int:
    """Return a time of day, or nothing, in microseconds."""
    time = dt.time.fromisoformat(clock or "00:00")
    return (time.hour * 3600 + time.minute * 60 + time.second) * 1_000_000


def _check_alike(relation: Relation, time: CatalogColumn, other: CatalogColumn) -> None:
    if time.plain_type != other.plain_type:
        raise PreflightError(
            f"{relation}.{other.name} is {other.type_name}, and {time.name} is {time.type_name}: "
            f"after names a time of day of the same type, on the same date as {time.name}."
        )


def _check_date_and_time(
    relation: Relation, columns: Sequence[CatalogColumn], form: str, unit: Unit | None
) -> None:
    date, time, *more = columns
    _check_count(relation, time, form, unit)
    for days in more:
        if days.plain_type not in _WHOLE:
            raise PreflightError(
                f"{relation}.{days.name} is {days.type_name}: of three wall columns the last one "
                'counts days to add, a whole number, like wall = ["day", "arrives", "day_offset"].'
            )
    numbers = [column for column in (date, time) if column.plain_type in (*_WHOLE, *_DECIMAL)]
    if numbers and not form and not (unit and date not in numbers):
        raise PreflightError(
            f"{relation}.{numbers[0].name} is {numbers[0].type_name}: of a date and a time in "
            "numbers say how their digits are read, date and time with a space between, like "
            'format = "%Y%m%d %H%M%S" (zeros in front may be missing); or, of a time that counts '
            'since midnight, unit = "min" and the date\'s format alone, like format = "%Y%m%d".'
        )
    digits = (*_WHOLE, *_DECIMAL) if numbers else ()
    is_midnight = date.plain_type == "timestamp without time zone" and not form
    if date.plain_type not in ("date", *_TEXTS, *digits) and not is_midnight:
        raise PreflightError(
            f"{relation}.{date.name} is {date.type_name}: of a date and a time the first is a "
            f'date. Name them like wall = ["day", "starts"]. {_MEND}'
        )
    if time.plain_type not in (*_CLOCKS, *digits):
        is_moment = time.plain_type == "timestamp without time zone"
        raise PreflightError(
            f"{relation}.{time.name} is {time.type_name}: a time of day is time without time zone, "
            f"interval or text. {clock_of(relation, time.name) if is_moment else _MEND}"
        )


def clock_of(relation: Relation, name: str) -> str:
    """Say how the time of day of a column becomes one of its own."""
    return (
        f"A generated column takes it out: ALTER TABLE {relation.spelt} ADD COLUMN … time "
        f"GENERATED ALWAYS AS ({quoted_name(name)}::time) STORED;"
    )


def _check_count(relation: Relation, time: CatalogColumn, form: str, unit: Unit | None) -> None:
    if not unit:
        return
    if time.plain_type not in (*_WHOLE, *_DECIMAL, *_TEXTS) or unit not in CLOCK_UNITS:
        raise PreflightError(
            f'{relation}.{time.name} is {time.type_name}: unit = "{unit}" of a date and a time '
            f"is what numbers count since midnight ({', '.join(CLOCK_UNITS)}). Take it out of the "
            "[[pair]]."
        )
    if " " in form:
        raise PreflightError(
            f'{relation}.{time.name} counts since midnight (unit = "{unit}"), so the format is the '
            f'date\'s alone: format = "{form.partition(" ")[0]}". Or, if its digits are those of a '
            "clock, take the unit out of the [[pair]]."
        )


def target_of(relation: Relation, column: CatalogColumn, spec: PairSpec) -> Target:
    is_number = column.plain_type in (*_WHOLE, *_DECIMAL)
    _check_target(relation, column)
    if spec.target_unit and not is_number:
        raise PreflightError(
            f"{relation}.{column.name} is {column.plain_type}: target_unit is of numbers only. "
            "Take it out."
        )
    unit = _target_unit(relation, column, spec) if is_number else Unit.MILLISECONDS
    return _long_enough(relation, Target(column.as_column(), unit))


#: Types that no instant can be written to, and why.
_NO_TARGETS = {
    "real": "it keeps about seven digits, so an instant would be minutes off. Make it double "
    "precision, bigint or timestamptz, or name another column as the target.",
    "date": "an instant has a time of day, and whose day it is nobody could tell. Name a "
    "timestamptz, timestamp, number or text as the target.",
}


def _check_target(relation: Relation, column: CatalogColumn) -> None:
    """Refuse a column that no instant can be written to."""
    name = column.plain_type
    if column.is_generated:
        raise PreflightError(
            f"{relation}.{column.name} is a generated column: PostgreSQL fills it itself, nobody "
            "can write it. Take it out of the table specification."
        )
    if name in _NO_TARGETS:
        raise PreflightError(f"{relation}.{column.name} is {name}: {_NO_TARGETS[name]}")
    if name not in (*_WHOLE, *_DECIMAL, *_TARGETS):
        raise PreflightError(
            f"{relation}.{column.name} is {name}; this job works with timestamp with time zone, "
            f"timestamp, whole numbers, numeric and text. {_MEND}"
        )


def _target_unit(relation: Relation, column: CatalogColumn, spec: PairSpec) -> Unit:
    """Return what the numbers of a target count; refuse a unit that can not be meant."""
    unit = spec.target_unit or Unit.MILLISECONDS
    named = None if spec.target_unit else unit_in_name(column.name)
    if named and named is not unit:
        raise PreflightError(
            f"{relation}.{column.name} sounds as if it counts {UNIT_NAMES[named]}, and the "
            f'specification does not say. Say in the [[pair]]: target_unit = "{named}"; or, if '
            'it holds milliseconds all the same: target_unit = "ms"'
        )
    if column.plain_type == "smallint" or (
        column.plain_type == "integer" and unit is not Unit.SECONDS
    ):
        seconds = 'If it holds seconds, say so in the [[pair]]: target_unit = "s"; else m'
        raise PreflightError(
            f"{relation}.{column.name} is {column.plain_type}: it has no room for {unit} since "
            f"1970. {seconds if column.plain_type == 'integer' else 'M'}ake it bigint."
        )
    return unit


def _long_enough(relation: Relation, target: Target) -> Target:
    if target.length is not None and target.length < PLAIN_TEXT:
        raise PreflightError(
            f"{relation}.{target.column.name} has room for {target.length} letters: an instant is "
            f"written like 2026-06-01T12:00:00Z, which takes {PLAIN_TEXT}. Make it longer, or name "
            "another column as the target."
        )
    return target


def check_order(relation: Relation, column: CatalogColumn) -> None:
    """Refuse a column whose values stand in another order than their texts."""
    if column.plain_type not in (*_WHOLE, *_DECIMAL, *_TEXTS, *_MOMENTS, "uuid"):
        raise PreflightError(
            f"{relation}.{column.name} is {column.type_name}: fold_by names a number, a time, text "
            "or uuid, in whose order the rows of a fold came."
        )


#: What numbers of offsets may count, by its seconds.
OFFSET_WORDS = {3600: "hours", 60: "minutes", 1: "seconds", HHMM_SECONDS: "hhmm"}


def offsets_by_unit(numbers: Iterable[float]) -> dict[int, set[float]]:
    """Return, by what they may count, which numbers are offsets that a place has: quarters of
    hours, fifteen hours at most."""
    plain = {abs(number) for number in numbers if number}
    return {unit: {n for n in plain if _is_offset(n, unit)} for unit in OFFSET_WORDS}


def _is_offset(number: float, unit: int) -> bool:
    seconds = number * unit
    if unit == HHMM_SECONDS:
        hours, minutes = divmod(number, 100)
        seconds = hours * 3_600 + minutes * 60 if hours and minutes < 60 else math.inf
    return seconds <= 15 * 3_600 and seconds % 900 == 0


def offset_of(
    relation: Relation, columns: Mapping[str, CatalogColumn], spec: PairSpec
) -> Offset | None:
    """Return the pair's column of offsets, if it has one."""
    if spec.offset is None:
        return None
    column = columns[spec.offset.column]
    if column.plain_type == "boolean":
        if spec.offset.use is OffsetUse.ZONE:
            raise PreflightError(
                f"{relation}.{column.name} is boolean: it can tell summer time from winter time in "
                "a fold, and no offset. Name a zone, and say "
                f'offset = {{ column = "{column.name}", as = "fold" }}'
            )
        return Offset(column.name, spec.offset.use, is_flag=True)
    is_number = column.plain_type in (*_WHOLE, *_DECIMAL)
    if is_number and not spec.offset.unit:
        raise PreflightError(
            f"{relation}.{column.name} is {column.type_name}: say what it counts, like "
            f'offset = {{ column = "{column.name}", unit = "minutes" }}'
        )
    if not is_number and column.plain_type not in ("interval", *_TEXTS):
        raise PreflightError(
            f"{relation}.{column.name} is {column.type_name}; an offset is a number, an interval "
            "or text like +02:00."
        )
    is_counted = bool(spec.offset.unit) and column.plain_type != "interval"
    seconds = OFFSET_UNITS[spec.offset.unit] if is_counted else 0
    return Offset(column.name, spec.offset.use, seconds)
