"""How a list of cards ends: with room for another that is not there, or at the screen's edge.

What follows each card but the last, an edge, a rule, the next one's text, would be seen to follow
the last one, too. What begins there otherwise may be another app's, and hide more of the list.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from backfill.ocr import limits
from backfill.ocr.ink.masks import Box, Pixels, is_on
from backfill.ocr.ink.scene import Scene, difference, is_near
from backfill.ocr.screen.checks import CUT_OFF
from backfill.ocr.shift import Entry
from backfill.ocr.words import span_of

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Edge:
    """Where most of the screen changes its colour, how far below a row.

    By how much, how much more on the way, as a rule does, and to which colour.
    """

    at: float
    step: int
    over: int
    beyond: npt.NDArray[np.int16]


def is_ended(scene: Scene, gaps: Sequence[Span], rest: Span, buttons: Collection[Box]) -> bool:
    """Whether no card follows the last one, whose foot is where the `rest` of the screen begins.

    `gaps` are the blanks between the cards, `buttons` what floats at the right, where it leaves
    the text of a card to be seen.
    """
    unit, room = scene.letter_px, rest[1] - rest[0]
    widest = max((gap[1] - gap[0] for gap in gaps), default=0.0)
    blank = max(widest, limits.CARD_BLANK * unit) + limits.NEXT_LINE * unit
    end = rest[0] + min(blank, room)
    if any(
        box[1] < end and box[3] > rest[0] and not any(is_on(box, b) for b in buttons)
        for box in scene.inked
    ):
        return False
    reach = max(2.0 * limits.SHRINK, limits.SAME_PLACE * unit)
    # What stands lower may be a bar of tabs, and what leaves the rims free a message.
    low = max(end, min(rest[1], _tabs_y(scene)))
    rims = scene.colours[:, :: scene.colours.shape[1] - 1]
    seen, far = _edges(scene.colours, (rest[0], end)), _edges(rims, (end, low))
    between = [_aligned(_edges(scene.colours, gap), seen, limits.DESCENT * unit) for gap in gaps]
    over = max((edge.over for edges in between for edge in edges), default=0)
    # Of one card nobody knows whether it has a rule below it; none is as dark as a bar.
    most = max(limits.OTHER_COLOUR, 2 * over) if gaps else limits.BAR_CONTRAST
    pages = _colours_above(scene, rest[0])
    if seen and not gaps:
        # A page whose colour changes little by little has another one at its foot.
        foot = np.median(scene.colours[int(low / limits.SHRINK) - 1], axis=0)
        pages += [seen[-1].beyond] * (not is_near(seen[-1].beyond, foot.astype(np.int16)))
    others = [
        edge
        for edge in (*seen, *far)
        if max(edge.step, edge.over) > limits.OTHER_COLOUR
        and not (any(edge is own for own in seen) and _follows(edge, between, reach))
    ]
    is_page = all(o.over <= most and any(is_near(o.beyond, p) for p in pages) for o in others)
    least = _least(seen, gaps, between, reach)
    return is_page and (blank < room or (not others and 0.0 < least <= room))


def is_ended_before(scene: Scene, gaps: Sequence[Span], rest: Span, covers: Sequence[Box]) -> bool:
    """Whether no card follows the last one though something lies over the list further down.

    The last one's own edge is seen, and before the cover nothing of a next one; or cards are wider
    than the cover, and beside it the page goes on.
    """
    reach = max(2.0 * limits.SHRINK, limits.SAME_PLACE * scene.letter_px)
    above = rest[0], min(box[1] for box in covers)
    seen, between = _edges(scene.colours, above), [_edges(scene.colours, gap) for gap in gaps]
    is_closed = all(any(abs(own.at - e[0].at) <= reach for own in seen) for e in between if e)
    return (is_closed and is_ended(scene, gaps, above, ())) or _is_free_beside(
        scene, gaps, (rest[0], min(rest[1], _tabs_y(scene))), covers, reach
    )


def _is_free_beside(
    scene: Scene, gaps: Sequence[Span], rest: Span, covers: Sequence[Box], reach: float
) -> bool:
    """Whether in a strip beside the covers each card has an edge, and the last one's is all.

    What is beyond that is no card's, since none above has its colour there.
    """
    left, right = (
        int(side / limits.SHRINK)
        for side in (min(box[0] for box in covers), max(box[2] for box in covers))
    )
    for at in (*range(0, left - 1, 2), *range(right + 2, scene.colours.shape[1] - 1, 2)):
        strip = scene.colours[:, at : at + 2]
        between, seen = [_edges(strip, gap) for gap in gaps], _edges(strip, rest)
        if (
            seen
            and all(between)
            and seen[-1].at <= max(edges[0].at for edges in between) + reach
            and not any(is_near(seen[-1].beyond, edges[-1].beyond) for edges in between)
        ):
            return True
    return False


def _tabs_y(scene: Scene) -> float:
    """Return the row from which on a bar of tabs may stand."""
    return limits.TAB_MIN * limits.SHRINK * len(scene.colours)


def _aligned(edges: list[_Edge], seen: Sequence[_Edge], reach: float) -> list[_Edge]:
    """Return the edges below a card, as if it and the last one ended in letters of one depth."""
    shift = seen[0].at - edges[0].at if seen and edges else 0.0
    return [replace(edge, at=edge.at + shift) for edge in edges] if abs(shift) <= reach else edges


def _least(
    seen: Sequence[_Edge], gaps: Sequence[Span], between: Sequence[Sequence[_Edge]], reach: float
) -> float:
    """Return how far below a card something of a next one is seen, as below each one above it.

    Infinity where all of it is seen; 0 without any to compare with.
    """
    least = 0.0
    for gap, edges in zip(gaps, between, strict=True):
        places, text = [edge.at for edge in edges], gap[1] - gap[0]
        if not edges or places[-1] - places[0] <= reach:
            places.append(text)
        left, lacking = [own.at for own in seen], []
        for at in places:
            found = next((own for own in left if abs(at - own) <= reach), None)
            if found is None:
                lacking.append(at)
            else:
                left.remove(found)
        # Without the last card's own edge nobody knows where a next one's box would begin.
        is_open = text not in places and places[0] in lacking
        least = max(least, text if is_open else min(lacking, default=float("inf")) + reach)
    return least


def _follows(own: _Edge, between: Sequence[Sequence[_Edge]], reach: float) -> bool:
    """Whether an edge is such as follows another card; what is beyond an only one is the next."""
    return any(
        abs(own.at - edge.at) <= reach
        and max(own.step, own.over) <= limits.USUAL_STEPS * max(edge.step, edge.over)
        and (
            edges[-1].at - edges[0].at <= reach
            or (
                is_near(own.beyond, edge.beyond)
                and own.over <= max(limits.OTHER_COLOUR, limits.USUAL_STEPS * edge.over)
            )
        )
        for edges in between
        for edge in edges
    )


def _colours_above(scene: Scene, row: float) -> list[npt.NDArray[np.int16]]:
    """Return the colours that rows above one have at a rim or most of them, each once."""
    above = scene.colours[: round(row / limits.SHRINK)].astype(np.int16)
    rows = np.concatenate((above[:, 0], above[:, -1], np.median(above, axis=1).astype(np.int16)))
    found: list[npt.NDArray[np.int16]] = []
    while len(rows):
        found.append(rows[0])
        rows = rows[np.abs(rows - rows[0]).max(axis=1) > limits.RULE_CONTRAST]
    return found


def _edges(colours: Pixels, rows: Span) -> list[_Edge]:
    """Return the edges between two rows, of which the last touches what follows: a text, a bar."""
    first, last = round(rows[0] / limits.SHRINK), int(rows[1] / limits.SHRINK) - 1
    own = np.median(colours[first : max(first, last)], axis=1).astype(np.int16)
    is_step = np.abs(np.diff(own, axis=0)).max(axis=1, initial=0) >= limits.RULE_CONTRAST
    # One that is smeared, or a rule's two sides, is one.
    parts = np.flatnonzero(np.diff(is_step.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return [_edge_of(own[begin : end + 1], begin) for begin, end in parts]


def _edge_of(rows: npt.NDArray[np.int16], begin: int) -> _Edge:
    ends = np.stack((rows[0], rows[-1]))
    over = np.maximum(rows - ends.max(axis=0), ends.min(axis=0) - rows).max()
    return _Edge(
        float(limits.SHRINK * (begin + 1)), difference(rows[0], rows[-1]), int(over), rows[-1]
    )


def foot_of(scene: Scene, spans: Sequence[Span], end: float) -> float:
    """Return where the last card above a row ends, with what stands on it below its text."""
    foot = max(bottom for _top, bottom in spans)
    for _left, top, _right, bottom in scene.inked:
        if foot < bottom <= end and top - foot < limits.LINES_APART * scene.letter_px:
            foot = bottom
    return foot


def uncut(entries: Sequence[Entry], *, is_ended: bool, is_begun: bool) -> tuple[Entry, ...]:
    """Return the cards, of which the lowest is whole where the list is seen to end below it."""
    lowest = max(entries, key=lambda entry: span_of(entry.words)[3], default=None)
    if not is_ended or (len(entries) == 1 and not is_begun):
        return tuple(entries)
    return tuple(
        replace(entry, flags=tuple(flag for flag in entry.flags if flag != CUT_OFF))
        if entry is lowest
        else entry
        for entry in entries
    )
