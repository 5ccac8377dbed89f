"""Wall-clock columns in their encodings, as microseconds since 1970 read as if they were UTC."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.errors import PreflightError
from backfill.rows.columns import ColumnType
from backfill.rows.values import Int64Array


class Encoding(StrEnum):
    """How a wall-clock column writes a local date and time."""

    AUTO = "auto"
    TIMESTAMP = "timestamp"
    EPOCH_MS = "epoch_ms"
    EPOCH_S = "epoch_s"
    ISO_TEXT = "iso_text"


_BY_TYPE = {
    ColumnType.BIGINT: (Encoding.EPOCH_MS, Encoding.EPOCH_S),
    ColumnType.TIMESTAMP: (Encoding.TIMESTAMP,),
    ColumnType.TEXT: (Encoding.ISO_TEXT,),
}
_FACTOR = {Encoding.EPOCH_MS: 1_000, Encoding.EPOCH_S: 1_000_000}
# Date, `T` or a blank, time; no offset inside: that would not be wall-clock time.
_ISO = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?$"


@dataclass(frozen=True, slots=True)
class WallTimes:
    """One entry per row; `us` is 0 where NULL or not valid."""

    us: Int64Array
    is_null: NDArray[np.bool_]
    is_valid: NDArray[np.bool_]


def resolve_encoding(declared: Encoding, column: str, column_type: ColumnType) -> Encoding:
    """Return a column's encoding; raise `PreflightError` when its type can not hold it."""
    possible = _BY_TYPE.get(column_type, ())
    if declared is Encoding.AUTO and possible:
        return possible[0]
    if declared not in possible:
        raise PreflightError(
            f"Column {column} is {column_type}: it can not hold wall times as {declared}. "
            f"Use --encoding {' or '.join(possible) or 'auto'}."
        )
    return declared


def read_wall(values: pa.Array, encoding: Encoding) -> WallTimes:
    """Return wall times in microseconds; integers only, so that milliseconds survive exactly.

    Infinity, numbers that do not fit and text that is no date are not valid; the caller checks
    the range of years.
    """
    is_null = np.asarray(values.is_null())
    if encoding is Encoding.ISO_TEXT:
        return _read_text(values, is_null)
    numbers = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    factor = _FACTOR.get(encoding, 1)
    limit = np.iinfo(np.int64).max // factor - 1
    is_valid = (numbers >= -limit) & (numbers <= limit)
    us = np.where(is_valid, numbers, 0) * factor
    return WallTimes(us, is_null, is_valid | is_null)


def _read_text(values: pa.Array, is_null: NDArray[np.bool_]) -> WallTimes:
    trimmed = pc.utf8_trim_whitespace(values)
    matches = np.asarray(pc.match_substring_regex(trimmed, _ISO).fill_null(False))
    us = np.zeros(len(values), dtype=np.int64)
    is_valid = is_null.copy()
    for row in np.flatnonzero(matches):
        try:
            us[row] = np.datetime64(str(trimmed[row]).replace(" ", "T"), "us").astype(np.int64)
            is_valid[row] = True
        except ValueError:
            continue  # 2025-02-30: well formed, but no date
    return WallTimes(us, is_null, is_valid)
