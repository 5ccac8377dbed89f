"""The texts of one card → its title, its address, its duration; the rest is noise."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backfill.ocr.anchors import STACK_PITCH, Anchor
from backfill.ocr.cells import Cell
from backfill.ocr.checks import ADDRESS_UNSURE, TITLE_UNSURE, is_unsure
from backfill.ocr.noise import cut_collaborators, is_collaborators, is_noise, is_scrap
from backfill.ocr.repair import repair_address, repair_title
from backfill.ocr.shift import Entry
from backfill.ocr.timetext import cut_duration, parse_duration, parse_worn_duration

# A line this much fainter than the title's first is not part of the title.
FAINTER = 0.82
# Of a line's height: a duration stands this far right of its card's times at least.
FAR_RIGHT = 6.0
LONGEST_DURATION = 10
LONGEST_SCRAP = 3

_STREET = re.compile(r"[^\W\d_]{3,}\.?\s+\d{1,4}\s?[A-Za-zÅÄÖåäö]?\s*(?:,|$)")
_ENDS_IN_DIGIT = re.compile(r"\d$")
_LABEL_NUMBER = re.compile(r"\(.*\d|\b(?:dag|lunch|rast|restid)\s+\d", re.IGNORECASE)


def entry_of(
    anchor: Anchor, card: list[Cell], height: float, lengths: Sequence[Cell] = ()
) -> Entry:
    """Return the entry of one card; `lengths` are the durations that its column is known to show.

    A text that stands where durations stand is one, however it was read.
    """
    duration: int | None = None
    kept: list[Cell] = []
    unread: list[Cell] = []
    for cell in _without_pictures(card, height):
        minutes = parse_duration(cell.text)
        if _is_at_rim(cell, anchor, lengths, height):
            continue
        if minutes is None and _is_among_lengths(cell, anchor, lengths, height):
            duration = parse_worn_duration(cell.text)
        elif minutes is not None:
            duration = minutes
        elif _is_below_times(cell, anchor, card, height) or _is_unread_duration(cell, card, height):
            continue
        elif not is_noise(cell.text) or _ends_address(cell, kept, height):
            kept.append(cell)
        elif is_scrap(cell.text) and _stands_below_address(cell, kept, height):
            unread.append(cell)
    lines = _lines(kept, height)
    title_count = _title_count(lines, anchor)
    title, title_minutes = _title_of(lines[:title_count], anchor.rest)
    address_lines = [_text(line) for line in lines[title_count:]]
    address, location = _split_location([text for text in address_lines if text])
    flags = (TITLE_UNSURE,) * is_unsure(lines[:title_count])
    flags += (ADDRESS_UNSURE,) * (bool(unread) or is_unsure(lines[title_count:]))
    used = (*anchor.cells, *kept, *unread)
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


def _is_at_rim(cell: Cell, anchor: Anchor, lengths: Sequence[Cell], height: float) -> bool:
    """Whether a scrap stands left of the times or right of all durations: a corner of the card."""
    right = max((other.right for other in lengths), default=cell.left)
    return len(cell.text) <= LONGEST_SCRAP and (
        cell.right < anchor.left + 0.2 * height or cell.left > right
    )


def _is_among_lengths(cell: Cell, anchor: Anchor, lengths: Sequence[Cell], height: float) -> bool:
    """Whether a short text stands right of its card's title, below or above other durations."""
    return (
        len(cell.text) <= LONGEST_DURATION
        and cell.top < anchor.top + 0.8 * height
        and cell.left > anchor.right + FAR_RIGHT * height
        and any(
            abs(cell.right - other.right) < height or abs(cell.left - other.left) < height
            for other in lengths
        )
    )


def _is_below_times(cell: Cell, anchor: Anchor, card: list[Cell], height: float) -> bool:
    """Whether the cell is the small state under the times ("on time", however it was read)."""
    if not anchor.is_stacked and not _has_title_beside(anchor, cell, card):
        return False
    return (
        anchor.left - 0.6 * height <= cell.left < anchor.right - height
        and cell.top >= anchor.bottom - 0.3 * height
        and any(
            other.left >= anchor.right - height and parse_duration(other.text) is None
            for other in card
            if other is not cell
        )
    )


def _has_title_beside(anchor: Anchor, cell: Cell, card: list[Cell]) -> bool:
    """Whether a range's title stands right of it on its line, and the cell ends before that."""
    beside = [
        other.left
        for other in card
        if other.left > anchor.right and other.top < anchor.bottom and other.bottom > anchor.top
    ]
    return bool(beside) and cell.right < min(beside)


def _ends_address(cell: Cell, kept: list[Cell], height: float) -> bool:
    """Whether a lone number or letter is the street's, wrapped below a line that lacks one."""
    if not re.fullmatch(r"\d{1,4}|[A-Za-zÅÄÖåäö]", cell.text):
        return False
    last = _address_line_above(cell, kept, height)
    return last is not None and bool(_ENDS_IN_DIGIT.search(last)) != cell.text.isdigit()


def _stands_below_address(cell: Cell, kept: list[Cell], height: float) -> bool:
    """Whether a sign that is no letter stands where the letter of a house number wraps to."""
    last = _address_line_above(cell, kept, height)
    return last is not None and bool(_ENDS_IN_DIGIT.search(last))


def _address_line_above(cell: Cell, kept: list[Cell], height: float) -> str | None:
    """Return the line of an address right above a cell that begins where it begins."""
    above = [other for other in kept if other.middle < cell.middle - 0.5 * height]
    last = max(above, key=lambda other: other.middle, default=None)
    if (
        last is not None
        and abs(last.left - cell.left) <= 0.6 * height
        and cell.middle - last.middle <= STACK_PITCH * height
        and len(above) > 1
        and ("," in last.text or len(above) > 2)
    ):
        return cut_collaborators(last.text)
    return None


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


def _title_of(lines: list[list[Cell]], before: str) -> tuple[str, int | None]:
    """Return the title, and the minutes of a duration at the end of one of its lines."""
    cut = [cut_duration(text) for text in (before, *map(_text, lines)) if text]
    title, minutes = cut_duration(" ".join(filter(None, (text for text, _minutes in cut))))
    return title, next((found for _text, found in cut if found is not None), minutes)
