"""Values of any Arrow type, or of Python's own, as the text that PostgreSQL reads them from.

Nothing is lost on the way: a decimal keeps its digits, a float the shortest text that gives its
bits back, bytes are hex, a list is an array's literal. NULL stays NULL; so does a float that is no
number where it came from pandas, which has no other word for it.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from backfill.errors import UsageError
from backfill.rows.moments import (
    dates,
    durations,
    nanos,
    timestamps,
    with_known_zone,
)

_WHOLE_BELOW = 2.0**63  # floats below it that are whole are written without an exponent
#: No text of PostgreSQL's holds it: what can not be a text is refused by the server with its row.
_NUL = "\0"
_HALVES = re.compile("[\ud800-\udfff]")
#: The kind of column whose values are bytes.
BYTEA = "bytea"


class Digits(str):
    """A number as it was written, in JSON."""

    __slots__ = ()


def texts_of(
    values: pa.Array | pa.ChunkedArray, *, as_json: bool = False, as_bytes: str = BYTEA
) -> pa.Array:
    """Return values as texts (`pa.string()`); lists and structs as JSON where the column is so.

    What bytes are, the kind of their column says, in `as_bytes`: hex of a bytea, a uuid's sixteen,
    an interval as Parquet has it; else the UTF-8 text that they hold.
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks() if values.num_chunks else pa.array([], values.type)
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(values, as_json=as_json)
    if pa.types.is_dictionary(kind):
        return texts_of(values.dictionary_decode(), as_json=as_json, as_bytes=as_bytes)
    if _is_binary(kind) and as_bytes != BYTEA:
        return _decoded(values, as_bytes)
    if pa.types.is_timestamp(kind):
        return timestamps(values, in_utc=as_bytes == "timestamptz")
    for is_kind, how in _HOW:
        if is_kind(kind):
            return how(values)
    plain = _as_python(values)
    if as_bytes.removeprefix("_") != BYTEA:
        plain = [_without_bytes(value, as_bytes.removeprefix("_")) for value in plain]
    return pa.array([text_of(value, as_json=as_json) for value in plain], pa.string())


def _without_bytes(value: Any, kind: str) -> Any:
    """Return a value with the bytes within it as texts, by the kind of its column's elements."""
    if isinstance(value, bytes):
        return _uuid_of_bytes(value) if kind == "uuid" else _text_of_bytes(value)
    if isinstance(value, Mapping):
        return {name: _without_bytes(part, kind) for name, part in value.items()}
    return [_without_bytes(part, kind) for part in value] if type(value) is list else value


def _as_python(values: pa.Array) -> list[Any]:
    """A map is a dict, unless a key is there twice."""
    values = values.cast(_leaves(values.type, with_known_zone))
    if (micros := _leaves(values.type, _micros)) != values.type:
        try:
            values = values.cast(micros)
        except pa.ArrowInvalid:  # digits that no Python object has: a moment's are kept as text
            values = values.cast(_leaves(values.type, _texts), safe=False)
    try:
        return list(values.to_pylist(maps_as_pydicts="strict"))
    except (KeyError, TypeError, OverflowError, ValueError):  # that of one row alone
        return [_one_as_python(value) for value in values]


def _one_as_python(value: pa.Scalar[Any]) -> Any:
    try:
        return value.as_py(maps_as_pydicts="strict")
    except (KeyError, TypeError):
        return value.as_py()
    except (OverflowError, ValueError):  # beyond what Python has
        return "out of range"


def _micros(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    return pa.time64("us") if str(kind) == "time64[ns]" else kind


def _texts(kind: pa.DataType) -> pa.DataType:
    is_moment = pa.types.is_timestamp(kind) and kind.unit == "ns"
    return pa.string() if is_moment or str(kind) == "time64[ns]" else _micros(kind)


def _leaves(kind: pa.DataType, how: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Return a type with the types within it made into others."""
    types = pa.types
    if types.is_struct(kind):
        return pa.struct([part.with_type(_leaves(part.type, how)) for part in kind])
    if types.is_map(kind):
        return pa.map_(_leaves(kind.key_type, how), _leaves(kind.item_type, how))
    made = pa.large_list if types.is_large_list(kind) else pa.list_
    if made is pa.large_list or types.is_list(kind):
        return made(kind.value_field.with_type(_leaves(kind.value_type, how)))
    return how(kind)


def _is_binary(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _decoded(values: pa.Array, kind: str) -> pa.Array:
    width = values.type.byte_width if pa.types.is_fixed_size_binary(values.type) else 0
    how = _interval_of_parquet if (kind, width) == ("interval", 12) else _text_of_bytes
    if kind == "uuid":
        how = _uuid_of_bytes
    return pa.array([None if v is None else how(v) for v in values.to_pylist()], pa.string())


def _text_of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _NUL


def _uuid_of_bytes(value: bytes) -> str:
    """Sixteen bytes are the number itself: no spelling of it is as short."""
    return value.hex() if len(value) == 16 else _text_of_bytes(value)


def _interval_of_parquet(value: bytes) -> str:
    """Months, days and milliseconds, of four bytes each, the low one first."""
    months, days, millis = (int.from_bytes(value[i : i + 4], "little") for i in (0, 4, 8))
    return f"{_signed(months)} months {_signed(days)} days {_signed(millis)} milliseconds"


def _signed(number: int) -> int:
    """Parquet knows no interval below zero; who writes one writes it as C would."""
    return number - 2**32 if number >= 2**31 else number


def storable(text: str) -> str:
    """Return a text that UTF-8 can hold: half of a pair of surrogates becomes what is refused."""
    return _HALVES.sub(_NUL, text)


def array_texts(texts: pa.Array) -> pa.Array:
    """Return texts for a column of arrays: a list in JSON becomes the server's own literal."""
    if not pc.any(pc.starts_with(texts, "[")).as_py():
        return texts
    return pa.array([_array_text(text) for text in texts.to_pylist()], pa.string())


def _array_text(text: str | None) -> str | None:
    if text is None or not text.startswith("["):
        return text
    try:
        value = json.loads(text, parse_float=Digits, parse_int=Digits, parse_constant=Digits)
    except (ValueError, RecursionError):
        return text  # `[0:1]={a,b}`: the server's own
    return array_literal(value) if isinstance(value, list) else text


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_calendar(kind: pa.DataType) -> bool:
    return bool(pa.types.is_time(kind) and str(kind) != "time64[ns]")


def _of_extension(values: pa.Array, *, as_json: bool) -> pa.Array:
    name = getattr(values.type, "extension_name", "")
    if name == "arrow.uuid":
        texts = [None if v is None else str(UUID(bytes=v)) for v in values.storage.to_pylist()]
        return pa.array(texts, pa.string())
    if name == "arrow.fixed_shape_tensor":  # it is kept as one long list
        arrays = [None if v.as_py() is None else v.to_numpy().tolist() for v in values]
        return pa.array([text_of(value, as_json=as_json) for value in arrays], pa.string())
    return texts_of(values.storage, as_json=as_json)


def _floats(values: pa.Array) -> pa.Array:
    """A whole number is written as one: a column of whole numbers with NULLs comes as floats."""
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    with np.errstate(invalid="ignore"):
        whole = (np.trunc(numbers) == numbers) & (np.abs(numbers) < _WHOLE_BELOW)
    whole &= ~((numbers == 0) & np.signbit(numbers))  # -0 has a sign of its own
    mask = pc.and_(pa.array(whole), values.is_valid())
    wholes = pa.array(np.where(whole, numbers, 0).astype(np.int64)).cast(pa.string())
    return pc.if_else(mask, wholes, values.cast(pa.string()))


def _plain(values: pa.Array) -> pa.Array:
    return values.cast(pa.string())


def _is_plain(kind: pa.DataType) -> bool:
    whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return bool(whole or _is_text(kind) or _is_calendar(kind))


#: How an array becomes texts without an object for each value.
_HOW: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]], ...] = (
    (pa.types.is_null, lambda values: pa.nulls(len(values), pa.string())),
    (_is_plain, _plain),
    (pa.types.is_date, dates),
    (pa.types.is_floating, _floats),
    (lambda kind: str(kind) == "duration[ns]", durations),
)


def text_of(value: Any, *, as_json: bool = False) -> str | None:
    """Return one Python value as PostgreSQL's text; raise `UsageError` for one that has none."""
    if value is None or is_missing(value):
        return None
    if isinstance(value, enum.Enum):
        return text_of(value.value, as_json=as_json)
    if isinstance(value, Mapping) or (as_json and isinstance(value, list | tuple)):
        return json_text(value)
    how = next((how for kinds, how in _ONE if isinstance(value, kinds)), None)
    if how is None and not _has_text(value):
        raise UsageError(
            f"a value of type {type(value).__name__} has no text: make it one, or a number, a "
            "date, a list or a dict"
        )
    return storable(how(value) if how else str(value))


def _has_text(value: Any) -> bool:
    """Whether `str` of it is more than a name for an object."""
    return isinstance(value, int | np.generic) or any(
        "__str__" in vars(kind) for kind in type(value).__mro__ if kind is not object
    )


def _interval(value: Any) -> str:
    months, days, rest = value
    return f"{months} months {days} days {nanos(rest)}"


def _span(value: dt.timedelta) -> str:
    """pandas' own has nanoseconds beside its microseconds."""
    micros = value // dt.timedelta(microseconds=1)
    return nanos(micros * 1000 + getattr(value, "nanoseconds", 0))


def _timedelta(value: np.timedelta64) -> str:
    """numpy's own text, but for units that the server has no word for."""
    unit = np.datetime_data(value.dtype)[0]
    if unit not in ("ns", "ps", "fs", "as"):
        return str(value)
    return nanos(int(value.astype("timedelta64[ns]").astype(np.int64)))


def _float(value: float | np.floating[Any]) -> str:
    if isinstance(value, np.longdouble):
        return str(value)
    number = value if isinstance(value, np.floating) else float(value)
    return str(_floats(pa.array(np.array([number])))[0].as_py())


def _range(value: Range[Any]) -> str:
    """Return the server's text of a range; its ends are quoted as elements of an array are."""
    if value.isempty:
        return "empty"
    low, high = ("" if end is None else _element(end) for end in (value.lower, value.upper))
    return f"{'[' if value.lower_inc else '('}{low},{high}{']' if value.upper_inc else ')'}"


def _multirange(value: Multirange[Any]) -> str:
    return "{" + ",".join(map(_range, value)) + "}"


#: How a value of Python's becomes text; the first kind that fits.
_ONE: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    ((bool, np.bool_), lambda value: "true" if value else "false"),
    ((float, np.floating), _float),
    (np.timedelta64, _timedelta),
    ((bytes, bytearray, memoryview), lambda value: "\\x" + bytes(value).hex()),
    (dt.timedelta, _span),
    (dt.datetime, lambda value: str(value.isoformat(" "))),
    (pa.MonthDayNano, _interval),
    (Range, _range),
    (Multirange, _multirange),
    ((list, tuple, np.ndarray), lambda value: array_literal(list(value))),
)


def is_missing(value: Any) -> bool:
    """pandas' NA and NaT are no values; a float that is no number is one, unless pandas says."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return type(value).__name__ in ("NAType", "NaTType")


def json_text(value: Any) -> str:
    """Return a value as JSON that keeps the digits of each number.

    What is no number of JSON's, as NaN, is written all the same: the server refuses that row.
    """
    if isinstance(value, Mapping):
        names = {text_of(name): part for name, part in value.items()}
        if None in names or len(names) < len(value):
            raise UsageError("a dict has a key that is None, or two whose texts are the same")
        parts = (f"{_json_string(str(name))}: {json_text(part)}" for name, part in names.items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list | tuple | np.ndarray):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, Digits | decimal.Decimal):
        return str(value)
    if isinstance(value, float | np.floating):
        return json.dumps(float(value))
    text = _text_of_bytes(value) if isinstance(value, bytes) else text_of(value)
    if text is None:
        return "null"
    is_bare = isinstance(value, bool | np.bool_ | int | np.integer)
    return text if is_bare else _json_string(text)


def _json_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


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
