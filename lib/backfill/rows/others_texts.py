"""Values as other programs write them: whole numbers with a point, numbers as countries and sheets
dress them, dates of which nobody can know whether day or month comes first (01/02/2026) or what
their number counts (1612121212), moments that may be two (10:00 UTC+1), words for no value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from backfill.rows.values import places_of

#: Types, as the catalog names them, of whole numbers; then of all.
WHOLE = ("int2", "int4", "int8", "oid")
_NUMBERS = (*WHOLE, "numeric", "float4", "float8", "money")
#: Those that read 01/02/2026 as month first and say nothing.
DATES = ("date", "timestamp", "timestamptz")
#: Types of texts, of which any is a value.
TEXTS = ("text", "varchar", "bpchar", "citext")
#: What is written for no value: by databases, sheets, Python, R and pandas' `astype(str)`.
_NO_VALUES = (
    *("NULL", "null", "\\N", "None", "NaN", "nan", "NaT", "<NA>", "NA", "N/A", "n/a"),
    *("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!"),
)
#: A number with a comma, blanks, an apostrophe, a sign of money or a per cent.
_DRESSED = re.compile(r"(?!\s*[-+]?\d+(?:[.]\d*)?\s*$)\D{0,5}\d[\d.,'’_\s]*\D{0,5}")
_DICT = re.compile(r'\s*\{\s*(?:"[^"]*"\s*:|\}$)')
_LISTED = re.compile(r"(?s)\s*(?:\{.*\}|\[.*\])\s*$")
#: A comma that can not divide thousands. The type money takes out each one it finds.
_DECIMAL_COMMA = r",(?:\d{0,2}|\d{4,})(?:\D|$)"
#: Behind a time of the day: an offset in digits, or a zone's name, which may stand before the year.
_OFFSET = (
    r":\d\d[.\d]*\s*(?:[AaPp][Mm])?\s*(?:[-+]\d|[A-Za-z]{3})|T\d{4,6}[.\d]*\s*[-+]\d"
    r"|\d\s*(?:[AaPp][Mm]\s+)?(?:[Zz]|[A-Za-z]{3,}[\w+-]*(?:/[\w+-]+)*)\s*(?:[AaBb][CcDd])?\s*$"
)
#: Zones that PostgreSQL's own lists mark as those of more than one country.
_SHARED = (
    r"(?i)(?:\d|[AP]M)\s*"
    r"(?:ACST|AMST|AMT|AST|BST|CDT|CST|EAST|EST|GST|IST|NFT|PST|SAST|WST)(?:\s|$)"
)
#: Behind a day and a month: a year in two digits, and no hour.
_SHORT_YEAR = (
    r"(?i)^\D*(?:\d{1,2}[-/.,_\s]+(?:\d{1,2}|[a-z]{3,})|[a-z]{3,}[-/.,_\s]+\d{1,2})[-/.,_\s]+"
    r"\d{1,2}(?:[^-\d:./_]|$)"
)
_CLOCKS = ("time", "timetz")
#: By type, what it reads in one of several ways, and in which.
_READ_AS = (
    (
        *((*DATES, *_CLOCKS), r"(?i)\b(?:now|today|tomorrow|yesterday)\b"),
        "is as of the making of this plan",
    ),
    (
        *(DATES, _SHORT_YEAR),
        "names a year in two digits: 70 to 99 are read as 1970 to 1999, others as of 2000",
    ),
    (
        *(("timestamptz", "timetz"), _SHARED),
        "names a zone of several countries: read as PostgreSQL knows it",
    ),
    (_CLOCKS, r"^[^:]*\d[^:]*$", "names no colon: read as hours, minutes and seconds"),
    (("interval",), r"^\s*[-+]?\d+([.]\d*)?\s*$", "names no unit: read as seconds"),
    (("interval",), r"^\s*[-+]?\d+-\d+\s*$", "names no unit: read as years and months"),
    (("inet", "cidr"), r"^\d+(\.\d+){0,2}(/|$)", "has not all four numbers: the others become 0"),
    (("bytea",), r"^([^\\]|\\[^x])", "is no hex, like \\x00ff: the bytes of that text are stored"),
    (("numeric", "float4", "float8"), r"(?i)^nan$", "is a number here, no NULL"),
    (
        (*TEXTS, "numeric"),
        r"^-?\d([.,]\d+)?E\+\d\d$",
        "may be what a sheet has made of a longer number",
    ),
    (
        TEXTS,
        r"\x{FFFD}|[ÃÂ][\x{80}-\x{BF}]|â€",
        "seems to be decoded wrongly: are its letters right?",
    ),
)


def wholes(texts: pa.Array) -> pa.Array:
    """Return texts for a column of whole numbers: 5.00 is 5, as who has gaps writes it.

    5.50 stays as it is, and is refused.
    """
    return pc.replace_substring_regex(texts, r"^(\s*[-+]?\d+)[.]0+(\s*)$", r"\1\2")


def has_commas(texts: pa.Array, kind: str) -> list[int]:
    """Return the places of amounts of money that would become a hundred times as much, or 0."""
    if kind != "money":
        return []
    return places_of(pc.match_substring_regex(texts, rf"{_DECIMAL_COMMA}|^\D*$"))


def remarkable(texts: pa.Array, kind: str) -> Iterator[tuple[pa.Array, str]]:
    """Yield which texts a column of that kind reads in a way that not everybody means, and how.

    Our sessions take a moment without an offset as UTC.
    """
    for kinds, pattern, says in _READ_AS:
        if kind in kinds:
            yield pc.match_substring_regex(texts, pattern), says
    if kind in ("timestamptz", "timetz"):
        has_offset = pc.match_substring_regex(texts, _OFFSET)
        is_bare = pc.and_not(pc.match_substring_regex(texts, r"\d"), has_offset)
        yield is_bare, "names no offset: read as UTC"
    if kind in TEXTS:
        yield pc.is_in(texts, pa.array(_NO_VALUES)), "is a text here, no NULL"


def how_written(kind: str, text: str) -> str:
    """Return how a value is to be written, of a text that was refused: a number in other clothes,
    or what a list or a dict becomes, for a type that takes none."""
    takes_lists = kind.startswith("_") or "range" in kind
    if kind not in (*TEXTS, "json", "jsonb") and (_DICT if takes_lists else _LISTED).match(text):
        return (
            "; no list or dict is taken here, but the text that SELECT shows of such a value, like "
            '(x,1) of a composite, "a"=>"1" of hstore'
        )
    is_blank = kind == "money" and not re.search(r"\d", text)
    if kind not in _NUMBERS or not (is_blank or _DRESSED.fullmatch(text)):
        return ""
    return "; write numbers with digits and a point alone, like 1234.50"


_DAY_OR_MONTH = (
    r"(?:^|[^-\d.:/_])(?P<one>\d{1,2})[-/._,\s]+(?P<other>\d{1,2})[-/._,\s]+\d{1,4}(?:[^\d:]|$)"
)
#: Digits alone are a date where they are eight; six may be of any order, more are a moment's count.
_COUNTS = r"^\s*[-+]?(?:\d{1,7}|\d{9,}|\d+[.]\d*)\s*$"
_COUNT = re.compile(_COUNTS)
#: A zone's letters and a number: by POSIX, and so by the server, west of Greenwich (10:00 UTC+1 is
#: 11:00 UTC), and almost never meant so. Months look alike.
_BY_POSIX = r"(?:^|[\s\d.])[A-Za-z]{3,}(?:[-+][0:]*[1-9]|[1-9]\d?(?:\s|$))"
_MONTH = r"(?i)(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[-.,/\s]*\d"
_AT_A_PLACE = re.compile(
    r"\s*(\d{4})-?(\d\d?)-?(\d\d?)[T\s]+(\d\d?):?(\d\d)[:.\d]*\s*([A-Za-z_]+(?:/[\w+-]+)+)\s*"
)


def are_untold(texts: pa.Array, kind: str) -> list[int]:
    """Return the places of texts, for a column of that kind, that are one date with the day first
    and another without, no date but a number, or a moment that may be two, or none."""
    found = set(places_of(_untold(texts)) if kind in DATES else ())
    if kind in ("timestamptz", "timetz"):
        found.update(places_of(_matches(pc.replace_substring_regex(texts, _MONTH, ""), _BY_POSIX)))
        placed = places_of(_matches(texts, r"[A-Za-z]/[A-Za-z]"))
        found.update(row for row in placed if _is_twice_or_never(texts[row].as_py()))
    return sorted(found)


def _matches(texts: pa.Array, pattern: str) -> pa.Array:
    return pc.match_substring_regex(texts, pattern).fill_null(fill_value=False)


def _is_twice_or_never(text: str) -> bool:
    """Whether the clocks of the place that is named are set back or on at that time."""
    if not (parts := _AT_A_PLACE.fullmatch(text)):
        return False
    year, month, day, hour, minute = map(int, parts.groups()[:5])
    try:
        wall = datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(parts[6]))
    except (ValueError, KeyError, OSError):  # the server has its own words for it
        return False
    return wall.utcoffset() != wall.replace(fold=1).utcoffset()


def _untold(texts: pa.Array) -> pa.Array:
    counts = _matches(texts, _COUNTS)
    matched = pc.match_substring_regex(texts, _DAY_OR_MONTH)
    if not pc.any(matched).as_py():
        return counts
    parts = pc.extract_regex(texts, _DAY_OR_MONTH)
    one, other = (pc.struct_field(parts, name).cast(pa.int8()) for name in ("one", "other"))
    both = pc.and_(pc.less_equal(one, 12), pc.less_equal(other, 12))
    either = pc.and_(both, pc.not_equal(one, other)).fill_null(fill_value=False)
    return pc.or_(counts, either)


_PART_OF_DATE = re.compile(
    r"(?i)(.*?)_?(?:(year|yr|yyyy|jahr|annee|anno)|(month|mon|mm|monat|mois|mese)"
    r"|(day|dy|dd|mday|tag|jour|giorno))"
)


def dates_in_parts(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return which columns are year, month and day of one date by their names: dep_year, …"""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        if form := _PART_OF_DATE.fullmatch(name):
            found.setdefault(form[1].lower(), {}).setdefault(form.lastindex or 0, name)
    return [(parts[2], parts[3], parts[4]) for parts in found.values() if len(parts) == 3]


def how_untold(text: str) -> str:
    if _COUNT.match(text):
        return (
            f"{text!r} is a number: of what, and since when, nobody can know: write dates like "
            "2026-01-31"
        )
    if _is_twice_or_never(text):
        return f"{text!r} is there twice, or never: write its offset, like +02:00"
    if not re.search(_DAY_OR_MONTH, text):
        return (
            f"{text!r}: behind letters the server takes + for west of Greenwich, most people for "
            "east: write the offset alone, like +02:00"
        )
    return f"{text!r} may have the day first, or the month: write dates like 2026-01-31"
