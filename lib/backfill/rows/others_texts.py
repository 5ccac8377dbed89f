"""Values as other programs write them: whole numbers with a point, numbers as countries and sheets
dress them, dates of which nobody can know whether day or month comes first (01/02/2026), words for
no value at all."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

#: Types, as the catalog names them, of whole numbers; then of all.
WHOLE = ("int2", "int4", "int8", "oid")
_NUMBERS = (*WHOLE, "numeric", "float4", "float8")
#: What is written for no value: by databases, sheets, Python and pandas' `astype(str)`.
NO_VALUES = pa.array(["NULL", "null", "\\N", "#N/A", "NaN", "nan", "None", "NaT", "<NA>"])
#: A number with a comma, blanks, an apostrophe, a sign of money or a per cent.
_DRESSED = re.compile(r"(?!\s*[-+]?\d+(?:[.]\d*)?\s*$)\D{0,5}\d[\d.,'’_\s]*\D{0,5}")


def wholes(texts: pa.Array) -> pa.Array:
    """Return texts for a column of whole numbers: 5.00 is 5, as who has gaps writes it.

    5.50 stays as it is, and is refused.
    """
    return pc.replace_substring_regex(texts, r"^(\s*[-+]?\d+)[.]0+(\s*)$", r"\1\2")


def how_written(kind: str, text: str) -> str:
    """Return how a number is to be written, of a text that is one in other clothes."""
    if kind not in _NUMBERS or not _DRESSED.fullmatch(text):
        return ""
    return "; write numbers with digits and a point alone, like 1234.50"


#: Types, as the catalog names them, that read such a text as month first and say nothing.
DATES = ("date", "timestamp", "timestamptz")
_DAY_OR_MONTH = r"^\s*(?P<one>\d{1,2})[-/.](?P<other>\d{1,2})[-/.]\d{2,4}(?:\D|$)"


def are_untold(texts: pa.Array) -> list[int]:
    """Return the places of texts that are one date with the day first and another without."""
    matched = pc.match_substring_regex(texts, _DAY_OR_MONTH)
    if not pc.any(matched).as_py():
        return []
    parts = pc.extract_regex(texts, _DAY_OR_MONTH)
    one, other = (pc.struct_field(parts, name).cast(pa.int8()) for name in ("one", "other"))
    both = pc.and_(pc.less_equal(one, 12), pc.less_equal(other, 12))
    places = pc.indices_nonzero(pc.and_(both, pc.not_equal(one, other)).fill_null(False))
    return [int(place) for place in places.to_pylist()]


def how_untold(text: str) -> str:
    return f"{text!r} may have the day first, or the month: write dates like 2026-01-31"
