"""What the words of one image say: its date, its checked cards, doubts about the whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backfill.ocr.bounds import is_cut
from backfill.ocr.checks import DURATION_MISMATCH, TIME_ABOVE_DATE, check_screen, check_times
from backfill.ocr.dates import DateEvidence, find_date
from backfill.ocr.edges import check_edges, is_at_edge
from backfill.ocr.header import header_end, holds_times
from backfill.ocr.layout import read_layout
from backfill.ocr.preprocess import Ink
from backfill.ocr.sheet import Sheet, rules_between_bars
from backfill.ocr.shift import Entry
from backfill.ocr.time_mends import mend_lost_digits
from backfill.ocr.words import Row, Rows

# Of a letter's height: the rule below a header without a colour is no thicker.
HEADER_RULE = 0.3


@dataclass(frozen=True, slots=True)
class View:
    """The rows of an image as date, checked entries and doubts."""

    date: DateEvidence | None
    entries: tuple[Entry, ...]
    farewell: str
    flags: tuple[str, ...]

    @property
    def contradicted(self) -> int:
        """How many cards' times their durations contradict."""
        return sum(DURATION_MISMATCH in entry.flags for entry in self.entries)


def settle(rows: Rows, losers: dict[int, Row], sheet: Sheet, ink: Ink) -> tuple[Rows, View]:
    """Return the rows and their view, taking of two readings of a time what the checks bear out.

    Start, end and duration prove one another: that says more than how sure the engine was.
    """
    view = interpret(rows, sheet, ink)
    for index, loser in losers.items():
        if not view.contradicted:
            break
        others = (*rows[:index], loser, *rows[index + 1 :])
        other_view = interpret(others, sheet, ink)
        if len(other_view.entries) == len(view.entries) and (
            other_view.contradicted < view.contradicted
        ):
            rows, view = others, other_view
    return rows, view


def interpret(rows: Rows, sheet: Sheet, ink: Ink) -> View:
    """Return what the rows of an image, read from this ink, say."""
    words = [word for row in rows for word in row]
    date, letter_px = find_date(words), ink.letter_px
    end = header_end(words, sheet.dividers, ink.contrast.shape)
    if date:
        above = [word for word in words if end < word.top <= date.bottom]
        below = [word for word in words if word.top > date.bottom]
    else:
        if end > sheet.top:
            sheet = replace(sheet, top=end + HEADER_RULE * letter_px)
        above, below = [], [word for word in words if not is_cut(word, sheet.top, ink)]
    rules = (*sheet.dividers, *rules_between_bars(sheet, below, ink.contrast.shape))
    layout = read_layout(below, rules)
    entries = check_times(mend_lost_digits(layout.entries))
    entries = check_edges(entries, sheet, letter_px, is_top=date is not None)
    # A bar that the top of a scrolled screen cuts belongs to a card of the screen before.
    first = sheet.top + 1 if date is None else 0.0
    bars = sum(1 for bar in sheet.bars if bar.top >= first)
    lone = tuple(word for word in layout.lone_times if not is_at_edge(word, sheet, letter_px))
    flags = check_screen(entries, layout.farewell, bars, lone, layout.strays)
    flags += (TIME_ABOVE_DATE,) * holds_times(above, ink.contrast.shape)
    return View(date, entries, layout.farewell, flags)
