"""The date of a screen: day and month as written, the year by weekday, ISO week and nearness."""

from __future__ import annotations

import datetime as dt
import functools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backfill.ocr import limits
from backfill.ocr.text.cells import Cell
from backfill.ocr.text.day_names import (
    TOKEN,
    day_of,
    find_apart,
    index_of,
    is_day_first,
    relative_words,
    weekday_of,
)
from backfill.ocr.text.noise import plain, words_of

FAR_DATE, WEEK_CONTRADICTS = "far_date", "week_contradicts"

# 2025-08-22, its hyphens perhaps unread; 22.8. or 22.8.2025; 22/8/2025.
_ISO = re.compile(r"\b(20\d{2})[- ]{1,2}(\d{2})[- ]{1,2}(\d{2})\b")
_DOTTED = re.compile(r"\b(\d{1,2})\.\s?(\d{1,2})\.?(?:\s?(20\d{2}))?(?!\d)")
_SLASHED = re.compile(r"\b(\d{1,2})/(\d{1,2})(?:/(20\d{2}))?(?!\d)")
_WEEK = re.compile(
    r"\b(?:week|vecka|veoka|uge|uke|viikko|woche|kw|v{1,2})\W{0,2}\s*([0-5]?\d)\b", re.IGNORECASE
)
# I dag, i morgon, i går.
_TWO_WORDS = re.compile(r"\bi (?=dag|mor|gar|over)")
# A day's number, or what OCR makes of one digit.
_HOLDS_DAY = re.compile(r"\d|\b[OolISB]{1,2}\b")


@dataclass(frozen=True, slots=True)
class DateEvidence:
    """What one image says of its date; `weekday` 0 = Monday, None where it says nothing.

    `is_either_way`: day and month are digits and may stand the other way round (3/11).
    """

    day: int
    month: int
    weekday: int | None = None
    year: int | None = None
    iso_week: int | None = None
    text: str = ""
    confidence: float = 100.0
    bottom: float = 0.0
    is_either_way: bool = False


@dataclass(frozen=True, slots=True)
class ResolvedDate:
    """A date with its year, and what a person should know about how it was decided.

    `doubts` are what nobody but a person can settle.
    """

    date: dt.date
    warnings: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionDate:
    """The date all images of a session share; `inherited` of them had none of their own."""

    date: dt.date
    inherited: int
    image_dates: tuple[dt.date | None, ...]
    warnings: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


class DateFailure(Exception):
    """No date, an impossible one, or two different ones; fails the session at stage `date`."""


def find_date(cells: Sequence[Cell]) -> DateEvidence | None:
    """Return the date header's evidence: the one with a weekday, then the largest text, wins.

    `cells` are those of `lines_of`.
    """
    found = [(evidence, cell) for cell in cells if (evidence := _read_header(cell.text))]
    if all(evidence.weekday is None for evidence, _cell in found):
        usual = statistics.median(cell.height for cell in cells) if cells else 0.0
        tall = [cell for cell in cells if cell.height >= usual]
        wrapped = [cell for upper in tall if (cell := _wrapped(upper, tall))]
        found += [(evidence, cell) for cell in wrapped if (evidence := _read_header(cell.text))]
    if not found:
        apart = find_apart(cells)
        return DateEvidence(*apart) if apart else None
    evidence, header = max(
        found, key=lambda pair: (pair[0].weekday is not None, pair[1].height, -pair[1].top)
    )
    week_cell = _week_cell(cells, header)
    week = _WEEK.search(week_cell.text) if week_cell else None
    number = int(week[1]) if week and 1 <= int(week[1]) <= 53 else None
    bottom = max(header.bottom, week_cell.bottom if week_cell else 0)
    return replace(
        evidence, iso_week=number, text=header.text, confidence=header.confidence, bottom=bottom
    )


def shows_other_day(cells: Sequence[Cell], evidence: DateEvidence) -> bool:
    """Whether cells name a day that is not the evidence's: another date, another day's name.

    Names on one line as a strip of the week has them say nothing.
    """
    if _holds_other_day(evidence):
        return True
    cells = [cell for cell in cells if cell.text != evidence.text]
    relative = [cell for cell in cells if plain(cell.text) in words_of("other_days")]
    # "Visar data från igår" above the heading; one of the days to choose from stands there, too.
    if any(cell.top > evidence.bottom for cell in relative) or any(map(_is_of_other_day, cells)):
        return True
    for cell in cells:
        found = _read_header(cell.text)
        if found and (found.day, found.month) != (evidence.day, evidence.month):
            return True
    begun = [cell for cell in cells if weekday_of(cell.words[0].text) is not None]
    apart = [
        cell
        for cell in begun
        if sum(abs(other.middle - cell.middle) < cell.height for other in begun)
        < limits.STRIP_NAMES
    ]
    named = {day for cell in apart if (day := _named_day(cell)) is not None}
    firsts = {weekday_of(cell.words[0].text) for cell in apart}
    return bool(named - {evidence.weekday}) or len(firsts) >= limits.STRIP_NAMES - 1


def _holds_other_day(evidence: DateEvidence) -> bool:
    """Whether a heading names another day behind its own: two columns with one heading each."""
    tokens = TOKEN.findall(evidence.text)
    days = [at for at, token in enumerate(tokens) if at and weekday_of(token) is not None]
    later = (_read_names(tokens[at:]) for at in days)
    return any(f and (f.day, f.month) != (evidence.day, evidence.month) for f in later)


def _is_of_other_day(cell: Cell) -> bool:
    """Whether a text names another day among words that are no days, and is no greeting."""
    text = " ".join(plain(word.text) for word in cell.words)
    words = _TWO_WORDS.sub("i", text).split()
    is_named = any(word in words_of("other_days") for word in words)
    return is_named and words[0] not in words_of("greeting") and not relative_words() >= {*words}


def _named_day(cell: Cell) -> int | None:
    """Return the weekday of a cell that says it alone, or with a day's number behind it."""
    texts = [word.text.strip(".,") for word in cell.words]
    is_numbered = len(texts) > 1 and bool(re.fullmatch(r"[0-3]?\d", texts[1]))
    if not is_numbered and (len(texts) > 1 or len(texts[0]) < 3):
        return None
    return weekday_of(texts[0])


def resolve_date(
    evidence: DateEvidence, created: dt.date | None, default_year: int | None = None
) -> ResolvedDate:
    """Return the date with its year.

    1. A written year counts. 2. Else the years in which weekday and ISO week fit; of several the
    nearest to `created` (the day the pictures were sent), else to `default_year`. 3. Without
    weekday and week, `default_year`, else the year nearest to `created`.

    Raises DateFailure when no year fits.
    """
    if evidence.is_either_way:
        return _resolve_ways(evidence, created, default_year)
    near = created or dt.date(default_year or dt.date.max.year, 7, 1)
    if evidence.year is not None:
        years: tuple[int, ...] = (evidence.year,)
    elif created is None and default_year is None:
        raise DateFailure(
            f"{evidence.text!r} has no year, and neither session nor --ocr-default-year gives one."
        )
    elif evidence.weekday is None and evidence.iso_week is None and default_year is not None:
        years = (default_year,)
    else:
        years = tuple(range(near.year - limits.YEARS_AROUND, near.year + limits.YEARS_AROUND + 1))
    possible = [date for year in years if (date := _date(year, evidence)) is not None]
    fitting = [date for date in possible if _fits(date, evidence)]
    warnings: list[str] = []
    if not fitting and evidence.iso_week is not None:
        fitting = [
            d for d in possible if evidence.weekday is not None and d.weekday() == evidence.weekday
        ]
        fitting = fitting or [d for d in possible if d.isocalendar().week == evidence.iso_week]
        if fitting:
            warnings.append(
                f"week {evidence.iso_week} and weekday of {evidence.text!r} do not agree"
            )
    if not fitting:
        raise DateFailure(f"{evidence.text!r} is a date of no year near {near.year}.")
    date = min(fitting, key=lambda date: (abs((date - near).days), date))
    doubts = (WEEK_CONTRADICTS,) * bool(warnings)
    ahead = (date - created).days if created else 0
    # Neither weekday nor week: nothing but its nearness tells the year.
    is_bare = evidence.weekday is None and evidence.iso_week is None
    is_far = not -limits.DOUBTED_DAYS <= ahead <= limits.AHEAD_DAYS
    is_far |= is_bare and abs(ahead) > limits.BARE_DAYS
    doubts += (FAR_DATE,) * (is_far and evidence.year is None)
    return ResolvedDate(date, (*warnings, *_warnings(date, created, default_year)), doubts)


def _resolve_ways(
    evidence: DateEvidence, created: dt.date | None, default_year: int | None
) -> ResolvedDate:
    """Return the one of a date's two ways whose weekday fits near the day of its sending."""
    swapped = replace(evidence, day=evidence.month, month=evidence.day)
    found: list[ResolvedDate] = []
    for way in (evidence, swapped):
        try:
            resolved = resolve_date(replace(way, is_either_way=False), created, default_year)
        except DateFailure:
            continue
        is_near = created and abs((resolved.date - created).days) <= limits.FAR_DAYS
        if is_near or evidence.year is not None:
            found.append(resolved)
    if len(found) != 1:
        raise DateFailure(f"{evidence.text!r} may be two days: which number is the month?")
    return found[0]


def resolve_session_date(
    evidences: tuple[DateEvidence | None, ...],
    created: dt.date | None,
    default_year: int | None = None,
) -> SessionDate:
    """Return the one date of a session's images; those without a header inherit it.

    Raises DateFailure when no image has a date, or two have different ones.
    """
    dates: list[dt.date | None] = []
    warnings: list[str] = []
    doubts: list[str] = []
    for evidence in evidences:
        resolved = resolve_date(evidence, created, default_year) if evidence else None
        dates.append(resolved.date if resolved else None)
        warnings.extend(resolved.warnings if resolved else ())
        doubts.extend(resolved.doubts if resolved else ())
    different = sorted({date for date in dates if date is not None})
    if not different:
        raise DateFailure("No image of the session shows a date that can be read.")
    if len(different) > 1:
        shown = ", ".join(date.isoformat() for date in different)
        raise DateFailure(f"The images of the session show different dates: {shown}.")
    return SessionDate(
        different[0],
        dates.count(None),
        tuple(dates),
        tuple(dict.fromkeys(warnings)),
        tuple(dict.fromkeys(doubts)),
    )


def lines_of(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells with those joined that follow on one line: large text has large blanks."""
    joined: list[Cell] = []
    for cell in sorted(cells, key=lambda cell: (cell.left, cell.top)):
        for index, other in enumerate(joined):
            if cell.top >= other.bottom or other.top >= cell.bottom:
                continue
            overlap = min(cell.bottom, other.bottom) - max(cell.top, other.top)
            is_near = cell.left - other.right < limits.HEADER_GAP * max(cell.height, other.height)
            if is_near and overlap > 0.6 * min(cell.height, other.height):
                joined[index] = Cell((*other.words, *cell.words))
                break
        else:
            joined.append(cell)
    return joined


def _wrapped(upper: Cell, cells: list[Cell]) -> Cell | None:
    """Return a heading joined with the line of the same height right below it, None without."""
    for lower in cells:
        is_alike = 0.7 * upper.height < lower.height < 1.4 * upper.height
        is_below = 0 < lower.top - upper.top < limits.WRAP_PITCH * upper.height
        if is_alike and is_below and abs(lower.left - upper.left) < 0.5 * upper.height:
            return Cell((*upper.words, *lower.words))
    return None


@functools.lru_cache(maxsize=8192)
def _read_header(text: str) -> DateEvidence | None:
    """Return day, month, weekday and year of a text such as "Friday 22 August"."""
    tokens = TOKEN.findall(text) if _HOLDS_DAY.search(text) else []
    while tokens and plain(tokens[0]) in (*relative_words(), *words_of("before_date")):
        tokens = tokens[1:]
    if not 2 <= len(tokens) <= limits.DATE_TOKENS:
        return None
    return _read_digits(text, index_of(tokens[0], "weekdays")) or _read_names(tokens)


def _read_names(tokens: list[str]) -> DateEvidence | None:
    weekday = index_of(tokens[0], "weekdays")
    rest = tokens[1:] if weekday is not None else tokens
    if rest and plain(rest[0]) in ("den", "the"):
        rest = rest[1:]
    if len(rest) < 2:
        return None
    first, second = rest[0], rest[1]
    day_text, month_text = (
        (second, first) if first.isalpha() and second.isdecimal() else (first, second)
    )
    day, month = day_of(day_text), index_of(month_text, "months")
    if day is None or month is None:
        return None
    year = next((int(t) for t in rest[2:] if t.isdecimal() and 2000 <= int(t) <= 2100), None)
    others = [t for t in rest[2:] if not t.isdecimal()]
    if others and weekday is None:
        return None
    return DateEvidence(day, month + 1, weekday, year)


def _read_digits(text: str, weekday: int | None) -> DateEvidence | None:
    """Return the date of a text that writes it in digits, and a year or weekday beside them."""
    if found := _ISO.search(text):
        year, month, day = map(int, found.groups())
    elif found := _DOTTED.search(text) or _SLASHED.search(text):
        day, month, year = int(found[1]), int(found[2]), int(found[3] or 0)
    else:
        return None
    if not (year or weekday is not None) or not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    is_american = "/" in found[0] and day <= 12 and day != month and not is_day_first(text)
    return DateEvidence(day, month, weekday, year or None, is_either_way=is_american)


def _week_cell(cells: Sequence[Cell], header: Cell) -> Cell | None:
    """Return the "Week 34" nearest below the header."""
    below = [
        cell
        for cell in cells
        if _WEEK.search(cell.text) and 0 < cell.middle - header.middle < 4 * header.height + 40
    ]
    return min(below, key=lambda cell: cell.middle, default=None)


def _date(year: int, evidence: DateEvidence) -> dt.date | None:
    try:
        return dt.date(year, evidence.month, evidence.day)
    except ValueError:
        return None


def _fits(date: dt.date, evidence: DateEvidence) -> bool:
    return (evidence.weekday is None or date.weekday() == evidence.weekday) and (
        evidence.iso_week is None or date.isocalendar().week == evidence.iso_week
    )


def _warnings(date: dt.date, created: dt.date | None, default_year: int | None) -> list[str]:
    warnings = []
    if default_year is not None and date.year != default_year:
        warnings.append(
            f"the evidence says {date.isoformat()}, not the default year {default_year}"
        )
    if created is not None and abs((date - created).days) > limits.FAR_DAYS:
        warnings.append(
            f"{date.isoformat()} is far from the day the images were sent, {created.isoformat()}"
        )
    return warnings
