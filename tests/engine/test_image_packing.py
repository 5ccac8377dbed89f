"""Images of wide tables: packed as small as before, in a time that grows with their columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from backfill.rows import image
from backfill.rows.image import pack_rows, unpack_rows
from backfill.rows.values import Int64Array


def test_of_a_wide_table_few_columns_are_tried_and_the_right_one_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = np.random.default_rng(3)
    walls = [source.integers(10**15, 2 * 10**15, 200) * 60 for _ in range(60)]
    rows = pa.table({f"{n}": pa.array(w) for n, w in enumerate(walls)})
    for number, wall in enumerate(walls):
        offset = source.choice([3_600, 7_200], 200)
        rows = rows.append_column(f"{number} utc", pa.array(wall - offset))
    tried: list[int] = []
    narrowed = image._narrowed

    def counted(values: Int64Array, mask: NDArray[np.bool_]) -> tuple[NDArray[Any], int, int]:
        tried.append(len(values))
        return narrowed(values, mask)

    monkeypatch.setattr(image, "_narrowed", counted)
    packed = pack_rows(rows)

    assert unpack_rows(packed).equals(rows)
    assert len(tried) <= 13 * rows.num_columns
    assert all(column.type == pa.int8() for column in packed.columns[60:])
