"""What a screen says of its day as a whole: how many shifts it has, how many hours they are. Pure.

A sum that the shifts do not make tells of a card that was not seen, or read wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from backfill.ocr import limits
from backfill.ocr.identity import fold_place
from backfill.ocr.shift import Shift
from backfill.ocr.text.cells import Cell
from backfill.ocr.text.clock import minutes_between
from backfill.ocr.text.noise import is_like, plain, words_of
from backfill.ocr.text.timetext import parse_duration
from backfill.ocr.text.vocabulary import ShiftType

# "5 pass idag"; "Visar 3 av 5".
_COUNT = re.compile(r"(?<![\w.,:–-])(\d{1,2})\s*([^\W\d_]+)")
_OF_COUNT = re.compile(r"(?:[^\W\d_]+\s+)?\d{1,2}\s+(?:av|of|af|von)\s+(\d{1,2})(?:\s[^\W\d_]+)?")
# What a sum may leave out: nothing, breaks, ways, all that is no work.
_LEFT_OUT: tuple[frozenset[str], ...] = (
    frozenset(),
    frozenset((ShiftType.BREAK,)),
    frozenset((ShiftType.BREAK, ShiftType.TRAVEL)),
    frozenset(ShiftType) - {ShiftType.WORK},
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a screen says of its day: minutes and number of shifts, each None where it does not."""

    minutes: int | None = None
    count: int | None = None


NOTHING_TOLD = Told()


def find_told(cells: Sequence[Cell]) -> Told:
    """Return what the lines of a screen say of the whole day."""
    texts = [" ".join(cell.text for cell in line) for line in _lines(cells)]
    minutes = [found for text in texts if (found := _minutes_of_sum(text)) is not None]
    counts = [found for text in texts if (found := _count_of(text)) is not None]
    return Told(minutes[-1] if minutes else None, counts[-1] if counts else None)


def told_cells(cells: Sequence[Cell]) -> set[Cell]:
    """Return the cells of the lines that tell number or length of all shifts."""
    return {
        cell
        for line in _lines(cells)
        for text in [" ".join(cell.text for cell in line)]
        if _count_of(text) is not None or _minutes_of_sum(text) is not None
        for cell in line
    }


def _count_of(text: str) -> int | None:
    """Return the number of a text such as "5 pass", None of any other, and of a week's."""
    words = text.split()
    if len(words) > limits.SUM_WORDS or any(is_like(word, words_of("week")) for word in words):
        return None
    if part := _OF_COUNT.fullmatch(text):
        return int(part[1])
    found = _COUNT.findall(text)
    return next((int(n) for n, word in found if plain(word) in words_of("counted")), None)


def agrees(told: Told, shifts: Sequence[Shift]) -> bool:
    """Whether the shifts of a day can be what its screen tells of them."""
    counts = {len(list(_without(shifts, out))) for out in _LEFT_OUT}
    lengths = {_minutes(_without(shifts, out)) for out in _LEFT_OUT}
    return (told.count is None or told.count in counts) and (
        told.minutes is None or told.minutes in lengths
    )


def _minutes_of_sum(text: str) -> int | None:
    """Return the minutes of a line such as "Totalt 7h 30m", None of any other."""
    words = text.split()
    if len(words) > limits.SUM_WORDS:
        return None
    for count in (1, 2):  # "Totalt", "I alt"
        # A capital I and a small l are one stroke: "I alt" is read as "lalt".
        if fold_place("".join(words[:count])) in map(fold_place, words_of("sum")) and words[count:]:
            # A speck behind digits is read as a dot: "11. h 30 min".
            return parse_duration(" ".join(words[count:]).replace(". ", " "))
    return None


def _lines(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Yield each cell alone, and cells that stand on one line together."""
    for cell in cells:
        yield [cell]
        edge, middle, reach = cell.right, cell.middle, 0.5 * cell.height
        right = [
            other for other in cells if other.left > edge and abs(other.middle - middle) < reach
        ]
        if right:
            yield [cell, *sorted(right, key=lambda other: other.left)]


def _without(shifts: Iterable[Shift], types: frozenset[str]) -> Iterator[Shift]:
    return (shift for shift in shifts if shift.shift_type not in types)


def _minutes(shifts: Iterable[Shift]) -> int:
    return sum(minutes_between(shift.start, shift.end) for shift in shifts)
