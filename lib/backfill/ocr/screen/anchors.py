"""Where the cards of a screen are: its rules, and the times that each card begins with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backfill.ocr import limits
from backfill.ocr.text.cells import Cell
from backfill.ocr.text.timetext import holds_half, parse_clock, parse_range


@dataclass(frozen=True, slots=True)
class Divider:
    """A horizontal rule between two cards, in pixels."""

    left: float
    right: float
    y: float


@dataclass(frozen=True, slots=True)
class Anchor:
    """The times of one card; `end` is empty for a single time without a partner.

    `is_half_guessed`: of a clock of twelve hours, whose half is told of one of them only. `mark` is
    the start where it stands once more, beside the card's first line.
    """

    start: str
    end: str
    cells: tuple[Cell, ...]
    rest: str = ""
    is_half_guessed: bool = False
    mark: Cell | None = None

    @property
    def left(self) -> float:
        return min(cell.left for cell in self.cells)

    @property
    def right(self) -> float:
        return max(cell.right for cell in self.cells)

    @property
    def top(self) -> float:
        return min(cell.top for cell in (*self.cells, *([self.mark] if self.mark else [])))

    @property
    def bottom(self) -> float:
        return max(cell.bottom for cell in self.cells)

    @property
    def is_stacked(self) -> bool:
        return len(self.cells) == 2


def find_anchors(cells: list[Cell], dividers: tuple[Divider, ...], height: float) -> list[Anchor]:
    anchors: list[Anchor] = []
    singles: list[tuple[Cell, str]] = []
    for cell in cells:
        found = parse_range(cell.text)
        if found:
            anchors.append(
                Anchor(found.start, found.end, (cell,), found.rest, found.is_half_guessed)
            )
        elif clock := parse_clock(cell.text):
            singles.append((cell, clock))
    anchors, singles = _with_marks(anchors, singles)
    while singles:
        cell, clock = singles.pop(0)
        partner = next((s for s in singles if _is_stacked(cell, s[0], dividers, height)), None)
        if partner:
            singles.remove(partner)
            is_guessed = holds_half(cell.text) != holds_half(partner[0].text)
            anchors.append(Anchor(clock, partner[1], (cell, partner[0]), "", is_guessed))
        else:
            anchors.append(Anchor(clock, "", (cell,)))
    return sorted(anchors, key=lambda anchor: (anchor.top, anchor.left))


def _with_marks(
    ranges: list[Anchor], singles: list[tuple[Cell, str]]
) -> tuple[list[Anchor], list[tuple[Cell, str]]]:
    """Return the ranges, each with the single time left of it that says its start once more.

    Nothing but the range tells when the card ends: between the two no other time stands.
    """
    marked: dict[Anchor, Cell] = {}
    for cell, clock in singles:
        below = [anchor for anchor in ranges if anchor.cells[0].bottom > cell.middle]
        first = min(below, key=lambda anchor: anchor.top, default=None)
        if first and first.start == clock and cell.right < first.left:
            marked.setdefault(first, cell)
    return [replace(anchor, mark=marked.get(anchor)) for anchor in ranges], [
        (cell, clock) for cell, clock in singles if cell not in marked.values()
    ]


def _is_stacked(upper: Cell, lower: Cell, dividers: tuple[Divider, ...], height: float) -> bool:
    is_aligned = min(abs(upper.left - lower.left), abs(upper.right - lower.right))
    return (
        is_aligned <= limits.SAME_LEFT * height
        and 0 < lower.middle - upper.middle <= limits.STACK_PITCH * height
        and not any(upper.middle < rule.y < lower.middle for rule in crossing(dividers, upper))
    )


def crossing(dividers: tuple[Divider, ...], cell: Cell | Anchor) -> list[Divider]:
    return [rule for rule in dividers if rule.left <= cell.right and rule.right >= cell.left]
