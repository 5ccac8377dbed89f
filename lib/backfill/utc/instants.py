"""Target columns: instants as a table stores them, read into microseconds and written from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backfill.rows.columns import ColumnType
from backfill.rows.values import BoolArray, Int64Array, arrow_type
from backfill.utc.described import Reading, Target, WallKind
from backfill.utc.wall import read_walls

#: What whole numbers hold.
_LIMITS = {'pg_catalog."int4"': 2**31 - 1, 'pg_catalog."int2"': 2**15 - 1}
_SECOND_US = 1_000_000


class Stored(NamedTuple):
    """What stands in a target column; `us` is 0 where it is NULL or no instant."""

    us: Int64Array
    is_null: BoolArray
    is_valid: BoolArray


def read_target(values: pa.Array, target: Target) -> Stored:
    """Return the instants that a target column holds now."""
    if target.is_number:
        reading = Reading(WallKind.NUMBER, target.unit)
    elif target.is_text:
        reading = Reading(WallKind.TEXT)
    else:
        reading = Reading(WallKind.TIMESTAMP)
    times = read_walls([values], reading)
    us = times.us
    if times.offset_us is not None and times.has_offset is not None:
        us = np.where(times.has_offset, us - times.offset_us, us)
    return Stored(us, times.is_null, times.is_read)


def fits(utc_us: Int64Array, target: Target) -> BoolArray:
    """Tell which instants the column has room for."""
    if not target.is_number or (target.is_decimal and target.whole_digits is None):
        return np.ones(len(utc_us), dtype=bool)
    limit = _LIMITS.get(target.column.sql_type.name, 2**63 - 1)
    if target.is_decimal and target.whole_digits is not None:
        limit = min(limit, 10 ** max(0, target.whole_digits) - 1)
    per_second = target.unit.per_second
    most_us = limit // per_second * _SECOND_US + limit % per_second * _SECOND_US // per_second
    most_us = min(most_us, 2**62)
    room: BoolArray = (utc_us <= most_us) & (utc_us >= -most_us)
    return room


def written(utc_us: Int64Array, target: Target) -> pa.Array:
    """Return instants as the column stores them; where nothing fits the value means nothing."""
    if target.is_decimal:
        return _decimals(utc_us, target)
    if not target.is_number:
        utc_us = np.floor_divide(utc_us, target.step_us) * target.step_us
    if target.is_text:
        return _texts(utc_us)
    if target.column.type is ColumnType.BIGINT:
        per_second = target.unit.per_second
        if per_second <= _SECOND_US:
            return pa.array(np.floor_divide(utc_us, _SECOND_US // per_second))
        room = np.where(fits(utc_us, target), utc_us, 0)
        return pa.array(room * (per_second // _SECOND_US))
    return pa.array(utc_us).cast(arrow_type(target.column.type))


def _decimals(utc_us: Int64Array, target: Target) -> pa.Array:
    """Return numbers with as many digits behind the point as they need."""
    step = target.step_us
    cut = np.floor_divide(utc_us, step) * step
    per_second = target.unit.per_second
    if per_second > _SECOND_US:
        ending = "0" * len(str(per_second // _SECOND_US // 10))
        return pc.binary_join_element_wise(pa.array(cut).cast(pa.string()), ending, "")
    unit_us = _SECOND_US // per_second
    magnitude = np.abs(cut)
    parts = [pa.array(np.where(cut < 0, "-", ""), pa.string())]
    parts.append(pa.array(magnitude // unit_us).cast(pa.string()))
    digits = len(str(unit_us)) - 1
    if target.scale:  # the column shows as many digits, whatever they are
        part = pc.utf8_lpad(pa.array(magnitude % unit_us).cast(pa.string()), digits, "0")
        part = pc.utf8_slice_codeunits(pc.utf8_rpad(part, target.scale, "0"), 0, target.scale)
        parts += [pa.scalar("."), part]
    elif digits:
        parts.append(_fraction(magnitude % unit_us, digits))
    return pc.binary_join_element_wise(*parts, "")


def _fraction(rest: Int64Array, digits: int) -> pa.Array:
    """Return what is behind the whole, with its point, without zeros at the end; empty for 0."""
    part = pc.utf8_rtrim(pc.utf8_lpad(pa.array(rest).cast(pa.string()), digits, "0"), "0")
    return pc.if_else(pc.equal(part, ""), "", pc.binary_join_element_wise(".", part, ""))


def _texts(utc_us: Int64Array) -> pa.Array:
    """Return ISO 8601 with Z; a fraction only where there is one."""
    limit = 253_402_300_800_000_000
    room = np.where((utc_us > -62_135_596_800_000_001) & (utc_us < limit), utc_us, 0)
    seconds = np.floor_divide(room, _SECOND_US)
    spaced = pa.array(seconds).cast(pa.timestamp("s")).cast(pa.string())
    texts = pc.replace_substring(spaced, " ", "T")
    if not (room % _SECOND_US).any():
        return pc.binary_join_element_wise(texts, "Z", "")
    return pc.binary_join_element_wise(texts, _fraction(room % _SECOND_US, 6), "Z", "")
