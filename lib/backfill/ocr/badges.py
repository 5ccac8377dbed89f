"""What stands on a card and is neither its times nor who, what or where: a badge, other times."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from backfill.ocr import limits
from backfill.ocr.anchors import Anchor
from backfill.ocr.cells import Cell
from backfill.ocr.timetext import parse_duration
from backfill.ocr.title_order import is_job
from backfill.ocr.vocabulary import find_labels, known_towns
from backfill.ocr.words import BULLET

_CLOCK = re.compile(r"(?<![\d.,:])[0-2]?\d[:.][0-5]\d(?![\d.,:])")
_WHOLE = re.compile(rf"[^\W\d_].*{BULLET}.*[^\W\d_]")


def tells_other_time(texts: Sequence[str]) -> bool:
    """Whether a text beside a card's own times tells one more: a break's, or one that was moved."""
    return any(_CLOCK.search(text) and parse_duration(text) is None for text in texts)


def has_badge(lines: Sequence[Sequence[Cell]], anchor: Anchor, lengths: Sequence[Cell]) -> bool:
    """Whether the text beside a range of times is no title, whose first line stands below.

    A title that goes on below breaks where its next word has no room. A text that leaves room for
    the whole first word of a client and a job on the next line was never a part of them.
    """
    beside, below = (anchor.rest, lines) if anchor.rest else ("", lines[1:])
    if anchor.is_stacked or not below or not lines:
        return False
    if not beside:
        if not all(_is_beside(cell, anchor) for cell in lines[0]):
            return False
        beside = " ".join(cell.text for cell in lines[0])
    title = " ".join(cell.text for cell in below[0])
    if not _is_whole(title) or BULLET in beside or find_labels(beside.split()):
        return False
    ends = anchor.right if anchor.rest else max(cell.right for cell in lines[0])
    stops = [cell.left for cell in lengths if _is_beside(cell, anchor)]
    right = min(stops, default=max(cell.right for line in lines for cell in line))
    first = below[0][0].words[0]
    is_below_times = below[0][0].left < anchor.left + limits.BELOW_TIMES * first.height
    return is_below_times and ends + first.width + limits.BLANK_BEFORE * first.height < right


def without_left(kept: list[Cell], anchor: Anchor, height: float) -> tuple[list[Cell], list[Cell]]:
    """Return texts and those left of the times where others are not: a heading below the card.

    What ends where the times do stands in a column of values at the right edge.
    """
    edge = anchor.left - limits.LEFT_OF_TIMES * height
    end = limits.SAME_EDGE * height
    own = [c for c in kept if c.left >= edge or abs(c.right - anchor.right) < end]
    left_of = [cell for cell in kept if cell not in own]
    return (own, left_of) if own else (kept, [])


def breaks_early(title: Sequence[Sequence[Cell]], kept: Sequence[Cell]) -> bool:
    """Whether a line of a title leaves room for the next one's first word: they are two texts.

    A job below its client is known as one; what else stands there may be anything.
    """
    right = max((cell.right for cell in kept), default=0.0)
    return any(
        upper[-1].right + limits.BLANK_BEFORE * upper[-1].height + lower[0].words[0].width < right
        for upper, lower in itertools.pairwise(title)
        if not any(is_job(text) or BULLET in text for text in (_text_of(upper), _text_of(lower)))
    )


def is_undivided(address: Sequence[Sequence[Cell]]) -> bool:
    """Whether a text without a number breaks above the street though there is room: no street.

    It may be a client whose title is a job that nobody knows. A known town is none.
    """
    right = max((cell.right for line in address for cell in line), default=0.0)
    return any(
        not re.search(r"[\d,]", _text_of(upper))
        and bool(re.search(r"[^\W\d_]{3}\.?\s+\d", _text_of(lower)))
        and not known_towns().find_town(_text_of(upper))
        and upper[-1].right + limits.BLANK_BEFORE * upper[-1].height + lower[0].words[0].width
        < right
        for upper, lower in itertools.pairwise(address)
    )


def _text_of(line: Sequence[Cell]) -> str:
    return " ".join(cell.text for cell in line)


def _is_beside(cell: Cell, anchor: Anchor) -> bool:
    return cell.left >= anchor.right and cell.top < anchor.bottom and cell.bottom > anchor.top


def _is_whole(title: str) -> bool:
    """Whether a line says a client and a job."""
    matches = find_labels(title.split())
    return bool(_WHOLE.search(title)) or bool(matches and matches[0].start > 0)
