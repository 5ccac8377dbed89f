"""Which rules and edges of a column part its cards, and which are within one. Pure.

A card may have a header strip of another colour, a line above its foot, a line between its rows.
What parts cards is where most is blank; what recurs in every card, nearer to its times, is the
card's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from backfill.ocr import limits
from backfill.ocr.screen.anchors import Anchor, Divider, crossing
from backfill.ocr.text.cells import Cell
from backfill.ocr.text.timetext import parse_duration


@dataclass(frozen=True, slots=True)
class _Gap:
    """What lies between the times of two cards: where they part, and the rules within them.

    `lines` is how many lines of text it has.
    """

    boundary: float
    above: tuple[Divider, ...]
    below: tuple[Divider, ...]
    lines: int


def between_cards(
    rules: tuple[Divider, ...], anchors: Sequence[Anchor], texts: Sequence[Cell], height: float
) -> tuple[Divider, ...]:
    """Return the rules without those within cards.

    1. Cards part at the widest blank between two times; one with both edges of a strip in it is
    worth more. 2. Other rules there are within a card if all cards have one on the same side of
    their times, but such as have no more text; and if no card has all of its text beside its times.
    A heading between two cards stands between rules as well, but few have one.
    """
    if len(anchors) == 1:
        return _around_one(rules, anchors[0], texts, height)
    gaps = [
        _gap_of(upper, lower, rules, texts, height)
        for upper, lower in pairwise(anchors)
        if upper.bottom < lower.top
    ]
    for is_below in (True, False):
        own = [gap.above if is_below else gap.below for gap in gaps]
        bare = [not found and gap.lines > 1 for found, gap in zip(own, gaps, strict=True)]
        found = {rule for rules_of in own for rule in rules_of}
        if not found or any(bare) or any(gap.below if is_below else gap.above for gap in gaps):
            continue
        end = _at_end(anchors, rules, texts, own, height, is_below=is_below)
        if end is None or (not end and len([o for o in own if o]) < limits.FEWEST_ROWS):
            continue
        kept = tuple(rule for rule in rules if rule not in found and rule not in end)
        if _is_needed(anchors, gaps, found | set(end), texts, height):
            return kept
    return rules


def _around_one(
    rules: tuple[Divider, ...], anchor: Anchor, texts: Sequence[Cell], height: float
) -> tuple[Divider, ...]:
    """Return the rules without those on the side of the only card's times where its text stands.

    Where any text stands beside the times, the rules around both are the card's ends.
    """
    own = crossing(rules, anchor)
    low = max((rule.y for rule in own if rule.y <= anchor.top), default=float("-inf"))
    high = min((rule.y for rule in own if rule.y >= anchor.bottom), default=float("inf"))
    told = [cell.middle for cell in texts if parse_duration(cell.text) is None]
    reach = limits.FAR_BELOW * height
    if any(low < y < high for y in told):
        return rules
    if any(high < y < high + reach for y in told):
        return tuple(rule for rule in rules if rule not in own or rule.y <= anchor.top)
    if any(low - reach < y < low for y in told):
        return tuple(rule for rule in rules if rule not in own or rule.y >= anchor.bottom)
    return rules


def _gap_of(
    upper: Anchor,
    lower: Anchor,
    rules: Sequence[Divider],
    texts: Sequence[Cell],
    height: float,
) -> _Gap:
    inside = [cell for cell in texts if upper.top < cell.middle < lower.top]
    blanks = blanks_between(upper, lower, inside)
    step = limits.SAME_SIGN * height
    own = [rule for rule in crossing(tuple(rules), lower) if upper.bottom < rule.y < lower.top]
    ruled = [[r for r in own if top - step < r.y < bottom + step] for top, bottom in blanks]
    worth = [
        (bottom - top) * (limits.STRIP_WORTH if len(found) > 1 else 1.0)
        for (top, bottom), found in zip(blanks, ruled, strict=True)
    ]
    at = max(range(len(blanks)), key=lambda place: worth[place], default=-1)
    rest = [w for place, w in enumerate(worth) if place != at and ruled[place]]
    lines = _lines(inside, height)
    if at < 0:
        return _Gap(lower.top, (), (), lines)
    top, bottom = blanks[at]
    is_told = bool(rest) and worth[at] >= limits.PARTS_CARDS * max(rest)
    within = [rule for rule in own if rule not in ruled[at]] if is_told else []
    return _Gap(
        (top + bottom) / 2,
        tuple(rule for rule in within if rule.y <= top + step),
        tuple(rule for rule in within if rule.y >= bottom - step),
        lines,
    )


def _at_end(
    anchors: Sequence[Anchor],
    rules: Sequence[Divider],
    texts: Sequence[Cell],
    own: Sequence[Sequence[Divider]],
    height: float,
    *,
    is_below: bool,
) -> tuple[Divider, ...] | None:
    """Return the rules within the card at the column's end, as far from its times as others'.

    None where it has none there though text stands beyond; empty where the screen ends.
    """
    pairs = zip(anchors if is_below else anchors[1:], own, strict=False)
    offs = [
        abs(rule.y - (anchor.bottom if is_below else anchor.top))
        for anchor, found in pairs
        for rule in found
    ]
    end, way = (anchors[-1], 1) if is_below else (anchors[0], -1)
    edge = end.bottom if is_below else end.top
    near = [
        rule
        for rule in crossing(tuple(rules), end)
        if any(abs((rule.y - edge) * way - off) < height for off in offs)
    ]
    first, reach = min(offs) - height, max(offs) + limits.FAR_BELOW * height
    beyond = [cell for cell in texts if first < (cell.middle - edge) * way < reach]
    return tuple(near) if near else None if beyond else ()


def _is_needed(
    anchors: Sequence[Anchor],
    gaps: Sequence[_Gap],
    within: set[Divider],
    texts: Sequence[Cell],
    height: float,
) -> bool:
    """Whether no card has more than a line of text on its times' side of the rules within it."""
    edges = sorted({*(rule.y for rule in within), *(gap.boundary for gap in gaps)})
    for anchor in anchors:
        ends = anchor.top - limits.NEAR_ABOVE * height, anchor.bottom + limits.FAR_BELOW * height
        low = max((y for y in edges if y <= anchor.top), default=ends[0])
        high = min((y for y in edges if y >= anchor.bottom), default=ends[1])
        if _lines([cell for cell in texts if low < cell.middle < high], height) > 1:
            return False
    return True


def _lines(cells: Sequence[Cell], height: float) -> int:
    """Return how many lines of text the cells are, but for durations."""
    middles = sorted(cell.middle for cell in cells if parse_duration(cell.text) is None)
    ends = (lower - upper > limits.SAME_LINE * height for upper, lower in pairwise(middles))
    return sum(ends) + bool(middles)


def blanks_between(
    upper: Anchor, lower: Anchor, texts: Sequence[Cell]
) -> list[tuple[float, float]]:
    """Return the rows between two times on which there is no text, from top to bottom."""
    spans = sorted((c.top, c.bottom) for c in texts if upper.top < c.middle < lower.top)
    blanks, reach = [], upper.bottom
    for top, bottom in (*spans, (lower.top, lower.bottom)):
        if top > reach:
            blanks.append((reach, top))
        reach = max(reach, bottom)
    return blanks
