"""What a look writes beside every card's values: captions, and columns of their own. Pure.

"Kund", "Adress" beside the values, or a table whose second column says where: told by what recurs
on the same left edge from card to card.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Sequence

from backfill.ocr import limits
from backfill.ocr.screen.anchors import Anchor
from backfill.ocr.text.cells import Cell
from backfill.ocr.text.noise import is_noise, plain, words_of
from backfill.ocr.text.timetext import parse_clock, parse_duration, parse_range
from backfill.ocr.text.title_order import is_name
from backfill.ocr.text.vocabulary import load_vocabulary
from backfill.ocr.words import Word

# A street with its number.
_NUMBERED = re.compile(r"[^\W\d_]{3,}\.?\s+\d")
_TIMES = re.compile(r"\d{2}[:.]\d{2}")


def without_captions(cells: Sequence[Cell], height: float) -> list[Cell]:
    """Return the cells without the captions that stand below one another at their left."""
    begun = _captions(cells, height)
    kept: list[Cell] = []
    for cell in cells:
        if cell not in begun:
            kept.append(cell)
        elif len(cell.words) > 1:
            kept.append(Cell(cell.words[1:]))
    return kept


def _captions(cells: Sequence[Cell], height: float) -> list[Cell]:
    """Return the cells that begin with a caption, below another of the same left edge.

    Captions beside one another, and nothing else on their line, head the columns of a table.
    """
    begun = [cell for cell in cells if plain(cell.words[0].text) in words_of("captions")]
    heads = [cell for cell in begun if len(cell.words) == 1]
    return [
        cell
        for cell in begun
        if any(
            other is not cell
            and abs(other.left - cell.left) < limits.SAME_EDGE * height
            and abs(other.middle - cell.middle) > height
            for other in begun
        )
        or len(_on_line(cell, heads, height)) == len(_on_line(cell, cells, height)) > 1
    ]


def without_sent(words: list[Word], cells: Sequence[Cell]) -> list[Word]:
    """Return the words without the times at which the messages of a chat were sent.

    `cells` are the words' own. Such a time ends a message: smaller and paler than the ranges of
    times of its cards, alone on its line or behind darker text, later from message to message;
    ticks may stand behind it.
    """
    ranges = [cell for cell in cells if parse_range(cell.text)]
    if not ranges:
        return words
    tall, dark = (
        statistics.median(getattr(r, of) for r in ranges) for of in ("height", "contrast")
    )
    clocks_at = [word for word in words if parse_clock(word.text)]
    ticked = [w.left for w in words if any(_is_tick_of(w, word) for word in clocks_at)]
    sent = [
        word
        for word in sorted(words, key=lambda word: word.top)
        if parse_clock(word.text)
        and word.height < limits.SENT_TALL * tall
        and word.contrast < limits.FAINTER * dark
        and not any(_is_level(cell, word) for cell in ranges)
        and _ends_line(word, words, ticked)
    ]
    clocks = [parse_clock(word.text) for word in sent]
    if clocks != sorted(clocks):
        return words
    ticks = [w for w in words if any(_is_tick_of(w, word, ticked) for word in sent)]
    return [word for word in words if word not in sent and word not in ticks]


def _ends_line(word: Word, words: Sequence[Word], ticked: Sequence[float]) -> bool:
    """Whether nothing but ticks stands right of a word, and left of it nothing as pale."""
    line = [w for w in words if w is not word and _is_level(w, word)]
    return all(
        _is_tick_of(w, word, ticked)
        or (w.right < word.left and w.contrast * limits.FAINTER > word.contrast)
        for w in line
    )


def _is_tick_of(tick: Word, word: Word, ticked: Sequence[float] = ()) -> bool:
    """Whether a word is what ticks right behind a time are read as.

    Digits are ticks where other messages have theirs: `ticked`, in pixels.
    """
    return (
        _is_level(tick, word)
        and 0 <= tick.left - word.right + 1 < limits.GAP_IN_RANGE * word.height
        and len(tick.text) <= limits.TICK_CHARS
        and (
            not any(char.isdigit() for char in tick.text)
            or any(abs(tick.left - left) < limits.SAME_EDGE * tick.height for left in ticked)
        )
    )


def _is_level(one: Cell | Word, other: Word) -> bool:
    return one.top < other.middle < one.bottom


def with_ranges(cells: Sequence[Cell], height: float) -> list[Cell]:
    """Return the cells, start and end of a table's rows joined: in two columns, beside each other.

    Each is the next text on its line, and nothing else on it is a time; two rows have them so.
    """
    pairs = [pair for cell in cells if (pair := _pair_of(cell, cells, height))]
    joined: dict[Cell, Cell] = {}
    for start, end in pairs:
        rows = sum(
            max(abs(start.left - a.left), abs(end.left - b.left)) < limits.SAME_EDGE * height
            for a, b in pairs
        )
        if rows >= limits.FEWEST_ROWS:
            joined[start] = Cell((*start.words, *end.words))
    ends = {end for start, end in pairs if start in joined}
    return [joined.get(cell, cell) for cell in cells if cell not in ends]


def _pair_of(cell: Cell, cells: Sequence[Cell], height: float) -> tuple[Cell, Cell] | None:
    """Return a time and the next on its line, where these two alone are times on it."""
    line = sorted(_on_line(cell, cells, height), key=lambda other: other.left)
    times = [other for other in line if parse_clock(other.text)]
    if len(times) != 2 or times[0] is not cell or line.index(times[1]) != line.index(cell) + 1:
        return None
    return times[0], times[1]


def _on_line(cell: Cell, cells: Sequence[Cell], height: float) -> list[Cell]:
    return [c for c in cells if abs(c.middle - cell.middle) < limits.SAME_LINE * height]


def with_ranges_apart(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells of cards beside a scale, ranges of times cut off the titles before them.

    Where a card begins with its times, what stands behind a text is a break's.
    """
    if any(parse_range(cell.text) for cell in cells):
        return list(cells)
    return [part for cell in cells for part in _cut_at_range(cell)]


def _cut_at_range(cell: Cell) -> list[Cell]:
    for at in range(1, len(cell.words)):
        found = parse_range(" ".join(word.text for word in cell.words[at:]))
        if found and not found.rest and plain(cell.words[0].text):
            return [Cell(cell.words[:at]), Cell(cell.words[at:])]
    return [cell]


def hours_of_scale(cells: Sequence[Cell], height: float) -> list[Cell]:
    """Return the full hours that stand below one another, evenly: a scale, and no card's times.

    Where text stands beside most of them they are the starts of cards.
    """
    hours = [(cell, clock) for cell in cells if (clock := hour_of(cell.text)).endswith(":00")]
    for first, _clock in hours:
        column = [
            (cell, int(clock[:2]))
            for cell, clock in sorted(hours, key=lambda pair: pair[0].middle)
            if min(abs(cell.right - first.right), abs(cell.left - first.left))
            < limits.SAME_EDGE * height
        ]
        pitches = [
            (lower.middle - upper.middle) / hour
            for (upper, before), (lower, after) in itertools.pairwise(column)
            if (hour := (after - before) % 24)
        ]
        is_even = limits.FEWEST_HOURS <= len(column) == len(pitches) + 1 and (
            max(pitches) - min(pitches) < limits.SAME_PITCH * min(pitches)
        )
        beside = sum(_has_text_beside(cell, cells) for cell, _hour in column)
        if is_even and 2 * beside <= len(column):
            return [cell for cell, _hour in column]
    return []


def hour_of(text: str) -> str:
    """Return the time that a scale's text tells; of 07 it is 07:00."""
    return parse_clock(f"{text}:00" if text.isdecimal() and len(text) == 2 else text)


def _has_text_beside(cell: Cell, cells: Sequence[Cell]) -> bool:
    return any(
        other.left > cell.right and abs(other.middle - cell.middle) < 0.5 * cell.height
        for other in cells
    )


def without_signs(cells: Sequence[Cell], height: float) -> list[Cell]:
    """Return the cells without the sign (a pin, a box) before each address or range of times.

    What follows it begins where another text with a number does, behind its sign or without one.
    """
    signed = [cell for cell in cells if _may_begin_with_sign(cell)]
    numbered = [cell for cell in cells if cell not in signed and _holds_number(cell.text)]
    step = limits.SAME_SIGN * height
    kept = []
    for cell in cells:
        recurs = cell in signed and (
            any(
                other is not cell
                and abs(other.left - cell.left) < step
                and abs(other.words[1].left - cell.words[1].left) < step
                for other in signed
            )
            or any(abs(other.left - cell.words[1].left) < step for other in numbered)
        )
        kept.append(Cell(cell.words[1:]) if recurs else cell)
    return kept


def _may_begin_with_sign(cell: Cell) -> bool:
    """Whether a text with a number begins with what is no part of it: Q Nygatan 4."""
    return (
        begins_with_sign(cell.text)
        and parse_duration(cell.text) is None
        and len(cell.words[0].text) <= limits.SIGN_CHARS
        and _holds_number(" ".join(word.text for word in cell.words[1:]))
    )


def _holds_number(text: str) -> bool:
    """Whether a text holds a street's number, or is a range of times with all its digits."""
    return bool(_NUMBERED.search(text) or (_TIMES.match(text) and parse_range(text)))


def begins_with_sign(text: str) -> bool:
    """Whether the first of several words is one letter, digit or none, and shortens nothing."""
    first, _blank, rest = text.partition(" ")
    short = load_vocabulary().short_words
    return bool(rest) and len(plain(first)) <= 1 and first.strip(".").casefold() not in short


def columns_of(cards: Sequence[tuple[Anchor, Sequence[Cell]]], height: float) -> list[float]:
    """Return the left edges of the columns right of the titles, each of which two cards have."""
    step = limits.SAME_EDGE * height
    edges = [_edges_beside(anchor, card, height) for anchor, card in cards]
    columns: list[float] = []
    for edge in sorted(edge for own in edges for edge in own):
        rows = sum(any(abs(edge - other) < step for other in own) for own in edges)
        is_next = not columns or (
            edge - columns[-1] >= step and _are_beside(columns[-1], edge, cards, step)
        )
        if rows >= limits.FEWEST_ROWS and is_next:
            columns.append(edge)
    return columns


def _are_beside(
    left: float, right: float, cards: Sequence[tuple[Anchor, Sequence[Cell]]], step: float
) -> bool:
    """Whether a line has text at both edges; else a sign sets in the lines of one column."""
    return any(
        abs(one.left - left) < step
        and abs(other.left - right) < step
        and one.top < other.middle < one.bottom
        for _anchor, card in cards
        for one in card
        for other in card
    )


def without_owner(
    cards: Sequence[tuple[Anchor, list[Cell]]], height: float
) -> list[tuple[Anchor, list[Cell]]]:
    """Return the cards without the name that each of them has, of whoever's shifts they are.

    No client and no place stands on a lunch as well as beside addresses.
    """
    named = [[cell for cell in card if _name_in(cell)] for _anchor, card in cards]
    lasts = [max(own, key=lambda cell: cell.middle, default=None) for own in named]
    names = {_name_in(cell) if cell else () for cell in lasts}
    numbered = {any(_NUMBERED.search(cell.text) for cell in card) for _anchor, card in cards}
    is_owner = len(cards) >= limits.FEWEST_NAMES and len(names) == 1 and len(numbered) == 2
    return [
        (
            anchor,
            [
                cell
                for cell in card
                if not (is_owner and last and (cell is last or _is_sign_of(cell, last, height)))
            ],
        )
        for (anchor, card), last in zip(cards, lasts, strict=True)
    ]


def _is_sign_of(sign: Cell, text: Cell, height: float) -> bool:
    """Whether a cell is what a picture right before a text is read as."""
    return (
        len(sign.text) <= limits.SIGN_CHARS
        and abs(sign.middle - text.middle) < limits.SAME_LINE * height
        and 0 < text.left - sign.left < limits.GAP_IN_RANGE * height
    )


def _name_in(cell: Cell) -> str:
    """Return a person's first and last name behind what may be a picture, else nothing."""
    words = [word.text for word in cell.words]
    first = next((at for at, word in enumerate(words) if len(word) > limits.SIGN_CHARS), 0)
    name = " ".join(words[first:])
    return name if len(words) - first > 1 and is_name(name) else ""


def rows_in(columns: Sequence[float], texts: Sequence[Cell], height: float) -> list[Cell]:
    """Return the texts in columns, beside another on their line that is in one."""
    step = limits.SAME_EDGE * height
    inside = [c for c in texts if any(abs(c.left - edge) < step for edge in columns)]
    return [cell for cell in inside if len(_on_line(cell, inside, height)) > 1]


def _edges_beside(anchor: Anchor, card: Sequence[Cell], height: float) -> list[float]:
    """Return the left edges, in one card, of texts that begin right of other text on their line."""
    texts = [cell for cell in card if parse_duration(cell.text) is None and not is_noise(cell.text)]
    return [
        cell.left
        for cell in texts
        if cell.left > anchor.right
        and any(
            anchor.right < other.left < cell.left - height
            and abs(other.middle - cell.middle) < limits.SAME_LINE * height
            for other in texts
        )
    ]
