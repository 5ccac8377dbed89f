"""Values of any Arrow type, or of Python's own, as the text that PostgreSQL reads them from.

Nothing is lost on the way: a decimal keeps its digits, a float the shortest text that gives its
bits back, bytes are hex, a list is an array's literal. NULL stays NULL; so does a float that is no
number where it came from pandas, which has no other word for it.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_WHOLE_BELOW = 2.0**63  # floats below it that are whole are written without an exponent


def texts_of(values: pa.Array | pa.ChunkedArray, *, as_json: bool = False) -> pa.Array:
    """Return values as texts (`pa.string()`); lists and structs as JSON where the column is so."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks() if values.num_chunks else pa.array([], values.type)
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(values, as_json=as_json)
    if pa.types.is_dictionary(kind):
        return texts_of(values.dictionary_decode(), as_json=as_json)
    for is_kind, how in _HOW:
        if is_kind(kind):
            return how(values)
    return pa.array([text_of(value, as_json=as_json) for value in values.to_pylist()], pa.string())


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_calendar(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or (pa.types.is_time(kind) and str(kind) != "time64[ns]"))


def _of_extension(values: pa.Array, *, as_json: bool) -> pa.Array:
    name = getattr(values.type, "extension_name", "")
    if name == "arrow.uuid":
        texts = [None if v is None else v.hex() for v in values.storage.to_pylist()]
        return pa.array(texts, pa.string())
    return texts_of(values.storage, as_json=as_json)


def _floats(values: pa.Array) -> pa.Array:
    """A whole number is written as one: a column of whole numbers with NULLs comes as floats."""
    numbers = values.to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        whole = (np.trunc(numbers) == numbers) & (np.abs(numbers) < _WHOLE_BELOW)
    whole &= ~((numbers == 0) & np.signbit(numbers))  # -0 has a sign of its own
    mask = pc.and_(pa.array(whole), values.is_valid())
    wholes = pa.array(np.where(whole, numbers, 0).astype(np.int64)).cast(pa.string())
    return pc.if_else(mask, wholes, values.cast(pa.string()))


def _timestamps(values: pa.Array) -> pa.Array:
    """Microseconds, in UTC where there is a zone: Arrow's own text of a zone needs a database."""
    zone = values.type.tz
    plain = values.cast(pa.timestamp(values.type.unit, "UTC" if zone else None))
    if values.type.unit == "ns":
        plain = pc.floor_temporal(plain, unit="microsecond")
    texts = plain.cast(pa.timestamp("us", "UTC" if zone else None), safe=False)
    whole = texts.cast(pa.timestamp("us")).cast(pa.string())
    return pc.binary_join_element_wise(whole, "+00", "") if zone else whole


def _plain(values: pa.Array) -> pa.Array:
    return values.cast(pa.string())


def _is_plain(kind: pa.DataType) -> bool:
    whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return bool(whole or _is_text(kind) or _is_calendar(kind))


#: How an array becomes texts without an object for each value.
_HOW: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]], ...] = (
    (pa.types.is_null, lambda values: pa.nulls(len(values), pa.string())),
    (_is_plain, _plain),
    (pa.types.is_floating, _floats),
    (pa.types.is_timestamp, _timestamps),
)


def text_of(value: Any, *, as_json: bool = False) -> str | None:
    """Return one Python value as PostgreSQL's text."""
    if value is None or _is_missing(value):
        return None
    if isinstance(value, Mapping) or (as_json and isinstance(value, list | tuple)):
        return json.dumps(value, ensure_ascii=False, default=_in_json)
    return next((how(value) for kinds, how in _ONE if isinstance(value, kinds)), str(value))


def _interval(value: Any) -> str:
    months, days, nanos = value
    return f"{months} months {days} days {nanos // 1000} microseconds"


#: How a value of Python's becomes text; the first kind that fits.
_ONE: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    ((bool, np.bool_), lambda value: "true" if value else "false"),
    ((float, np.floating), lambda value: str(_floats(pa.array([float(value)]))[0].as_py())),
    ((bytes, bytearray, memoryview), lambda value: "\\x" + bytes(value).hex()),
    (dt.timedelta, lambda value: f"{value // dt.timedelta(microseconds=1)} microseconds"),
    (dt.datetime, lambda value: str(value.isoformat(" "))),
    (pa.MonthDayNano, _interval),
    ((list, tuple, np.ndarray), lambda value: array_literal(list(value))),
)


def _is_missing(value: Any) -> bool:
    """pandas' NA and NaT are no values; a float that is no number is one, unless pandas says."""
    return type(value).__name__ in ("NAType", "NaTType")


def _in_json(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return float(value) if math.isfinite(value) else str(value)
    return text_of(value)


def array_literal(values: Sequence[Any]) -> str:
    """Return a list as the literal of a PostgreSQL array, nested as it is."""
    return "{" + ",".join(_element(value) for value in values) + "}"


def _element(value: Any) -> str:
    if isinstance(value, list | tuple | np.ndarray):
        return array_literal(list(value))
    text = text_of(value)
    if text is None:
        return "NULL"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
