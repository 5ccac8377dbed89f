"""Wall times and instants of staged rows as DuckDB SQL: NULL for what no calendar shows."""

from __future__ import annotations

from dataclasses import replace

from backfill.plans.staging import literal, quoted
from backfill.rows.columns import ColumnType
from backfill.utc.described import Pair, Target, WallKind
from backfill.utc.wall_format import width_of

_LOW, _HIGH = "TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'"
_LOW_US, _HIGH_US = -62_135_596_800_000_000, 253_402_300_799_999_999


def field_path(struct: str, field: str) -> str:
    """Return the SQL that names a field of a struct column."""
    return f"{struct}.{quoted(field)}"


def why(pair: Pair, part: str) -> str:
    """Return the SQL of what is known of a pair: kind, offset_s, first, second, zone."""
    return field_path("why", f"{pair.label}_{part}")


def local_time(pair: Pair) -> str:
    """Return the SQL for a wall time as a timestamp without zone."""
    if not pair.reading.follows:
        return _local_time(pair)
    reading, (day, clock, other) = replace(pair.reading, follows=False), pair.walls
    own, before = (
        _local_time(replace(pair, walls=(day, time), reading=reading)) for time in (clock, other)
    )
    return _within(f"{own} + CASE WHEN {own} < {before} THEN to_days(1) ELSE to_days(0) END")


def _local_time(pair: Pair) -> str:
    reading, paths = pair.reading, [field_path("source", wall.name) for wall in pair.walls]
    texts = " || ' ' || ".join(f"CAST({path} AS VARCHAR)" for path in paths)
    later = f" + to_days(CAST({paths[2]} AS INTEGER))" if len(paths) > 2 else ""
    if reading.form and reading.kind is WallKind.DATE_AND_TIME:
        parts = zip(paths, reading.form.split(" ", 1), strict=False)
        texts = " || ' ' || ".join(_padded(path, width_of(form)) for path, form in parts)
    if "%C" in reading.form or reading.months:
        return "CAST(NULL AS TIMESTAMP)"  # DuckDB reads no such text
    if reading.form:
        form = reading.form.replace("%-", "%").replace("%e", "%d").replace("%h", "%b")
        return _within(f"try_strptime(trim({texts}), {literal(form)}){later}")
    if reading.kind is WallKind.DATE_AND_TIME:
        day, clock = (f"CAST({path} AS VARCHAR)" for path in paths[:2])
        interval = f"TRY_CAST({clock} AS INTERVAL)"
        if pair.walls[1].type is ColumnType.BIGINT:
            interval = f"to_microseconds({paths[1]} * {reading.unit.unit_us})"
        return _within(f"TRY_CAST({day} AS TIMESTAMP) + {interval}{later}")
    if reading.kind is WallKind.NUMBER and reading.unit.is_coarse:
        days = f"TRY_CAST({paths[0]} AS DECIMAL(38, 12))"
        return _timestamp(f"{days} * {reading.unit.unit_us} + {reading.unit.zero_us}")
    if reading.kind is WallKind.NUMBER:
        is_whole = pair.walls[0].type is ColumnType.BIGINT
        return from_units(
            paths[0], reading.unit.per_second, reading.unit.zero_us, is_whole=is_whole
        )
    return _within(f"TRY_CAST({paths[0]} AS TIMESTAMP)")


def wall_text(pair: Pair) -> str:
    """Return the SQL for a wall time as people read it."""
    return f"strftime({local_time(pair)}, '%Y-%m-%d %H:%M:%S')"


def instant_text(target: Target, side: str = "after") -> str:
    """Return the SQL for an instant of a target column as people read it."""
    path = field_path(side, target.column.name)
    if target.is_number:
        is_whole = target.column.type is ColumnType.BIGINT
        return iso(from_units(path, target.unit.per_second, is_whole=is_whole))
    if target.is_text:
        path = f"TRY_CAST({path} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    return iso(_within(f"CAST({path} AS TIMESTAMP)"))


def from_units(path: str, per_second: int, zero_us: int = 0, *, is_whole: bool = False) -> str:
    """Return the SQL for a number as a timestamp; NULL beyond years 1..9999.

    Of a column of whole numbers it stays with them, which DuckDB takes a thirtieth of the time for.
    """
    factor = 1_000_000 // per_second
    if is_whole and factor * per_second == 1_000_000:
        low, high = -((zero_us - _LOW_US) // factor), (_HIGH_US - zero_us) // factor
        shifted = f" + {zero_us}" if zero_us else ""
        whole = f"CASE WHEN {path} BETWEEN {low} AND {high} THEN {path} * {factor}{shifted} END"
        return f"make_timestamp({whole})"
    us = f"TRY_CAST({path} AS DECIMAL(38, 9)) * 1000000 / {per_second}"
    if per_second <= 1_000_000:
        us = f"TRY_CAST({path} AS DECIMAL(38, 9)) * {1_000_000 // per_second}"
    return _timestamp(f"{us} + {zero_us}" if zero_us else us)


def _padded(path: str, width: int) -> str:
    text = f"trim(CAST({path} AS VARCHAR))"
    return f"lpad({text}, greatest({width}, length({text})), '0')" if width else text


def _timestamp(us: str) -> str:
    us = f"TRY_CAST(floor({us}) AS BIGINT)"
    return f"make_timestamp(CASE WHEN {us} BETWEEN {_LOW_US} AND {_HIGH_US} THEN {us} END)"


def iso(expression: str) -> str:
    return f"strftime(CAST({expression} AS TIMESTAMP), '%Y-%m-%d %H:%M:%SZ')"


def _within(expression: str) -> str:
    """Infinity, and years that no picture has room for, are nothing to show."""
    return f"CASE WHEN {expression} BETWEEN {_LOW} AND {_HIGH} THEN {expression} END"
