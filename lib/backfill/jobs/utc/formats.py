"""Formats that people keep dates and times in, to recognise one from its values. Pure."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backfill.utc.wall_text import read_format, read_iso
from backfill.utc.years import years_of

#: Digits that spell a date, by how many they are.
DIGITS = {
    8: "%Y%m%d",
    10: "%Y%m%d%H",
    12: "%Y%m%d%H%M",
    14: "%Y%m%d%H%M%S",
    17: "%Y%m%d%H%M%S%f",
}
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d")
_CLOCKS = (" %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M", " %H.%M", "")
_NAMED = (
    *("%d %b %Y %H:%M", "%d %b %Y %H:%M:%S", "%d-%b-%Y %H:%M", "%d-%b-%Y %H:%M:%S"),
    *("%b %d, %Y %H:%M", "%b %d, %Y %I:%M %p", "%b %d %Y %I:%M %p", "%a %d %b %Y %H:%M"),
    *("%d %b %Y", "%d %B %Y %H:%M", "%B %d, %Y %I:%M %p"),
)
CANDIDATES = (*(f"{date}{clock}" for date in _DATES for clock in _CLOCKS), *_NAMED)
_FIRST_YEAR, _LAST_YEAR = 1900, 2100


def digits_format(texts: pa.Array, *, among: tuple[int, ...] = tuple(DIGITS)) -> str:
    """Return the format in which most values spell a date in digits, empty when they do not."""
    plain = pc.utf8_trim_whitespace(texts.drop_null())
    if not len(plain):
        return ""
    lengths = Counter(pc.utf8_length(plain).to_pylist())
    length = max(lengths, key=lambda n: (lengths[n], n))
    form = DIGITS.get(length, "") if length in among else ""
    return form if form and share_read(plain, form, is_recent=True) > 0.5 else ""


def likely_formats(texts: pa.Array) -> list[str]:
    """Return the formats that read most of the values, those that read as many as any."""
    plain = pc.utf8_trim_whitespace(texts.drop_null())
    if not len(plain):
        return []
    iso = float(np.mean(read_iso(plain).is_valid))
    shares = {form: share_read(plain, form) for form in CANDIDATES}
    digits = digits_format(plain)
    if digits:
        shares[digits] = share_read(plain, digits, is_recent=True)
    best = max(shares.values())
    if best <= max(iso, 0.5):
        return []
    return [form for form, share in shares.items() if share == best]


def share_read(texts: pa.Array, form: str, *, is_recent: bool = False) -> float:
    """Return which share of the values a format reads, of these centuries only if `is_recent`."""
    found = read_format(texts, form)
    is_read = found.is_valid
    if is_recent:
        years = years_of(found.us)
        is_read = is_read & (years >= _FIRST_YEAR) & (years <= _LAST_YEAR)
    return float(np.mean(is_read))
