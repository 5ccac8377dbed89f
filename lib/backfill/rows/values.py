"""What the values of a table's columns are here: Arrow types, and arrays of whole numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backfill.rows.columns import ColumnType

Int64Array = npt.NDArray[np.int64]

_ARROW = {
    ColumnType.BIGINT: pa.int64(),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
    ColumnType.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
    ColumnType.TEXT: pa.string(),
    ColumnType.JSONB: pa.string(),
}


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
