"""Words of a screen → the entries of its cards, wherever the cards stand and however large.

1. Words close together on a line become cells. 2. Cells that are times become anchors: a range on
one line, or two single times under one another. 3. Anchors far apart sideways are columns. 4. A
card reaches from one anchor to the next, cut at the divider rules or else at the widest gap.
5. In a card, noise goes; the first lines are the title, the rest is the address.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass

from backfill.ocr import limits
from backfill.ocr.screen.anchors import Anchor, Divider, crossing, find_anchors
from backfill.ocr.screen.boxes import between_cards, blanks_between
from backfill.ocr.screen.captions import (
    columns_of,
    hour_of,
    hours_of_scale,
    rows_in,
    with_ranges,
    with_ranges_apart,
    without_captions,
    without_owner,
    without_sent,
    without_signs,
)
from backfill.ocr.screen.card_text import entry_of, is_street_and_town
from backfill.ocr.screen.totals import told_cells
from backfill.ocr.shift import Entry
from backfill.ocr.text.cells import Cell, line_height, make_cells
from backfill.ocr.text.noise import (
    heads_count,
    is_all_day,
    is_around,
    is_farewell,
    is_noise,
    is_tab,
    is_worn_state,
)
from backfill.ocr.text.timetext import parse_duration, parse_range
from backfill.ocr.text.vocabulary import find_labels
from backfill.ocr.words import Word


@dataclass(frozen=True, slots=True)
class Layout:
    """What a screen says below its date.

    Entries, the farewell's time and its place, times without a partner, words that no card has, and
    the lower end and the hours of a scale beside the cards.
    """

    entries: tuple[Entry, ...]
    farewell: str = ""
    farewell_y: float | None = None
    lone_times: tuple[Word, ...] = ()
    strays: tuple[Word, ...] = ()
    scale_y: float | None = None
    hours: tuple[str, ...] = ()


def read_layout(words: list[Word], dividers: tuple[Divider, ...] = ()) -> Layout:
    """Return the entries of all cards, column by column, from top to bottom."""
    height = line_height(words)
    whole, scale = _beside_scale(words, height)
    # The lines of a scale go behind its cards.
    dividers = () if scale else dividers
    cells = without_signs(with_ranges(without_captions(whole, height), height), height)
    anchors = find_anchors(cells, dividers, height)
    timed = {cell for anchor in anchors for cell in (*anchor.cells, anchor.mark) if cell}
    timed |= told_cells([cell for cell in cells if cell not in timed])
    texts = [cell for cell in cells if cell not in timed and not is_tab(cell.text)]
    bars = [cell.middle for cell in cells if is_tab(cell.text)]
    entries: list[Entry] = []
    farewell, farewell_y = "", None
    lone: list[Word] = []
    strays: list[Word] = []
    # Beside a scale of hours a short card has its times where another has text.
    columns = [(anchors, texts)] if scale else _columns(anchors, texts, height)
    for column, column_texts in columns:
        rules = between_cards(dividers, column, column_texts, height)
        cards = _cards(column, column_texts, rules, height, {*dividers} - {*rules})
        lengths = [cell for cell in column_texts if parse_duration(cell.text) is not None]
        beside = columns_of(cards, height)
        strays += _strays(cards, column_texts, beside, height) + _on_a_bar(cards, bars, height)
        for anchor, card in without_owner(cards, height):
            ends = [cell for cell in card if is_farewell(cell.text)]
            if anchor.end:
                own = [cell for cell in card if cell not in ends]
                entries.append(entry_of(anchor, own, height, lengths, beside))
            elif ends:
                farewell, farewell_y = anchor.start, (anchor.top + anchor.bottom) / 2
            else:
                lone.extend(anchor.cells[0].words)
    last = max((anchor.bottom for anchor in anchors if anchor.end), default=math.inf)
    if farewell_y is None:  # it may tell no time
        farewell_y = next((c.middle for c in texts if c.top > last and is_farewell(c.text)), None)
    foot = max((cell.bottom for cell in scale), default=None)
    hours = tuple(hour_of(cell.text) for cell in scale)
    return Layout(tuple(entries), farewell, farewell_y, tuple(lone), tuple(strays), foot, hours)


def _beside_scale(words: list[Word], height: float) -> tuple[list[Cell], list[Cell]]:
    """Return the cells but those of a scale of hours and of times of sending, and the scale's."""
    whole = make_cells(words)
    # A card's text may follow an hour as closely as its next word would; a range's end is none.
    firsts = [cell if parse_range(cell.text) else Cell(cell.words[:1]) for cell in whole]
    found = (hours_of_scale(cells, height) for cells in (whole, firsts))
    if scale := max(found, key=len):
        hours = {word for cell in scale for word in cell.words}
        return with_ranges_apart(make_cells([w for w in words if w not in hours])), scale
    kept = without_sent(words, whole)
    return make_cells(kept) if len(kept) < len(words) else whole, scale


def _columns(
    anchors: list[Anchor], texts: list[Cell], height: float
) -> list[tuple[list[Anchor], list[Cell]]]:
    """Return the anchors of each column with the texts that begin in it."""
    lefts: list[float] = []
    for left in sorted(anchor.left for anchor in anchors if anchor.end):
        if not lefts or left - lefts[-1] > limits.COLUMN_PITCH * height:
            lefts.append(left)
    if not lefts:
        lefts = sorted(anchor.left for anchor in anchors)[:1]
    columns: list[tuple[list[Anchor], list[Cell]]] = [([], []) for _ in lefts]
    for anchor in anchors:
        columns[_column_at(anchor.left, lefts, height)][0].append(anchor)
    for cell in texts:
        if lefts:
            columns[_column_at(cell.left, lefts, height)][1].append(cell)
    return columns


def _column_at(left: float, lefts: list[float], height: float) -> int:
    return max(0, sum(left >= column - 2 * height for column in lefts) - 1)


def _cards(
    anchors: list[Anchor],
    texts: list[Cell],
    dividers: tuple[Divider, ...],
    height: float,
    within: Set[Divider],
) -> list[tuple[Anchor, list[Cell]]]:
    """Return each anchor with the texts of its card; `within` are the rules within cards."""
    cards = []
    for index, anchor in enumerate(anchors):
        after = anchors[index + 1] if index + 1 < len(anchors) else None
        before = anchors[index - 1] if index else None
        top = _edge(anchor, before, texts, dividers, height, within)
        bottom = _edge(anchor, after, texts, dividers, height, within, is_below=True)
        cards.append((anchor, [cell for cell in texts if top <= cell.middle < bottom]))
    return cards


def _strays(
    cards: list[tuple[Anchor, list[Cell]]],
    texts: list[Cell],
    columns: list[float],
    height: float,
) -> list[Word]:
    """Return the words from the first time on that stand in no card and are no known noise.

    Above the first time only what is a card's: a known job, a street, what stands for a whole day,
    two lines, or a row of the table below, whose times were not read.
    """
    if not cards:
        return []
    held = {cell for _anchor, card in cards for cell in card}
    rows = rows_in(columns, texts, height)
    apart = [
        cell
        for cell in texts
        if cell not in held
        and not is_noise(cell.text)
        and not is_around(cell.text)
        and not is_farewell(cell.text)
        and parse_duration(cell.text) is None
    ]
    heads = [cell.middle for cell in apart if cell.middle <= cards[0][0].top]
    has_card = bool(heads) and max(heads) - min(heads) > height
    return [
        word
        for cell in apart
        if cards[0][0].top < cell.middle
        or has_card
        or cell in rows
        or _is_of_card(cell.text)
        or _is_folded(cell, texts)
        for word in cell.words
    ]


def _is_folded(count: Cell, texts: list[Cell]) -> bool:
    """Whether a count stands behind a state: of the cards in that state, folded up."""
    return heads_count(count.text) and any(
        is_worn_state(cell.text) for cell in texts if cell.top < count.middle < cell.bottom
    )


def _on_a_bar(
    cards: list[tuple[Anchor, list[Cell]]], bars: list[float], height: float
) -> list[Word]:
    """Return the words of cards that stand on the line of an app's tab: others of its bar."""
    return [
        word
        for _anchor, card in cards
        for cell in card
        if any(abs(cell.middle - bar) < 0.5 * height for bar in bars)
        for word in cell.words
    ]


def _is_of_card(text: str) -> bool:
    is_job = any(match.is_exact for match in find_labels(text.split()))
    return is_job or is_all_day(text) or is_street_and_town(text)


def _edge(
    anchor: Anchor,
    other: Anchor | None,
    texts: list[Cell],
    dividers: tuple[Divider, ...],
    height: float,
    within: Set[Divider],
    *,
    is_below: bool = False,
) -> float:
    """Return where a card ends above its times, or below.

    At a rule, or at the widest blank to the other times there; without any, behind near lines.
    """
    way, start = (1, anchor.bottom) if is_below else (-1, anchor.top)
    stop = (other.top - start if is_below else start - other.bottom) if other else math.inf
    offs = [way * (rule.y - start) for rule in crossing(dividers, anchor)]
    if ruled := [off for off in offs if 0 <= off < stop]:
        return start + way * min(ruled)
    if other:
        return _widest_gap(*((anchor, other) if is_below else (other, anchor)), texts)
    edge = 0.0 if is_below else 0.8 * height
    for cell in sorted(texts, key=lambda cell: way * cell.middle):
        near, far = sorted((way * (cell.top - start), way * (cell.bottom - start)))
        is_parted = any(edge < way * (rule.y - start) < near for rule in within)
        reach = limits.FAR_BELOW if is_below or is_parted else limits.NEAR_ABOVE
        if far > edge and near + far > 0 and near - edge <= reach * height:
            edge = far
    return start + way * (edge + 0.1 * height)


def _widest_gap(before: Anchor, after: Anchor, texts: list[Cell]) -> float:
    """Return the middle of the widest blank between two anchors; of equal ones the lower."""
    blanks = blanks_between(before, after, texts)
    return max((b - a, (a + b) / 2) for a, b in blanks)[1] if blanks else after.top
