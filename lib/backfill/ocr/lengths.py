"""Durations on a card: hours and minutes apart, or at the end of a line of text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backfill.ocr import limits
from backfill.ocr.cells import Cell
from backfill.ocr.clock import HOUR_MINUTES
from backfill.ocr.timetext import cut_duration, parse_duration


def join_lengths(card: list[Cell], height: float) -> list[Cell]:
    """Return the cells, hours and minutes of one duration as one, beside or below one another."""
    joined: list[Cell] = []
    for cell in sorted(card, key=lambda cell: (round(cell.left / height), cell.top)):
        minutes = parse_duration(cell.text)
        mate = next((o for o in joined if _is_hours_before(o, cell, height)), None)
        if minutes is not None and mate is not None:
            joined[joined.index(mate)] = Cell((*mate.words, *cell.words))
        else:
            joined.append(cell)
    return sorted(joined, key=lambda cell: (cell.top, cell.left))


def _is_hours_before(hours: Cell, minutes: Cell, height: float) -> bool:
    """Whether one cell is only hours, and the other only minutes close behind them."""
    whole = parse_duration(hours.text)
    return (
        whole is not None
        and whole % HOUR_MINUTES == 0
        and not re.search(r"[hHt]", minutes.text)
        and re.search(r"[ht]", hours.text) is not None
        and not re.search(r"m", re.sub(r"tim", "", hours.text))
        and (_is_right_of(minutes, hours, height) or _is_wrapped(minutes, hours, height))
    )


def _is_right_of(minutes: Cell, hours: Cell, height: float) -> bool:
    return (
        abs(hours.middle - minutes.middle) < 0.5 * height
        and 0 <= minutes.left - hours.right < limits.HOURS_TO_MINUTES * height
    )


def _is_wrapped(minutes: Cell, hours: Cell, height: float) -> bool:
    """Whether minutes stand right below hours that had no room beside them."""
    off = min(abs(minutes.left - hours.left), abs(minutes.right - hours.right))
    return off < 0.5 * height and 0 < minutes.middle - hours.middle <= limits.STACK_PITCH * height


def without_lengths(lines: Sequence[str]) -> tuple[list[str], int | None]:
    """Return the lines that say something beside a duration, and the minutes of the first."""
    cut = [
        ("", minutes) if (minutes := parse_duration(text)) is not None else cut_duration(text)
        for text in lines
    ]
    texts = [text for text, _minutes in cut if text]
    return texts, next((minutes for _text, minutes in cut if minutes is not None), None)
