"""Formats that people keep dates and times in, to recognise one from its values. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backfill.utc.month_names import LANGUAGES, english_patterns
from backfill.utc.wall import spelt_in_english
from backfill.utc.wall_format import pattern_of
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
_DATES = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y", "%Y-%m-%d", "%Y%m%d", "%G-W%V-%u"),
    *("%d %b %Y", "%d. %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %d %Y"),
    *("%a %d %b %Y", "%a, %d %b %Y", "%a %b %d %Y", "%a, %b %d, %Y", "%Y %b %d"),
)
_HOURS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%H.%M", "%H.%M.%S", "%H.%M.%S.%f", "%H%M", "%H%M%S")
_HALVES = ("%I:%M %p", "%I:%M:%S %p", "%I %p", "%I.%M.%S.%f %p", "%I:%M:%S.%f %p")
_BETWEEN = (" ", ", ", "T", "-", "_", ":")
_CLOCKS = (
    *(f"{sign}{clock}" for sign in (" ", ", ", " at ") for clock in _HALVES),
    *(f"{sign}{clock}" for sign in _BETWEEN for clock in _HOURS),
)
_TURNED = ("%a %b %d %H:%M:%S %Y", "%H:%M %d/%m/%Y", "%H:%M %d.%m.%Y", "%H:%M:%S %d/%m/%Y")
#: Formats are tried on so many values first: nearly all of them read none.
_FEW_VALUES = 40
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


def likely_formats(texts: pa.Array, *, read_otherwise: float | None = None) -> list[str]:
    """Return the formats that read most of the values, those that read as many as any.

    None where they are no better than ISO 8601, or than what reads the share `read_otherwise`.
    """
    plain = pc.utf8_trim_whitespace(texts.drop_null())
    plain = plain.filter(pc.not_equal(plain, ""))
    if not len(plain):
        return []
    iso = float(np.mean(read_iso(plain).is_valid)) if read_otherwise is None else read_otherwise
    if iso == 1:
        return []
    few = plain.take(np.linspace(0, len(plain) - 1, min(len(plain), _FEW_VALUES)).astype(int))
    shares = {form: share_read(plain, form) for form in _candidates(few.to_pylist())}
    digits = digits_format(plain)
    if digits:
        shares[digits] = share_read(plain, digits, is_recent=True)
    best = max(shares.values(), default=0.0)
    if best <= max(iso, 0.5):
        return []
    return [form for form, share in shares.items() if share == best]


def likely_in_words(texts: pa.Array, english: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """Return (format, language) of texts whose months another language reads better than English.

    `english` is what `likely_formats` says of them, where that is known already. Languages that
    read as many are all there: Danish and Swedish months are nearly alike.
    """
    plain = pc.utf8_trim_whitespace(texts.drop_null())
    has_words = pc.match_substring_regex(plain, r"\pL{3}")
    if not len(plain) or pc.sum(has_words).as_py() * 2 <= len(plain):
        return []
    english = likely_formats(plain) if english is None else english
    least = share_read(plain, english[0]) if english else 0.0
    likely: list[tuple[float, str, str]] = []
    for language in LANGUAGES if least < 1 else ():
        # A month that only English has is none of the language's, however well it is read.
        words = "|".join(f"(?:{pattern})" for pattern, _english in english_patterns(language))
        is_own = pc.match_substring_regex(plain, words)
        spelt = pc.if_else(is_own, spelt_in_english(plain, language), "")
        forms = likely_formats(spelt)
        likely += [(share_read(spelt, forms[0]), forms[0], language)] if forms else []
    best = max((share for share, _form, _language in likely), default=0.0)
    return [(form, language) for share, form, language in likely if share == best > least]


def _candidates(few: Sequence[str]) -> Iterator[str]:
    """Yield the formats that a quarter of a few values look like: dates first, then clocks."""

    def fits(form: str, ending: str) -> bool:
        pattern = re.compile(pattern_of(form).removesuffix("$") + ending)
        return sum(pattern.match(text) is not None for text in few) * 4 >= len(few)

    for date in _DATES:
        if fits(date, ""):
            yield from (form for clock in ("", *_CLOCKS) if fits(form := f"{date}{clock}", "$"))
    yield from (form for form in _TURNED if fits(form, "$"))


def share_read(texts: pa.Array, form: str, *, is_recent: bool = False) -> float:
    """Return which share of the values a format reads, of these centuries only if `is_recent`."""
    times = read_format(texts, form)
    is_read = times.is_valid
    if is_recent:
        years = years_of(times.us)
        is_read = is_read & (years >= _FIRST_YEAR) & (years <= _LAST_YEAR)
    return float(np.mean(is_read))
