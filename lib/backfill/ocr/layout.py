"""Words of a screen → the entries of its cards, wherever the cards stand and however large.

1. Words close together on a line become cells. 2. Cells that are times become anchors: a range on
one line, or two single times under one another. 3. Anchors far apart sideways are columns. 4. A
card reaches from one anchor to the next, cut at the divider rules or else at the widest gap.
5. In a card, noise goes; the first lines are the title, the rest is the address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backfill.ocr.cells import COLUMN_PITCH, Cell, line_height, make_cells
from backfill.ocr.checks import ADDRESS_UNSURE, TITLE_UNSURE, is_unsure
from backfill.ocr.noise import cut_collaborators, is_collaborators, is_farewell, is_noise, is_tab
from backfill.ocr.repair import repair_address, repair_title
from backfill.ocr.shift import Entry
from backfill.ocr.timetext import cut_duration, parse_clock, parse_duration, parse_range
from backfill.ocr.words import Word

# Of a line's height.
STACK_PITCH = 3.0
SAME_LEFT = 1.3
FAR_BELOW = 3.2
NEAR_ABOVE = 1.2
# A line this much fainter than the title's first is not part of the title.
FAINTER = 0.82

_STREET = re.compile(r"[^\W\d_]{3,}\.?\s+\d{1,4}\s?[A-Za-zÅÄÖåäö]?\s*(?:,|$)")
_LABEL_NUMBER = re.compile(r"\(.*\d|\b(?:dag|lunch|rast|restid)\s+\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Divider:
    """A horizontal rule between two cards, in pixels."""

    left: float
    right: float
    y: float


@dataclass(frozen=True, slots=True)
class Layout:
    """What a screen says below its date: entries, the farewell's time, times without a partner."""

    entries: tuple[Entry, ...]
    farewell: str = ""
    lone_times: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Anchor:
    """The times of one card; `end` is empty for a single time without a partner."""

    start: str
    end: str
    cells: tuple[Cell, ...]
    rest: str = ""

    @property
    def left(self) -> float:
        return min(cell.left for cell in self.cells)

    @property
    def right(self) -> float:
        return max(cell.right for cell in self.cells)

    @property
    def top(self) -> float:
        return min(cell.top for cell in self.cells)

    @property
    def bottom(self) -> float:
        return max(cell.bottom for cell in self.cells)

    @property
    def is_stacked(self) -> bool:
        return len(self.cells) == 2


def read_layout(words: list[Word], dividers: tuple[Divider, ...] = ()) -> Layout:
    """Return the entries of all cards, column by column, from top to bottom."""
    height = line_height(words)
    cells = make_cells(words)
    anchors = _find_anchors(cells, dividers, height)
    timed = {cell for anchor in anchors for cell in anchor.cells}
    texts = [cell for cell in cells if cell not in timed and not is_tab(cell.text)]
    entries: list[Entry] = []
    farewell = ""
    lone: list[Word] = []
    for column, column_texts in _columns(anchors, texts, height):
        cards = _cards(column, column_texts, dividers, height)
        for anchor, card in cards:
            if anchor.end:
                entries.append(_entry_of(anchor, card, height))
            elif any(is_farewell(cell.text) for cell in card):
                farewell = anchor.start
            else:
                lone.extend(anchor.cells[0].words)
    return Layout(tuple(entries), farewell, tuple(lone))


def _find_anchors(cells: list[Cell], dividers: tuple[Divider, ...], height: float) -> list[Anchor]:
    anchors: list[Anchor] = []
    singles: list[tuple[Cell, str]] = []
    for cell in cells:
        found = parse_range(cell.text)
        if found:
            anchors.append(Anchor(found.start, found.end, (cell,), found.rest))
        elif clock := parse_clock(cell.text):
            singles.append((cell, clock))
    while singles:
        cell, clock = singles.pop(0)
        partner = next((s for s in singles if _is_stacked(cell, s[0], dividers, height)), None)
        if partner:
            singles.remove(partner)
            anchors.append(Anchor(clock, partner[1], (cell, partner[0])))
        else:
            anchors.append(Anchor(clock, "", (cell,)))
    return sorted(anchors, key=lambda anchor: (anchor.top, anchor.left))


def _is_stacked(upper: Cell, lower: Cell, dividers: tuple[Divider, ...], height: float) -> bool:
    return (
        abs(upper.left - lower.left) <= SAME_LEFT * height
        and 0 < lower.middle - upper.middle <= STACK_PITCH * height
        and not any(upper.middle < rule.y < lower.middle for rule in _crossing(dividers, upper))
    )


def _crossing(dividers: tuple[Divider, ...], cell: Cell | Anchor) -> list[Divider]:
    return [rule for rule in dividers if rule.left <= cell.right and rule.right >= cell.left]


def _columns(
    anchors: list[Anchor], texts: list[Cell], height: float
) -> list[tuple[list[Anchor], list[Cell]]]:
    """Return the anchors of each column with the texts that begin in it."""
    lefts: list[float] = []
    for left in sorted(anchor.left for anchor in anchors if anchor.end):
        if not lefts or left - lefts[-1] > COLUMN_PITCH * height:
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
    anchors: list[Anchor], texts: list[Cell], dividers: tuple[Divider, ...], height: float
) -> list[tuple[Anchor, list[Cell]]]:
    """Return each anchor with the texts of its card."""
    cards = []
    for index, anchor in enumerate(anchors):
        after = anchors[index + 1] if index + 1 < len(anchors) else None
        before = anchors[index - 1] if index else None
        top = _upper_edge(before, anchor, texts, dividers, height)
        bottom = _lower_edge(anchor, after, texts, dividers, height)
        cards.append((anchor, [cell for cell in texts if top <= cell.middle < bottom]))
    return cards


def _upper_edge(
    before: Anchor | None,
    anchor: Anchor,
    texts: list[Cell],
    dividers: tuple[Divider, ...],
    height: float,
) -> float:
    low = before.bottom if before else float("-inf")
    rules = [rule.y for rule in _crossing(dividers, anchor) if low < rule.y <= anchor.top]
    if rules:
        return max(rules)
    if before:
        return _widest_gap(before, anchor, texts)
    edge = anchor.top - 0.8 * height
    for cell in sorted(texts, key=lambda cell: -cell.middle):
        if cell.middle < anchor.top and edge - cell.bottom <= NEAR_ABOVE * height:
            edge = min(edge, cell.top - 0.1 * height)
    return edge


def _lower_edge(
    anchor: Anchor,
    after: Anchor | None,
    texts: list[Cell],
    dividers: tuple[Divider, ...],
    height: float,
) -> float:
    high = after.top if after else float("inf")
    rules = [rule.y for rule in _crossing(dividers, anchor) if anchor.bottom <= rule.y < high]
    if rules:
        return min(rules)
    if after:
        return _widest_gap(anchor, after, texts)
    edge = anchor.bottom
    for cell in sorted(texts, key=lambda cell: cell.top):
        if cell.bottom > edge and cell.top - edge <= FAR_BELOW * height:
            edge = cell.bottom
    return edge + 0.1 * height


def _widest_gap(before: Anchor, after: Anchor, texts: list[Cell]) -> float:
    """Return the middle of the widest blank between two anchors; of equal ones the lower."""
    spans = [(c.top, c.bottom) for c in texts if before.top < c.middle < after.top]
    spans = [(before.top, before.bottom), *sorted(spans), (after.top, after.bottom)]
    best, widest, reach = after.top, float("-inf"), spans[0][1]
    for top, bottom in spans[1:]:
        if top - reach >= widest:
            widest, best = top - reach, (top + reach) / 2
        reach = max(reach, bottom)
    return best


def _entry_of(anchor: Anchor, card: list[Cell], height: float) -> Entry:
    duration: int | None = None
    kept: list[Cell] = []
    for cell in _without_pictures(card, height):
        minutes = parse_duration(cell.text)
        if minutes is not None:
            duration = minutes
        elif _is_below_times(cell, anchor, card, height) or _is_unread_duration(cell, card, height):
            continue
        elif not is_noise(cell.text) or _ends_address(cell, kept, height):
            kept.append(cell)
    lines = _lines(kept, height)
    title_count = _title_count(lines, anchor)
    title, title_minutes = cut_duration(_join(lines[:title_count], anchor.rest))
    address_lines = [_text(line) for line in lines[title_count:]]
    address, location = _split_location([text for text in address_lines if text])
    flags = (TITLE_UNSURE,) * is_unsure(lines[:title_count])
    flags += (ADDRESS_UNSURE,) * is_unsure(lines[title_count:])
    used = (*anchor.cells, *kept)
    return Entry(
        anchor.start,
        anchor.end,
        repair_title(title),
        location,
        repair_address(address),
        duration if duration is not None else title_minutes,
        tuple(word for cell in used for word in cell.words),
        flags,
    )


def _without_pictures(card: list[Cell], height: float) -> list[Cell]:
    """Return the cells without those at and below a "Collaborators" heading."""
    heads = [(w.left, w.top) for c in card for w in c.words if is_collaborators(w.text)]
    return [
        cell
        for cell in card
        if not any(
            cell.left >= left - height and cell.top >= top + 0.5 * height for left, top in heads
        )
    ]


def _is_below_times(cell: Cell, anchor: Anchor, card: list[Cell], height: float) -> bool:
    """Whether the cell is the small state under stacked times ("on time", however it was read)."""
    return (
        anchor.is_stacked
        and anchor.left - 0.6 * height <= cell.left < anchor.right - height
        and cell.top >= anchor.bottom - 0.3 * height
        and any(
            other.left >= anchor.right - height and parse_duration(other.text) is None
            for other in card
            if other is not cell
        )
    )


def _ends_address(cell: Cell, kept: list[Cell], height: float) -> bool:
    """Whether a lone number is the street's, wrapped: right below a line that lacks one."""
    if not re.fullmatch(r"\d{1,4}|[A-Za-zÅÄÖåäö]", cell.text):
        return False
    above = [other for other in kept if other.middle < cell.middle - 0.5 * height]
    last = max(above, key=lambda other: other.middle, default=None)
    return (
        last is not None
        and abs(last.left - cell.left) <= 0.6 * height
        and cell.middle - last.middle <= STACK_PITCH * height
        and len(above) > 1
        and ("," in last.text or len(above) > 2)
        and bool(re.search(r"\d$", cut_collaborators(last.text))) != cell.text.isdigit()
    )


def _is_unread_duration(cell: Cell, card: list[Cell], height: float) -> bool:
    """Whether a short text with digits stands far right of the card's text."""
    left = min(other.left for other in card if not is_noise(other.text) or other is cell)
    return (
        cell.left > left + 8 * height
        and len(cell.text) <= 9
        and bool(re.search(r"\d", cell.text))
        and bool(re.search(r"[hm]\W*$|\dm|\dh", cell.text))
    )


def _lines(cells: list[Cell], height: float) -> list[list[Cell]]:
    lines: list[list[Cell]] = []
    for cell in sorted(cells, key=lambda cell: (cell.middle, cell.left)):
        if lines and cell.middle - lines[-1][0].middle < 0.55 * height:
            lines[-1].append(cell)
        else:
            lines.append([cell])
    return [sorted(line, key=lambda cell: cell.left) for line in lines]


def _title_count(lines: list[list[Cell]], anchor: Anchor) -> int:
    """Return how many of the lines are the title; at least one, unless the title stood before."""
    first = 0 if anchor.rest else 1
    for index in range(first, len(lines)):
        if _is_fainter(lines[index], lines[0]) or _is_address(_text(lines[index])):
            return index
    return len(lines)


def _is_fainter(line: list[Cell], title: list[Cell]) -> bool:
    contrast = max(cell.contrast for cell in line)
    return 0 < contrast < FAINTER * max(cell.contrast for cell in title)


def _is_address(text: str) -> bool:
    if _LABEL_NUMBER.search(text):
        return False
    return bool(_STREET.search(text)) or bool(re.match(r"^[^\W\d][^,]{1,30},", text))


def _split_location(lines: list[str]) -> tuple[str, str]:
    """Return address and location: a last line without digits, below one with, is the town."""
    is_town = len(lines) > 1 and bool(re.fullmatch(r"\D{3,}", lines[-1]))
    if is_town and any(map(_is_address, lines[:-1])):
        return " ".join(lines[:-1]), lines[-1]
    return " ".join(lines), ""


def _text(line: list[Cell]) -> str:
    return " ".join(filter(None, (cut_collaborators(cell.text) for cell in line)))


def _join(lines: list[list[Cell]], before: str) -> str:
    return " ".join(filter(None, [before, *(_text(line) for line in lines)]))
