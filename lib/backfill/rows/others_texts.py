"""Values as other programs write them: whole numbers with a point, numbers as countries and sheets
dress them, words for no value at all."""

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
