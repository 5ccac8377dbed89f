"""What a look writes beside every card's values: captions, and columns of their own. Pure.

"Kund", "Adress" beside the values, or a table whose second column says where: told by what recurs
on the same left edge from card to card.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from backfill.ocr import limits
from backfill.ocr.anchors import Anchor
from backfill.ocr.cells import Cell
from backfill.ocr.noise import is_noise, plain, words_of
from backfill.ocr.timetext import parse_duration


def without_captions(cells: Sequence[Cell], height: float) -> list[Cell]:
    """Return the cells without the captions that stand below one another at their left."""
    begun = [cell for cell in cells if plain(cell.words[0].text) in words_of("captions")]
    kept: list[Cell] = []
    for cell in cells:
        is_caption = cell in begun and any(
            other is not cell
            and abs(other.left - cell.left) < limits.SAME_EDGE * height
            and abs(other.middle - cell.middle) > height
            for other in begun
        )
        if not is_caption:
            kept.append(cell)
        elif len(cell.words) > 1:
            kept.append(Cell(cell.words[1:]))
    return kept


def second_column(cards: Sequence[tuple[Anchor, Sequence[Cell]]], height: float) -> float | None:
    """Return the left edge of a column right of the titles, which two cards have; None without."""
    lefts = Counter[int]()
    step = limits.SAME_EDGE * height
    edges = [edge for anchor, card in cards for edge in _second_edges(anchor, card, height)]
    for edge in edges:
        lefts[sum(abs(edge - other) < step for other in edges)] += 1
    if not lefts or max(lefts) < limits.FEWEST_ROWS:
        return None
    most = max(lefts)
    return min(e for e in edges if sum(abs(e - other) < step for other in edges) == most)


def _second_edges(anchor: Anchor, card: Sequence[Cell], height: float) -> list[float]:
    """Return the left edge, in one card, of text that begins right of other text on its line."""
    texts = [cell for cell in card if parse_duration(cell.text) is None and not is_noise(cell.text)]
    beside = [
        cell.left
        for cell in texts
        if cell.left > anchor.right
        and any(
            anchor.right < other.left < cell.left - height
            and abs(other.middle - cell.middle) < limits.SAME_LINE * height
            for other in texts
        )
    ]
    return [min(beside)] if beside else []
