"""Offsets from UTC that a table keeps row by row: in place of a zone, or to tell folds apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.rows.values import Int64Array, field_of, named
from backfill.utc.described import HHMM_SECONDS, Offset
from backfill.utc.wall import parts_of
from backfill.utc.wall_text import digits

_MOST_SECONDS = 18 * 3_600
_MOST_US = _MOST_SECONDS * 1_000_000
#: Without a colon all digits are there, or hours behind a sign: 120 would be two hours or 1:20.
_CLOCK = (
    r"^(?i:UTC|GMT)?\s*(?:"
    r"(?P<s>[+-]?)(?:(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<c>\d{2})(?:\.0+)?)?"
    r"|(?P<h2>\d{2})(?P<m2>\d{2})(?P<c2>\d{2})?)"
    r"|(?P<s3>[+-])(?P<h3>\d{1,2}))$"
)
_MINUS = "[\u2212\u2012\u2013]"  # as typography has it


@dataclass(frozen=True, slots=True)
class RowOffsets:
    """One entry per row, in microseconds east of UTC; 0 where there is none."""

    us: Int64Array
    is_valid: NDArray[np.bool_]


def read_offsets(rows: pa.Table, offset: Offset) -> RowOffsets:
    """Return the offsets of extracted rows; beyond 18 hours they are not valid."""
    values = field_of(rows, "source", offset.column)
    if pa.types.is_integer(values.type):
        numbers = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        us, is_valid = _counted(numbers, offset.unit_seconds)
        is_valid &= np.abs(us) <= _MOST_US
    else:
        us, is_valid = _of_texts(values, offset.unit_seconds)
    is_valid = is_valid & np.asarray(values.is_valid())
    return RowOffsets(np.where(is_valid, us, 0), is_valid)


def _counted(numbers: Int64Array, unit_seconds: int) -> tuple[Int64Array, NDArray[np.bool_]]:
    is_valid = (numbers >= -_MOST_SECONDS) & (numbers <= _MOST_SECONDS)
    numbers = np.where(is_valid, numbers, 0)
    if abs(unit_seconds) == HHMM_SECONDS:
        hours, minutes = np.divmod(np.abs(numbers), 100)
        is_valid &= minutes < 60
        numbers = np.sign(numbers) * (hours * 60 + minutes)
        unit_seconds = 60 if unit_seconds > 0 else -60
    return numbers * (unit_seconds * 1_000_000), is_valid


def _of_texts(values: pa.Array, unit_seconds: int) -> tuple[Int64Array, NDArray[np.bool_]]:
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    if unit_seconds:
        is_number, is_west, whole, parts = parts_of(texts, most=9, behind=6)
        us, is_valid = _counted(digits(whole), unit_seconds)
        us += parts * unit_seconds
        return np.where(is_west, -us, us), is_valid & is_number & (np.abs(us) <= _MOST_US)
    texts = pc.replace_substring_regex(texts, _MINUS, "-")
    texts = pc.if_else(
        pc.is_in(pc.ascii_upper(texts), pa.array(["Z", "UTC", "GMT"])), "+00:00", texts
    )
    groups = pc.extract_regex(texts, _CLOCK)
    group = dict(zip((field.name for field in groups.type), groups.flatten(), strict=True))
    hours = digits(group["h"]) + digits(group["h2"]) + digits(group["h3"])
    minutes = digits(group["m"]) + digits(group["m2"])
    seconds = digits(group["c"]) + digits(group["c2"])
    us = (hours * 3600 + minutes * 60 + seconds) * 1_000_000
    signs = (group["s"].fill_null(""), group["s3"].fill_null(""))
    is_west = np.asarray(pc.equal(pc.binary_join_element_wise(*signs, ""), "-").fill_null(False))
    is_valid = np.asarray(groups.is_valid()) & (minutes < 60) & (seconds < 60)
    is_valid &= np.abs(us) <= _MOST_US
    return np.where(is_west, -us, us), is_valid


def labels_of(offset_us: Int64Array, is_free: NDArray[np.bool_]) -> pa.Array:
    """Return offsets as text, like +05:30, NULL where the row has none of its own."""
    offsets, inverse = np.unique(offset_us, return_inverse=True)
    texts = [offset_text(int(us)) for us in offsets]
    return named(inverse, texts, ~is_free)


def offset_text(us: int) -> str:
    """Return an offset as text, like +05:30; with its seconds, where it has some."""
    minutes, seconds = divmod(abs(us) // 1_000_000, 60)
    tail = f":{seconds:02}" if seconds else ""
    return f"{'-' if us < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}{tail}"
