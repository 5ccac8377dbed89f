"""What the values of a table's columns are here: Arrow types, whole numbers, names by code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from backfill.rows.columns import Column, ColumnType

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_ARROW = {
    ColumnType.BIGINT: pa.int64(),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
    ColumnType.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
    ColumnType.TEXT: pa.string(),
    ColumnType.JSONB: pa.string(),
}


def struct_type(columns: Iterable[Column]) -> pa.StructType:
    """Return the Arrow type of a struct of columns: a change's `source`, `before` and `after`."""
    return pa.struct([pa.field(column.name, arrow_type(column.type)) for column in columns])


def arrow_type(column_type: ColumnType) -> pa.DataType:
    """Return the Arrow type of a column in plans, images and staging."""
    return _ARROW[column_type]


def schema_of_changes(source: pa.DataType, state: pa.DataType, why: pa.DataType) -> pa.Schema:
    """Return the columns of a plan's changes; `state` is that of the targets before and after."""
    texts = ("key", "scope", "kind", "rule", "warnings")
    return pa.schema(
        [
            pa.field("position", pa.int64()),
            *(pa.field(name, pa.string()) for name in texts),
            pa.field("source", source),
            pa.field("before", state),
            pa.field("after", state),
            pa.field("why", why),
        ]
    )


def in_one(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column's values as one array."""
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def field_of(rows: pa.Table, struct: str, name: str) -> pa.Array:
    """Return a field of a column of structs."""
    # In a list: alone, a name that begins with a dot would be a path.
    return in_one(pc.struct_field(rows.column(struct), [name]))


def places_of(mask: pa.Array | pa.ChunkedArray) -> list[int]:
    """Return where a mask is true; NULL is not."""
    return [int(place) for place in pc.indices_nonzero(mask).to_pylist()]


def with_fields(
    rows: pa.Table, struct: str, values: Mapping[str, Sequence[str | int | None]]
) -> pa.Table:
    """Return rows in which a column of structs has other values in the fields that are named.

    They are as they travel: numbers as int64, all else as text.
    """
    column = in_one(rows.column(struct))
    fields = list(column.type)
    parts = [
        pa.array(values[field.name]).cast(field.type) if field.name in values else part
        for field, part in zip(fields, column.flatten(), strict=True)
    ]
    place = rows.column_names.index(struct)
    return rows.set_column(
        place, rows.field(place), pa.StructArray.from_arrays(parts, fields=fields)
    )


def named(
    codes: npt.NDArray[Any], names: Sequence[str], is_none: BoolArray | None = None
) -> pa.Array:
    """Return the name that each code is the place of, NULL where there is none."""
    places = pa.array(codes.astype(np.int64), mask=is_none)
    return pa.DictionaryArray.from_arrays(places, pa.array(names, pa.string())).cast(pa.string())


def to_dataframe(rows: pa.Table) -> Any:
    """Return rows as a dataframe; struct columns are spread as `after.…`.

    Whole numbers and booleans come in pandas' own nullable types, so that a missing one is `<NA>`
    and 2**53 + 1 is not rounded; everything else as pyarrow hands it out.
    """
    import pandas as pd

    nullable = {
        **{pa.int8(): pd.Int8Dtype(), pa.int16(): pd.Int16Dtype()},
        **{pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()},
        pa.bool_(): pd.BooleanDtype(),
    }
    return rows.flatten().to_pandas(types_mapper=nullable.get)
