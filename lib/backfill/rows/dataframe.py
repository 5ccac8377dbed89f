"""Arrow rows as a pandas dataframe that keeps their types: whole numbers stay whole."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


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
