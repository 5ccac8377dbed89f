"""Whole columns as PostgreSQL's binary arrays, straight from Arrow: no object per value.

They are packed where the server is not waited for, in the thread that gets the next chunk ready;
sending one is copying bytes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

from backfill.rows.columns import NEGATIVE_INFINITY, POSITIVE_INFINITY, ColumnType
from backfill.rows.values import Int64Array, in_one

#: PostgreSQL counts from 2000-01-01, we count from 1970-01-01.
POSTGRES_EPOCH_US = 946_684_800_000_000
#: oid of the element type, oid of its array type (both fixed in every PostgreSQL).
_OIDS = {
    ColumnType.BIGINT: (20, 1016),
    ColumnType.TIMESTAMP: (1114, 1115),
    ColumnType.TIMESTAMPTZ: (1184, 1185),
}
_TEXT_OIDS = 25, 1009
_LONG_TEXT = 256  # bytes, the mean of a column's


@dataclass(frozen=True, slots=True)
class BinaryArray:
    """One column of a chunk as it goes over the wire; `oid` is the array type's."""

    oid: int
    content: bytes


@dataclass(frozen=True, slots=True)
class PackedColumn:
    """A column packed once, to be sent in pieces; value `i` ends where `i + 1` begins."""

    element_oid: int
    oid: int
    content: bytes
    has_nulls: bool
    begins: Int64Array  # one for each value in `content`, and one for its end

    def piece(self, first: int, count: int) -> BinaryArray:
        """Return some values that stand together as one parameter."""
        header = _header(self.element_oid, count, has_nulls=self.has_nulls)
        begin, end = int(self.begins[first]), int(self.begins[first + count])
        return BinaryArray(self.oid, header + self.content[begin:end])

    @property
    def whole(self) -> BinaryArray:
        return self.piece(0, len(self.begins) - 1)


def pack(values: pa.Array | pa.ChunkedArray, column_type: ColumnType) -> PackedColumn:
    """Return a column as it is sent; jsonb travels as text."""
    if column_type.is_number:
        return _pack_numbers(in_one(values), column_type)
    return pack_texts(values)


def pack_texts(values: pa.Array | pa.ChunkedArray) -> PackedColumn:
    values = in_one(values).cast(pa.large_string())
    nulls = np.asarray(values.is_null())
    has_nulls = bool(nulls.any())
    if has_nulls:
        values = values.fill_null("")
    count = len(values)
    if not count:
        return PackedColumn(*_TEXT_OIDS, b"", has_nulls, np.zeros(1, np.int64))
    _validity, offsets_buffer, data_buffer = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[values.offset :][: count + 1]
    lengths = np.diff(offsets)
    # Each text stands four bytes further behind its place in Arrow's run of bytes than the last.
    begins = offsets - offsets[0] + 4 * np.arange(count + 1)
    out = np.empty(int(begins[-1]), np.uint8)
    prefixes = np.where(nulls, -1, lengths).astype(">i4").view(np.uint8).reshape(-1, 4)
    out[begins[:-1, None] + np.arange(4)] = prefixes
    if len(out) > prefixes.size:
        data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
        _spread(data, lengths, out)
    return PackedColumn(*_TEXT_OIDS, out.tobytes(), has_nulls, begins)


def _spread(
    data: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64], out: npt.NDArray[np.uint8]
) -> None:
    """Put texts that stand close together into `out`, each four bytes further from the last."""
    if len(data) < _LONG_TEXT * len(lengths):
        shifts = np.repeat(4 * np.arange(1, len(lengths) + 1), lengths)
        out[np.arange(len(data)) + shifts] = data
        return
    # The place of each byte takes two dozen bytes: too much where a few texts have millions.
    ends = np.cumsum(lengths).tolist()
    for row, (begin, end) in enumerate(itertools.pairwise([0, *ends]), 1):
        out[begin + 4 * row : end + 4 * row] = data[begin:end]


def _pack_numbers(values: pa.Array, column_type: ColumnType) -> PackedColumn:
    nulls = np.asarray(values.is_null())
    has_nulls = bool(nulls.any())
    if has_nulls:
        values = values.fill_null(0)
    numbers = values.cast(pa.int64()).to_numpy(zero_copy_only=False)
    elements = np.empty(len(values), dtype=[("length", ">i4"), ("value", ">i8")])
    elements["length"] = 8
    elements["value"] = _to_wire(numbers.astype(np.int64, copy=False), column_type)
    content = _without(elements, nulls) if has_nulls else elements.tobytes()
    sizes = np.where(nulls, 4, elements.itemsize)
    begins = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
    return PackedColumn(*_OIDS[column_type], content, has_nulls, begins)


def _header(element_oid: int, count: int, *, has_nulls: bool) -> bytes:
    if not count:
        return np.array([0, 0, element_oid], dtype=">i4").tobytes()
    return np.array([1, int(has_nulls), element_oid, count, 1], dtype=">i4").tobytes()


def _without(elements: npt.NDArray[Any], nulls: npt.NDArray[np.bool_]) -> bytes:
    """A NULL is a length of -1 with no value behind it: drop those eight bytes."""
    elements["length"][nulls] = -1
    cells = elements.view(np.uint8).reshape(len(elements), 12)
    if nulls.all():
        return cells[:, :4].tobytes()
    kept = np.ones((len(elements), 12), dtype=bool)
    kept[nulls, 4:] = False
    return cells[kept].tobytes()


def _to_wire(numbers: Int64Array, column_type: ColumnType) -> Int64Array:
    if column_type is ColumnType.BIGINT:
        return numbers
    infinite = (numbers == POSITIVE_INFINITY) | (numbers == NEGATIVE_INFINITY)
    return np.where(infinite, numbers, numbers - POSTGRES_EPOCH_US)


class _BinaryArrayDumper(Dumper):
    format = Format.BINARY

    def get_key(self, obj: BinaryArray, format: PyFormat) -> Any:  # noqa: ARG002
        return (self.cls, obj.oid)

    def upgrade(self, obj: BinaryArray, format: PyFormat) -> Dumper:  # noqa: ARG002
        dumper = type(self)(self.cls)
        dumper.oid = obj.oid
        return dumper

    def dump(self, obj: BinaryArray) -> bytes:
        return obj.content


def register(connection: psycopg.Connection[Any]) -> None:
    """Teach a connection to send `BinaryArray`."""
    connection.adapters.register_dumper(BinaryArray, _BinaryArrayDumper)
