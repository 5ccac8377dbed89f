"""A date that a calendar tells in two places: month in a heading, day beside the cards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from backfill.ocr import limits
from backfill.ocr.cells import Cell, make_cells
from backfill.ocr.day_names import TOKEN, day_of, exactly, weekday_of
from backfill.ocr.noise import plain


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
