"""One stored wall-clock value as a naive datetime, whatever its column's encoding."""

from __future__ import annotations

import datetime as dt
from typing import Any

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=None)  # noqa: DTZ001  a wall time has no zone


def local_time(value: Any, encoding: str) -> dt.datetime | None:
    """Return the wall time, None for NULL.

    Raises:
        ValueError: text that is no date.
        OverflowError: a number beyond years 1 to 9999.
    """
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, str):
        return dt.datetime.fromisoformat(value.strip())
    if isinstance(value, int):
        unit = dt.timedelta(seconds=1) if encoding == "epoch_s" else dt.timedelta(milliseconds=1)
        return _EPOCH + value * unit
    return None
