"""Names of days and months, whole or short, exact or nearly, in every language of the apps.

A calendar tells a date in two places: the month in a heading, the day beside the cards.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from backfill.ocr import limits
from backfill.ocr.text.cells import Cell, make_cells
from backfill.ocr.text.likeness import likeness
from backfill.ocr.text.noise import names_of, plain, words_of
from backfill.ocr.words import Word

TOKEN = re.compile(r"[^\W\d_]+|\d+")


def weekday_of(text: str) -> int | None:
    """Return 0…6 of a text that is a weekday's name, whole or short, Monday first."""
    return exactly(plain(text), "weekdays")


def names_day(words: Iterable[Word]) -> bool:
    """Whether words are a day's name, with nothing but its date beside it."""
    tokens = [token for word in words for token in TOKEN.findall(word.text)]
    names = [t for t in tokens if not t.isdecimal() and exactly(plain(t), "months") is None]
    return bool(names) and all(weekday_of(name) is not None for name in names)


def day_of(text: str) -> int | None:
    digits = text.translate(str.maketrans("OoIlSB", "001158"))
    return int(digits) if digits.isdecimal() and 1 <= int(digits) <= 31 else None


@functools.lru_cache(maxsize=4096)
def index_of(token: str, kind: str) -> int | None:
    """Return the index of the weekday or month that the token is, exactly or nearly."""
    letters = plain(token)
    index = exactly(letters, kind)
    if index is not None or len(letters) < 4:
        return index
    scores = [
        (max(likeness(letters, name, limits.SIMILAR_NAME) for name in names), index)
        for index, names in enumerate(names_of(kind))
    ]
    best, index = max(scores)
    is_clear = sum(score == best for score, _ in scores) == 1
    return index if best >= limits.SIMILAR_NAME and is_clear else None


def exactly(letters: str, kind: str) -> int | None:
    both = zip(names_of(kind), names_of(f"{kind}_short"), strict=True)
    return next((at for at, names in enumerate(both) if letters in (*names[0], *names[1])), None)


def is_day_first(text: str) -> bool:
    """Whether a date's weekday is named in a language that writes the day before the month."""
    days = [plain(token) for token in TOKEN.findall(text) if weekday_of(token) is not None]
    return bool(days) and not _english_days() & {*days}


@functools.cache
def _english_days() -> frozenset[str]:
    """Return the names of days that are English, or may be."""
    english = {names[0] for names in names_of("weekdays")}
    return frozenset({*english, *(name[:3] for name in english), *(name[:4] for name in english)})


@functools.cache
def relative_words() -> frozenset[str]:
    return frozenset((*words_of("today"), *words_of("other_days")))


class DayApart(NamedTuple):
    """What the two places say; `bottom` is the foot of the month, in pixels."""

    day: int
    month: int
    weekday: int
    year: int | None
    iso_week: int | None
    text: str
    confidence: float
    bottom: float


def find_apart(lines: Sequence[Cell]) -> DayApart | None:
    """Return the date of one month and one day; of several days none is known to be meant.

    The month stands on a line of its own, the day in a run of its own: what stands right of it is
    a card's.
    """
    runs = make_cells([word for cell in lines for word in cell.words])
    months = [(month, year, cell) for cell in lines for month, year in _month_of(cell.text)]
    days = [found for upper in runs for found in _weekday_and_number(upper, runs)]
    if len(months) != 1 or len(days) != 1:
        return None
    (month, year, cell), (weekday, day) = months[0], days[0]
    text = f"{day} {cell.text}"
    return DayApart(day, month, weekday, year, None, text, cell.confidence, cell.bottom)


def _month_of(text: str) -> Iterator[tuple[int, int | None]]:
    """Yield month and year of a text that says a month, and perhaps a year, and nothing else."""
    tokens = TOKEN.findall(text)
    month = exactly(plain(tokens[0]), "months") if tokens and len(tokens) <= 2 else None
    is_year = len(tokens) < 2 or bool(re.fullmatch(r"20\d{2}", tokens[1]))
    if month is not None and is_year:
        yield month + 1, int(tokens[1]) if len(tokens) == 2 else None


def _weekday_and_number(cell: Cell, cells: Sequence[Cell]) -> Iterator[tuple[int, int]]:
    """Yield weekday and day of a cell that says both, or a weekday right above a number."""
    tokens = TOKEN.findall(cell.text)
    weekday = weekday_of(tokens[0]) if tokens else None
    if weekday is None or len(tokens) > 2:
        return
    if len(tokens) == 2:
        if (day := day_of(tokens[1])) is not None:
            yield weekday, day
        return
    middle = (cell.left + cell.right) / 2
    for lower in cells:
        is_below = 0 < lower.top - cell.top < limits.STACK_PITCH * max(cell.height, lower.height)
        is_under = lower.left - cell.height <= middle <= lower.right + cell.height
        if is_below and is_under and (day := day_of(lower.text)) is not None:
            yield weekday, day
