"""Dates as texts of which nobody can know whether day or month comes first: 01/02/2026."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

#: Types, as the catalog names them, that read such a text as month first and say nothing.
DATES = ("date", "timestamp", "timestamptz")
_NUMBERS = r"^\s*(?P<one>\d{1,2})[-/.](?P<other>\d{1,2})[-/.]\d{2,4}(?:\D|$)"


def are_untold(texts: pa.Array) -> list[int]:
    """Return the places of texts that are one date with the day first and another without."""
    matched = pc.match_substring_regex(texts, _NUMBERS)
    if not pc.any(matched).as_py():
        return []
    parts = pc.extract_regex(texts, _NUMBERS)
    one, other = (pc.struct_field(parts, name).cast(pa.int8()) for name in ("one", "other"))
    both = pc.and_(pc.less_equal(one, 12), pc.less_equal(other, 12))
    places = pc.indices_nonzero(pc.and_(both, pc.not_equal(one, other)).fill_null(False))
    return [int(place) for place in places.to_pylist()]


def how_untold(text: str) -> str:
    return f"{text!r} may have the day first, or the month: write dates like 2026-01-31"
