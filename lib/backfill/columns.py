"""Column types of the tables we meet, and the arrays that carry their values.

Timestamps travel as int64 microseconds since 1970 (wall clock for `timestamp`, UTC for
`timestamptz`); PostgreSQL's ±infinity as the int64 limits, since drivers wrap it silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

Int64Array = npt.NDArray[np.int64]

POSITIVE_INFINITY = np.iinfo(np.int64).max
NEGATIVE_INFINITY = np.iinfo(np.int64).min
#: Stands for the last thirty years that PostgreSQL knows: from 1970 on they leave int64.
BEYOND_INT64 = POSITIVE_INFINITY - 1
#: PostgreSQL counts from 2000-01-01, we count from 1970-01-01.
POSTGRES_EPOCH_US = 946_684_800_000_000


class ColumnType(StrEnum):
    """The types that keys, sources and targets may have."""

    BIGINT = "bigint"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    TEXT = "text"
    JSONB = "jsonb"

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of this column in plans, images and staging."""
        return _ARROW[self]

    @property
    def is_number(self) -> bool:
        """Whether values travel as int64."""
        return self in _ARRAY_OID


_ARROW = {
    ColumnType.BIGINT: pa.int64(),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
    ColumnType.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
    ColumnType.TEXT: pa.string(),
    ColumnType.JSONB: pa.string(),
}

#: oid of the element type, oid of its array type (both fixed in every PostgreSQL).
_ARRAY_OID = {
    ColumnType.BIGINT: (20, 1016),
    ColumnType.TIMESTAMP: (1114, 1115),
    ColumnType.TIMESTAMPTZ: (1184, 1185),
}
_TEXT_OID, _TEXT_ARRAY_OID = 25, 1009
_NULL_LENGTH = b"\xff\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a user table: its name and the type its values travel as."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class NumberArray:
    """int64 values with NULLs, to be sent to PostgreSQL as one binary array."""

    type: ColumnType
    values: Int64Array
    nulls: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TextArray:
    """Texts with NULLs, to be sent to PostgreSQL as one binary array."""

    values: list[str | None]


def read_expression(column: sql.Composable, column_type: ColumnType) -> sql.Composed:
    """Return the SQL that reads a column as text or int64 without losing a microsecond.

    `extract(epoch …)` is a float before PostgreSQL 14: whole minutes and the microseconds
    within the minute are exact in a float, their sum is exact in bigint.
    """
    if column_type in (ColumnType.TEXT, ColumnType.JSONB):
        return sql.SQL("{}::text").format(column)
    if column_type is ColumnType.BIGINT:
        return sql.SQL("{}::bigint").format(column)
    return sql.SQL(
        "CASE WHEN {c} = 'infinity' THEN 9223372036854775807"
        " WHEN {c} = '-infinity' THEN (-9223372036854775808)::bigint"
        " WHEN {c}{zone} >= '294247-01-01'::timestamp THEN 9223372036854775806"
        " ELSE extract(epoch FROM date_trunc('minute', {c}{zone}))::bigint * 1000000"
        " + extract(microseconds FROM {c}{zone})::bigint END"
    ).format(
        c=column,
        zone=sql.SQL(" AT TIME ZONE 'UTC'" if column_type is ColumnType.TIMESTAMPTZ else ""),
    )


def parameter(values: pa.Array | pa.ChunkedArray, column_type: ColumnType) -> Any:
    """Return what psycopg sends for a whole column, as one binary array."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not column_type.is_number:
        return TextArray(values.cast(pa.string()).to_pylist())
    nulls = np.asarray(values.is_null())
    numbers = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return NumberArray(column_type, numbers.astype(np.int64, copy=False), nulls)


def array_cast(column_type: ColumnType) -> sql.SQL:
    """Return the cast that names a parameter's array type in SQL."""
    return sql.SQL(f"::{column_type.value}[]")


class _NumberArrayDumper(Dumper):
    """Writes PostgreSQL's binary array format straight from numpy, no object per row."""

    format = Format.BINARY

    def get_key(self, obj: NumberArray, format: PyFormat) -> Any:  # noqa: ARG002
        return (self.cls, obj.type)

    def upgrade(self, obj: NumberArray, format: PyFormat) -> Dumper:  # noqa: ARG002
        dumper = type(self)(self.cls)
        dumper.oid = _ARRAY_OID[obj.type][1]
        return dumper

    def dump(self, obj: NumberArray) -> bytes:
        return _binary_array(obj)


class _TextArrayDumper(Dumper):
    """Writes text arrays as binary: psycopg's own goes through text and a pattern per value."""

    format = Format.BINARY
    oid = _TEXT_ARRAY_OID

    def dump(self, obj: TextArray) -> bytes:
        has_nulls = any(value is None for value in obj.values)
        dimensions = [1, int(has_nulls), _TEXT_OID, len(obj.values), 1]
        if not obj.values:
            dimensions = [0, 0, _TEXT_OID]
        parts = [np.array(dimensions, dtype=">i4").tobytes()]
        for value in obj.values:
            if value is None:
                parts.append(_NULL_LENGTH)
                continue
            content = value.encode()
            parts += (len(content).to_bytes(4, "big"), content)
        return b"".join(parts)


def _binary_array(array: NumberArray) -> bytes:
    element_oid = _ARRAY_OID[array.type][0]
    count = len(array.values)
    has_nulls = bool(array.nulls.any())
    if count == 0:
        return np.array([0, 0, element_oid], dtype=">i4").tobytes()
    header = np.array([1, int(has_nulls), element_oid, count, 1], dtype=">i4").tobytes()
    elements = np.empty(count, dtype=[("length", ">i4"), ("value", ">i8")])
    elements["length"] = 8
    elements["value"] = _to_wire(array)
    if not has_nulls:
        return header + elements.tobytes()
    return header + _with_nulls(elements, array.nulls)


def _with_nulls(elements: npt.NDArray[Any], nulls: npt.NDArray[np.bool_]) -> bytes:
    """A NULL is a length of -1 with no value behind it: drop those eight bytes."""
    elements["length"][nulls] = -1
    cells = elements.view(np.uint8).reshape(len(elements), 12)
    kept = np.ones((len(elements), 12), dtype=bool)
    kept[nulls, 4:] = False
    return cells[kept].tobytes()


def _to_wire(array: NumberArray) -> Int64Array:
    if array.type is ColumnType.BIGINT:
        return array.values
    infinite = (array.values == POSITIVE_INFINITY) | (array.values == NEGATIVE_INFINITY)
    return np.where(infinite, array.values, array.values - POSTGRES_EPOCH_US)


def register(connection: psycopg.Connection[Any]) -> None:
    """Teach a connection to send `NumberArray` and `TextArray`."""
    connection.adapters.register_dumper(NumberArray, _NumberArrayDumper)
    connection.adapters.register_dumper(TextArray, _TextArrayDumper)
