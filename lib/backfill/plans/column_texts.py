"""Values as the texts that one column of a table is given."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from backfill.rows.texts import array_texts, texts_of
from backfill.server.catalog_columns import CatalogColumn

_WHOLE = ("int2", "int4", "int8", "oid")


def column_texts(values: pa.Array | pa.ChunkedArray, column: CatalogColumn) -> pa.Array:
    """Return values as texts for their column: JSON, bytes, arrays and whole numbers as it has
    them."""
    texts = texts_of(values, as_json=column.is_json, as_bytes=column.kind == "bytea")
    if pa.types.is_decimal(values.type) and column.kind in _WHOLE:  # 5.00 is 5; 5.50 is refused
        return pc.replace_substring_regex(texts, r"[.]0+$", "")
    return array_texts(texts) if column.kind.startswith("_") else texts
