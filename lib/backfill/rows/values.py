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
