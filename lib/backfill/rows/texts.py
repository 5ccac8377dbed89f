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

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from backfill.errors import UsageError

_WHOLE_BELOW = 2.0**63  # floats below it that are whole are written without an exponent
#: No text of PostgreSQL's holds it: what can not be a text is refused by the server with its row.
_NUL = "\0"
_HALVES = re.compile("[\ud800-\udfff]")
_EARLY = re.compile("-[0-9]|0000-")
#: What DuckDB has for a moment or day that is infinite: the largest number, and less than none.
_FOREVER = {pa.timestamp("us"): 2**63 - 1, pa.date32(): 2**31 - 1}


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
    for is_kind, how in _HOW:
        if is_kind(kind):
            return how(values)
    plain = _as_python(values)
    return pa.array([text_of(value, as_json=as_json) for value in plain], pa.string())


def _as_python(values: pa.Array) -> list[Any]:
    """A map is a dict, unless a key is there twice."""
    if (micros := _leaves(values.type, _micros)) != values.type:
        try:
            values = values.cast(micros)
        except pa.ArrowInvalid:  # digits that no Python object has: a moment's are kept as text
            values = values.cast(_leaves(values.type, _texts), safe=False)
    try:
        return list(values.to_pylist(maps_as_pydicts="strict"))
    except (KeyError, TypeError):
        return list(values.to_pylist())
    except (OverflowError, ValueError):  # beyond what Python has: only its row is refused
        return [_one_as_python(value) for value in values]


def _one_as_python(value: pa.Scalar[Any]) -> Any:
    try:
        return value.as_py()
    except (OverflowError, ValueError):
        return "out of range"


def _micros(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    return pa.time64("us") if str(kind) == "time64[ns]" else kind


def _texts(kind: pa.DataType) -> pa.DataType:
    is_moment = pa.types.is_timestamp(kind) and kind.unit == "ns"
    return pa.string() if is_moment else _micros(kind)


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


def _dates(values: pa.Array) -> pa.Array:
    try:
        return _with_forever(values.cast(pa.date32()))
    except pa.ArrowInvalid:  # days in milliseconds, with a time of the day
        return _timestamps(values.cast(pa.int64()).cast(pa.timestamp("ms")))


def _of_extension(values: pa.Array, *, as_json: bool) -> pa.Array:
    name = getattr(values.type, "extension_name", "")
    if name == "arrow.uuid":
        texts = [None if v is None else v.hex() for v in values.storage.to_pylist()]
        return pa.array(texts, pa.string())
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


def _timestamps(values: pa.Array) -> pa.Array:
    """Microseconds, in UTC where there is a zone: Arrow's own text of a zone needs a database."""
    zone = values.type.tz
    plain = values.cast(pa.timestamp(values.type.unit, "UTC" if zone else None))
    if values.type.unit == "ns":
        plain = pc.floor_temporal(plain, unit="microsecond")
    numbers = plain.cast(pa.int64())
    most = _MOST_OF_UNIT.get(values.type.unit)
    if most is not None:  # beyond what microseconds reach, it would wrap to some other time
        is_far = pc.greater(pc.abs(pc.max_element_wise(numbers, -most - 1)), most)
        plain = pc.if_else(is_far, None, plain)
    micros = plain.cast(pa.timestamp("us", "UTC" if zone else None), safe=False)
    texts = _with_forever(micros.cast(pa.timestamp("us")))
    if zone:
        infinite = pc.ends_with(texts, "infinity")
        zoned = pc.binary_join_element_wise(texts, "+00", "")
        texts = pc.if_else(infinite, texts, pc.replace_substring(zoned, " BC+00", "+00 BC"))
    if most is None:
        return texts
    far = pc.binary_join_element_wise("out of range:", numbers.cast(pa.string()), " ")
    return pc.if_else(is_far, far, texts)


#: How many of a unit there are in as many microseconds as int64 has.
_MOST_OF_UNIT = {"s": (2**63 - 1) // 1_000_000, "ms": (2**63 - 1) // 1_000}


def _with_forever(values: pa.Array) -> pa.Array:
    """Return moments or days as texts; the era of those before our first year is told at the end.

    Arrow writes the year 0 for 1 BC.
    """
    texts = values.cast(pa.string())
    most = _FOREVER[values.type]
    numbers = values.view(pa.int64() if most > 2**32 else pa.int32())
    texts = pc.if_else(pc.equal(numbers, most), "infinity", texts)
    texts = pc.if_else(pc.equal(numbers, -most), "-infinity", texts)
    early = pc.match_substring_regex(texts, f"^({_EARLY.pattern})")
    if not pc.any(early).as_py():
        return texts
    return pa.array([_with_era(text) for text in texts.to_pylist()], pa.string())


def _with_era(text: str | None) -> str | None:
    if text is None or not _EARLY.match(text):
        return text
    year, rest = text.removeprefix("-").split("-", 1)
    return f"{int(year) + 1:04d}-{rest} BC"


def _plain(values: pa.Array) -> pa.Array:
    return values.cast(pa.string())


def _is_plain(kind: pa.DataType) -> bool:
    whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return bool(whole or _is_text(kind) or _is_calendar(kind))


#: How an array becomes texts without an object for each value.
_HOW: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]], ...] = (
    (pa.types.is_null, lambda values: pa.nulls(len(values), pa.string())),
    (_is_plain, _plain),
    (pa.types.is_date, _dates),
    (pa.types.is_floating, _floats),
    (pa.types.is_timestamp, _timestamps),
)


def text_of(value: Any, *, as_json: bool = False) -> str | None:
    """Return one Python value as PostgreSQL's text; raise `UsageError` for one that has none."""
    if value is None or _is_missing(value):
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
    months, days, nanos = value
    return f"{months} months {days} days {nanos // 1000} microseconds"


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
    ((float, np.floating), lambda value: str(_floats(pa.array([float(value)]))[0].as_py())),
    ((bytes, bytearray, memoryview), lambda value: "\\x" + bytes(value).hex()),
    (dt.timedelta, lambda value: f"{value // dt.timedelta(microseconds=1)} microseconds"),
    (dt.datetime, lambda value: str(value.isoformat(" "))),
    (pa.MonthDayNano, _interval),
    (Range, _range),
    (Multirange, _multirange),
    ((list, tuple, np.ndarray), lambda value: array_literal(list(value))),
)


def _is_missing(value: Any) -> bool:
    """pandas' NA and NaT are no values; a float that is no number is one, unless pandas says."""
    return type(value).__name__ in ("NAType", "NaTType")


def json_text(value: Any) -> str:
    """Return a value as JSON that keeps the digits of each number.

    What is no number of JSON's, as NaN, is written all the same: the server refuses that row.
    """
    if isinstance(value, Mapping):
        inside = ", ".join(
            f"{_json_string(str(text_of(name)))}: {json_text(part)}" for name, part in value.items()
        )
        return "{" + inside + "}"
    if isinstance(value, list | tuple | np.ndarray):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, Digits | decimal.Decimal):
        return str(value)
    if isinstance(value, float | np.floating):
        return json.dumps(float(value))
    text = text_of(value)
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
