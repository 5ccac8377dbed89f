"""What the words of one image say: its date, its checked cards, doubts about the whole."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backfill.ocr import limits
from backfill.ocr.ink.preprocess import Ink
from backfill.ocr.screen.checks import (
    CARD_COUNT_MISMATCH,
    CUT_ABOVE,
    CUT_BELOW,
    CUT_OFF,
    DURATION_MISMATCH,
    LONE_TIME,
    PROVISIONAL,
    ROOM_BETWEEN,
    SECOND_DAY,
    SIDE_BY_SIDE,
    STRAY_TEXT,
    TEXT_CUT_SHORT,
    TIME_ABOVE_DATE,
    TITLE_MISSING,
    WHOSE,
    check_times,
)
from backfill.ocr.screen.header import header_end, holds_times
from backfill.ocr.screen.layout import Layout, read_layout
from backfill.ocr.screen.reading import Tail, name_of
from backfill.ocr.screen.sheet import Bar, Sheet, is_cut
from backfill.ocr.screen.totals import NOTHING_TOLD, Told, find_told
from backfill.ocr.shift import Entry
from backfill.ocr.text.cells import Cell, make_cells
from backfill.ocr.text.clock import minutes_of, unroll_range
from backfill.ocr.text.dates import DateEvidence, find_date, lines_of, shows_other_day
from backfill.ocr.text.noise import is_provisional, is_tab, says_whose
from backfill.ocr.words import Rows, Word, span_of


@dataclass(frozen=True, slots=True)
class View:
    """The rows of an image as date, checked entries and doubts.

    `top` and `bottom` are the rows between which the cards stand, `farewell_y` the middle of the
    day's last line, None where it is not shown, `scale_y` the lower end of a scale of hours beside
    the cards; all in pixels. `strays` are words that no card has, `of_strays` the doubts that they
    raise unless they stand in what lies over the list, `hours` those of the scale, and the times
    of a card that is cut below them.
    """

    date: DateEvidence | None
    entries: tuple[Entry, ...]
    farewell: str
    flags: tuple[str, ...]
    tail: Tail
    told: Told = NOTHING_TOLD
    farewell_y: float | None = None
    top: float = 0.0
    bottom: float = 0.0
    scale_y: float | None = None
    strays: tuple[Word, ...] = ()
    of_strays: tuple[str, ...] = ()
    hours: tuple[str, ...] = ()

    @property
    def contradicted(self) -> int:
        """How many cards' times their durations contradict."""
        return sum(DURATION_MISMATCH in entry.flags for entry in self.entries)


def interpret(rows: Rows, sheet: Sheet, ink: Ink) -> View:
    """Return what the rows of an image, read from this ink, say."""
    words = [word for row in rows for word in row]
    cells = make_cells(words)
    lines = lines_of(cells)
    date, letter_px = find_date(lines), ink.letter_px
    end = header_end(words, sheet.dividers, ink.contrast.shape)
    if date:
        own = date.text.split()  # 17.11. is no time of day
        above = [w for w in words if end < w.top <= date.bottom and w.text not in own]
        below = [word for word in words if word.top > date.bottom]
    else:
        if end > sheet.top:
            sheet = replace(sheet, top=end + limits.HEADER_RULE * letter_px)
        above, below = [], [word for word in words if not is_cut(word, sheet.top, ink)]
    layout = read_layout(below, sheet.dividers)
    whole = check_times(layout.entries)
    of_cards = [word for entry in whole for word in entry.words]
    first = min((word.top for word in of_cards), default=math.inf)
    width = float(ink.contrast.shape[1])
    entries = check_edges(whole, sheet, letter_px, width, is_top=date is not None)
    # Above the first card of a screen without a heading another screen shows what is there.
    apart = tuple(word for word in layout.strays if word.top >= first)
    is_stray = [not _is_cut_below(word, entries, sheet, letter_px) for word in apart]
    top = max(date.bottom, sheet.top) if date else sheet.top
    flags = _doubts_of_cards(layout, entries, sheet, top if date else None, letter_px)
    flags += (TIME_ABOVE_DATE,) * holds_times(above, ink.contrast.shape, of_cards)
    flags += (ROOM_BETWEEN,) * _holds_a_bar(cells, entries)
    flags += _doubts_of_heads(lines, date, end, first)
    # Beside a scale of hours a person's own overlapping cards stand beside one another.
    flags += (SIDE_BY_SIDE,) * (layout.scale_y is None and _overlap_beside(entries))
    is_other_named = date is not None and shows_other_day(lines, date)
    flags += (SECOND_DAY,) * (is_other_named or _are_disordered(entries))
    of_strays = (STRAY_TEXT,) * any(is_stray) + (CUT_BELOW,) * (not all(is_stray))
    tail = Tail.FAREWELL if layout.farewell_y is not None else Tail.ROOM
    # Of a card that the lower edge cuts below its times, another image shows the rest.
    shown = {entry.words for entry in entries}
    last = max((word.top for entry in entries for word in entry.words), default=math.inf)
    begun = [e for e in whole if e.words not in shown and span_of(e.words)[1] > last]
    hours = (*layout.hours, *map(name_of, begun))
    return View(
        date, entries, layout.farewell, flags, tail, find_told(cells), layout.farewell_y, top,
        sheet.bottom, layout.scale_y, apart, of_strays, hours,
    )  # fmt: skip


def _doubts_of_cards(
    layout: Layout, entries: tuple[Entry, ...], sheet: Sheet, heading: float | None, unit: float
) -> tuple[str, ...]:
    """Return the doubts that bars, times and words of no card raise about all of them.

    `heading` is the row below the date, None without one; `entries` are those that no edge cuts.
    """
    of_cards = [word for entry in layout.entries for word in entry.words]
    first = min((word.top for word in of_cards), default=math.inf)
    last = max((span_of(entry.words)[3] for entry in entries), default=sheet.top)
    lone = [word for word in layout.lone_times if not is_at_edge(word, sheet, unit)]
    is_headed = heading is not None and any(word.top < first for word in layout.strays)
    is_begun = any(word.top > last for word in (*layout.lone_times, *of_cards) if word not in lone)
    # A bar stands beside every card, and beside the farewell.
    loose = [bar for bar in sheet.bars if not _is_accounted(bar, entries, layout.farewell_y, sheet)]
    # A heading that stays where it is while the cards below it move cuts the first of them.
    head = sheet.top if heading is None else heading
    cut_bars = [bar for bar in loose if bar.top < min(first, head + limits.NEAR_TOP * unit)]
    return (
        *(CARD_COUNT_MISMATCH,) * (len(cut_bars) < len(loose)),
        *(CUT_ABOVE,) * (is_headed or (heading is not None and bool(cut_bars))),
        *(LONE_TIME,) * bool(lone),
        *(CUT_BELOW,) * is_begun,
    )


def _doubts_of_heads(
    lines: Sequence[Cell], date: DateEvidence | None, top: float, first: float
) -> tuple[str, ...]:
    """Return the doubts that lines above the first card raise about all of them.

    Without a date they may be a card's that the upper edge cuts; below it a name may be one's.
    """
    if date is None:
        return ()
    heads = [line for line in lines if top < line.top and line.bottom <= first]
    at = next((line.top for line in heads if line.text == date.text), 0.0)
    names = [says_whose(line.text, may_be_client=line.top >= at) for line in heads]
    return (WHOSE,) * any(names) + (PROVISIONAL,) * any(is_provisional(h.text) for h in heads)


def _holds_a_bar(cells: Sequence[Cell], entries: tuple[Entry, ...]) -> bool:
    """Whether an app's bar stands between cards, as where screens were joined and one lost some."""
    spans = [span_of(entry.words) for entry in entries]
    first, last = min((s[3] for s in spans), default=0), max((s[1] for s in spans), default=0)
    return sum(is_tab(cell.text) and first < cell.middle < last for cell in cells) > 1


def _are_disordered(entries: tuple[Entry, ...]) -> bool:
    """Whether a card stands above one that begins earlier: one of both is another day's.

    A night above a morning began the day before; another app's message has a time of its own.
    """
    starts = [(span_of(entry.words)[1], minutes_of(entry.start)) for entry in entries]
    return any(
        upper[0] < lower[0] and upper[1] > lower[1] for upper, lower in itertools.pairwise(starts)
    )


def _overlap_beside(entries: Sequence[Entry]) -> bool:
    """Whether cards of two columns overlap in time, as one person's that goes on there do not."""
    cards = [(span_of(e.words), unroll_range(e.start, e.end)) for e in entries if e.words]
    return any(
        one[2] < other[0]
        and one[1] < other[3]
        and other[1] < one[3]
        and own[0] < others[1]
        and others[0] < own[1]
        for (one, own), (other, others) in itertools.permutations(cards, 2)
    )


def _is_cut_below(word: Word, entries: tuple[Entry, ...], sheet: Sheet, unit: float) -> bool:
    """Whether a word below all cards belongs to one that the lower edge cuts."""
    last = max((span_of(entry.words)[3] for entry in entries), default=sheet.top)
    return word.top > last and sheet.bottom - word.bottom < limits.NEAR_BOTTOM * unit


def _is_accounted(
    bar: Bar,
    entries: tuple[Entry, ...],
    farewell_y: float | None,
    sheet: Sheet,
) -> bool:
    """Whether a bar stands beside a card that was read, the farewell, or the lower edge cuts it."""
    if farewell_y is not None and bar.top <= farewell_y <= bar.bottom:
        return True
    middles = [word.middle for entry in entries for word in entry.words]
    is_beside = any(bar.top <= middle <= bar.bottom for middle in middles)
    return is_beside or bar.bottom > sheet.bottom - 2


def check_edges(
    entries: tuple[Entry, ...], sheet: Sheet, letter_px: float, width: float, *, is_top: bool
) -> tuple[Entry, ...]:
    """Return the entries, those that an edge may cut flagged, those without any title left out.

    `is_top`: the date stands above the cards, so that nothing is hidden there. `width` is the
    image's: text at its left or right rim is cut as well.
    """
    kept = []
    rims = _cut_rims(entries, width, letter_px)
    for entry in entries:
        left, top, _right, bottom = span_of(entry.words)
        rules = [rule.y for rule in sheet.dividers if rule.left <= left <= rule.right]
        ruled_above = any(sheet.top + letter_px < y <= top for y in rules)
        ruled_below = any(bottom <= y < sheet.bottom - 2 for y in rules)
        is_cut = (
            not is_top and not ruled_above and top - sheet.top < limits.NEAR_TOP * letter_px
        ) or (not ruled_below and sheet.bottom - bottom < limits.NEAR_BOTTOM * letter_px)
        if is_cut and TITLE_MISSING in entry.flags:
            continue
        is_short = any(_is_at(entry, rim, limits.NEAR_RIM * letter_px) for rim in rims)
        flags = (CUT_OFF,) * is_cut + (TEXT_CUT_SHORT,) * is_short
        kept.append(replace(entry, flags=(*entry.flags, *flags)) if flags else entry)
    return tuple(kept)


def _cut_rims(
    entries: tuple[Entry, ...], width: float, letter_px: float
) -> list[tuple[float, float]]:
    """Return the rims of an image (its x, and which way is inward) that cut text of a card."""
    reach = limits.AT_RIM * letter_px
    return [
        rim for rim in ((0.0, 1.0), (width, -1.0)) if any(_is_at(e, rim, reach) for e in entries)
    ]


def _is_at(entry: Entry, rim: tuple[float, float], reach: float) -> bool:
    """Whether a word of an entry stands within reach of a rim."""
    x, inward = rim
    return any(
        (side - x) * inward < reach for word in entry.words for side in (word.left, word.right)
    )


def is_at_edge(word: Word, sheet: Sheet, letter_px: float) -> bool:
    """Whether a time without a partner belongs to a card that an edge cuts."""
    return (
        word.top - sheet.top < 6 * letter_px
        or sheet.bottom - word.bottom < limits.NEAR_BOTTOM * letter_px
    )
