"""Before- and after-images of one chunk: a packed Arrow IPC stream under zstd, with its SHA-256.

It holds the rows that were really written, so that a revert needs the database only.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.errors import VerifyFailed
from backfill.next_command import next_command
from backfill.rows.values import Int64Array

#: What a stream under zstd begins with; images of earlier versions are bare streams.
_ZSTD = b"\x28\xb5\x2f\xfd"
#: An image is small: handing its columns to threads takes longer than compressing them.
_WRITING = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
_READING = pa.ipc.IpcReadOptions(use_threads=False)

_RECIPE, _SCHEMA = b"backfill.recipe", b"backfill.schema"
_NARROW = tuple((int(np.iinfo(kind).max), kind) for kind in (np.int8, np.int16, np.int32, np.int64))
_INDICES = ((2**7, pa.int8()), (2**15, pa.int16()), (2**31, pa.int32()))
_TRIED, _LOOKED_AT = 12, 32
_FARTHEST = 2**60  # distances of distances still fit


@dataclass(frozen=True, slots=True)
class Image:
    """What goes into `backfill.chunk_image`."""

    rows: int
    sha256: str
    content: bytes


def encode(written: pa.Table) -> Image:
    """Return the image of the rows that a chunk wrote; equal rows give equal bytes."""
    packed = pack_rows(written)
    sink = pa.BufferOutputStream()
    # Each column for itself, since its bytes are alike; then all, for what describes them.
    with pa.ipc.new_stream(sink, packed.schema, options=_WRITING) as stream:
        stream.write_table(packed)
    content = pa.Codec("zstd").compress(sink.getvalue(), asbytes=True)
    return Image(written.num_rows, hashlib.sha256(content).hexdigest(), content)


def decode(run_id: str, chunk_no: int, sha256: str, content: bytes) -> pa.Table:
    """Return the rows of an image; raise `VerifyFailed` when a byte of it was changed."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise VerifyFailed(
            f"The image of chunk {chunk_no} of run {run_id} is not the one that was written: its "
            f"SHA-256 does not match. See what else differs: "
            f"{next_command('verify', run_id)}"
        )
    if not content.startswith(_ZSTD):
        return pa.ipc.open_stream(pa.py_buffer(content), options=_READING).read_all()
    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
        return unpack_rows(pa.ipc.open_stream(stream, options=_READING).read_all())


def pack_rows(rows: pa.Table) -> pa.Table:
    """Return the rows as flat, narrow columns; `unpack_rows` is the inverse."""
    packed: dict[str, pa.Array] = {}
    recipes: dict[str, dict[str, Any]] = {}
    bases = _Bases(rows.num_rows)
    for name, leaf in _leaves(rows):
        recipes[name], packed[name] = _pack(name, leaf, bases)
    recipe = json.dumps(recipes, sort_keys=True).encode()
    return pa.table(packed).replace_schema_metadata(
        {_RECIPE: recipe, _SCHEMA: _described(rows.schema)}
    )


@functools.lru_cache(maxsize=8)
def _described(schema: pa.Schema) -> bytes:
    """Return a schema as bytes; all chunks of a run have the same."""
    return bytes(schema.remove_metadata().serialize().to_pybytes())


def unpack_rows(packed: pa.Table) -> pa.Table:
    metadata = packed.schema.metadata or {}
    schema = pa.ipc.read_schema(pa.py_buffer(metadata[_SCHEMA]))
    recipes = json.loads(metadata[_RECIPE])
    leaves: dict[str, pa.Array] = {}
    plain: dict[str, Int64Array] = {}
    for name, column in zip(packed.column_names, packed.columns, strict=True):
        kind = _type_of(schema, name)
        leaves[name] = _unpack(name, column.combine_chunks(), kind, recipes[name], plain)
    arrays = [_assemble(field, place, leaves) for place, field in enumerate(schema)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _leaves(rows: pa.Table) -> Iterator[tuple[str, pa.Array]]:
    """Yield flat columns by their places: names may hold anything, also twice."""
    for place, column in enumerate(rows.columns):
        array = column.combine_chunks()
        if not pa.types.is_struct(array.type):
            yield f"{place}", array
            continue
        if array.null_count:
            yield f"{place}?", array.is_valid()
        for part, leaf in enumerate(array.flatten()):
            yield f"{place}/{part}", leaf


def _assemble(field: pa.Field, place: int, leaves: dict[str, pa.Array]) -> pa.Array:
    if not pa.types.is_struct(field.type):
        return leaves[f"{place}"]
    parts = [leaves[f"{place}/{part}"] for part in range(field.type.num_fields)]
    is_valid = leaves.get(f"{place}?")
    mask = None if is_valid is None else pc.invert(is_valid)
    return pa.StructArray.from_arrays(parts, fields=list(field.type), mask=mask)


def _type_of(schema: pa.Schema, name: str) -> pa.DataType:
    if name.endswith("?"):
        return pa.bool_()
    place, _slash, part = name.partition("/")
    kind = schema.field(int(place)).type
    return kind.field(int(part)).type if part else kind


def _is_whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_int64(kind) or pa.types.is_timestamp(kind))


class _Bases:
    """Columns of whole numbers that others may be measured from.

    Of a wide table only the likeliest are tried in full, by a look at a few rows: else every
    column would be measured from every other.
    """

    def __init__(self, rows: int) -> None:
        self._names: list[str] = []
        self._values: list[Int64Array] = []
        self._places = _spread(rows)
        self._seen = np.zeros((_TRIED, len(self._places)), dtype=np.int64)

    def add(self, name: str, values: Int64Array) -> None:
        count = len(self._names)
        if count == len(self._seen):
            self._seen = np.concatenate([self._seen, np.zeros_like(self._seen)])
        self._seen[count] = values[self._places]
        self._names.append(name)
        self._values.append(values)

    def near(self, values: Int64Array) -> Iterator[tuple[str, Int64Array]]:
        """Yield the columns that lie evenly beside the values, in the order of the table."""
        count = len(self._names)
        chosen = np.arange(count)
        if count > _TRIED:
            spread = np.ptp(values[self._places] - self._seen[:count], axis=1)
            chosen = np.sort(np.argsort(spread, kind="stable")[:_TRIED])
        for place in chosen.tolist():
            yield self._names[place], self._values[place]


@functools.lru_cache(maxsize=8)
def _spread(rows: int) -> Int64Array:
    """Return a few places, evenly among so many rows."""
    return np.linspace(0, max(0, rows - 1), min(rows, _LOOKED_AT)).astype(np.int64)


def _pack(name: str, leaf: pa.Array, bases: _Bases) -> tuple[dict[str, Any], pa.Array]:
    """Return how a column was packed, and the column; `bases` gathers what to measure from."""
    if leaf.null_count == len(leaf):
        return {"as": "null"}, pa.nulls(len(leaf))
    if _is_whole(leaf.type):
        return _pack_whole(name, leaf.cast(pa.int64()), bases)
    if pa.types.is_string(leaf.type):
        return _pack_text(leaf)
    return {"as": "is"}, leaf


def _pack_whole(name: str, leaf: pa.Array, bases: _Bases) -> tuple[dict[str, Any], pa.Array]:
    mask = np.asarray(leaf.is_null()) if leaf.null_count else None
    filled = leaf if mask is None else leaf.fill_null(0)
    values = filled.to_numpy(zero_copy_only=False).astype(np.int64)
    if len(values) and (values.min() < -_FARTHEST or values.max() > _FARTHEST):
        return {"as": "is"}, leaf  # an infinity: no room for distances
    best = _narrowed(values, mask)
    recipe: dict[str, Any] = {"as": "whole", "from": ""}
    for other, base in bases.near(values):
        if best[0].itemsize == 1:
            break
        tried = _narrowed(values - base, mask)
        if tried[0].itemsize < best[0].itemsize:
            best, recipe["from"] = tried, other
    narrow, low, step = best
    bases.add(name, values)
    recipe |= {"low": low, "step": step}
    if mask is not None or narrow.itemsize == 1:
        return recipe, pa.array(narrow, mask=mask)
    return {**recipe, "turned": True}, pa.array(_turned(narrow).view(narrow.dtype))


def _narrowed(values: Int64Array, mask: NDArray[np.bool_] | None) -> tuple[NDArray[Any], int, int]:
    """Return values as (narrow, low, step): each is low + step × narrow."""
    valid = values if mask is None else values[~mask]
    low = int(valid.min())
    step = int(np.gcd.reduce(valid - low)) or 1
    steps = (values - low) // step
    if mask is not None:
        steps = np.where(mask, 0, steps)
    widest = int(steps.max())
    kind = next(kind for most, kind in _NARROW if widest <= most)
    return steps.astype(kind), low, step


def _pack_text(leaf: pa.Array) -> tuple[dict[str, Any], pa.Array]:
    encoded = leaf.dictionary_encode()
    if len(encoded.dictionary) * 4 <= len(leaf):
        width = next(k for k in _INDICES if len(encoded.dictionary) <= k[0])[1]
        indices = encoded.indices.cast(width)
        return {"as": "index"}, pa.DictionaryArray.from_arrays(indices, encoded.dictionary)
    lengths = pc.unique(pc.binary_length(leaf).drop_null())
    if len(lengths) != 1 or not (width := lengths[0].as_py()):
        return {"as": "is"}, leaf
    narrow = leaf.cast(pa.binary()).cast(pa.binary(width))
    if narrow.null_count:
        return {"as": "bytes"}, narrow
    return {"as": "turned"}, _fixed(_turned(_bytes_of(narrow, width)), width)


def _turned(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of values of one width: the first of each, then the second of each, …"""
    return np.ascontiguousarray(values.view(np.uint8).reshape(len(values), -1).T).ravel()


def _turned_back(content: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(content.reshape(width, -1).T).ravel()


def _bytes_of(array: pa.FixedSizeBinaryArray, width: int) -> NDArray[np.uint8]:
    """Return the values as one row of bytes each."""
    content = np.frombuffer(array.buffers()[1], dtype=np.uint8)
    first = array.offset * width
    return content[first : first + len(array) * width].reshape(len(array), width)


def _fixed(content: NDArray[np.uint8], width: int) -> pa.FixedSizeBinaryArray:
    buffers = [None, pa.py_buffer(content.tobytes())]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(content) // width, buffers)


def _unpack(
    name: str,
    column: pa.Array,
    kind: pa.DataType,
    recipe: dict[str, Any],
    plain: dict[str, Int64Array],
) -> pa.Array:
    match recipe["as"]:
        case "null":
            return pa.nulls(len(column), kind)
        case "bytes":
            return column.cast(pa.binary()).cast(kind)
        case "turned":
            width = column.type.byte_width
            content = _turned_back(_bytes_of(column, width).ravel(), width)
            return _fixed(content, width).cast(pa.binary()).cast(kind)
        case "whole":
            mask = np.asarray(column.is_null())
            narrow = column.fill_null(0).to_numpy(zero_copy_only=False)
            if recipe.get("turned"):
                narrow = _turned_back(narrow.view(np.uint8), narrow.itemsize).view(narrow.dtype)
            steps = narrow.astype(np.int64)
            values = recipe["low"] + recipe["step"] * steps
            if recipe["from"]:
                values = values + plain[recipe["from"]]
            plain[name] = np.where(mask, 0, values)
            return pa.array(values, mask=mask).cast(kind)
        case _:
            return column.cast(kind)
