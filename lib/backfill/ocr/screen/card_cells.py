"""What each text of a card is: of title or address, its length, a state, a picture, noise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backfill.ocr import limits
from backfill.ocr.screen.anchors import Anchor
from backfill.ocr.screen.checks import CANCELLED, HALF_OF_DAY, UNKNOWN_TEXT
from backfill.ocr.text.cells import Cell
from backfill.ocr.text.clock import HOUR_MINUTES
from backfill.ocr.text.noise import (
    cut_collaborators,
    heads_count,
    is_cancelled,
    is_collaborators,
    is_noise,
    is_of_others,
    is_scrap,
    is_worn_state,
    plain,
)
from backfill.ocr.text.timetext import (
    cut_duration,
    parse_duration,
    parse_worn_duration,
    tells_half,
)
from backfill.ocr.text.vocabulary import find_labels
from backfill.ocr.words import Word

_NAME_AND_NUMBER = re.compile(r"[^\W\d_]{3}\.?\s+\d")
_ENDS_IN_DIGIT = re.compile(r"\d$")
# No length has so many letters side by side, however it was read.
_WORD = re.compile(r"[^\W\d_]{3}")


@dataclass(frozen=True, slots=True)
class CardCells:
    """The cells of title and address, those of them that are unread, minutes shown, and doubts."""

    kept: list[Cell]
    unread: list[Cell]
    minutes: int | None
    flags: tuple[str, ...]


def sorted_cells(
    anchor: Anchor,
    minutes: int | None,
    card: Sequence[Cell],
    lengths: Sequence[Cell],
    height: float,
) -> CardCells:
    """Return what the cells of a card are; `minutes` is its length as the times' line shows it.

    A text that stands where durations stand is one, however it was read. Every other text is part
    of title or address, known noise, a picture, or a doubt.
    """
    own = [cell for cell in card if not _heads_others(cell.text)]
    is_told = len(own) == len(card) and not any("?" in cell.text for cell in anchor.cells)
    flags = (HALF_OF_DAY,) * anchor.is_half_guessed + (UNKNOWN_TEXT,) * (not is_told)
    kept: list[Cell] = []
    unread: list[Cell] = []
    for cell in join_lengths(_without_pictures(_by_column(own, anchor), height), height):
        if _is_at_rim(cell, anchor, own, lengths, height):
            continue
        read = parse_duration(cell.text)
        if heads_count(cell.text) and not find_labels(cell.text.split()):
            flags += (UNKNOWN_TEXT,)
        elif read is not None:
            minutes = read
        elif _is_among_lengths(cell, anchor, lengths, height):
            worn = parse_worn_duration(cell.text)
            is_word = worn is None and _WORD.search(cell.text) and not is_noise(cell.text)
            # A word in the place of lengths says something of the card: "Ledig".
            flags += (_meaning_of(cell.text) or UNKNOWN_TEXT,) * bool(is_word)
            minutes = minutes if is_word else worn
        elif (doubts := _doubts_aside(cell, anchor, own, height)) is not None:
            flags += doubts
        elif (
            not is_noise(cell.text)
            or _ends_address(cell, kept, height)
            or _begins_line(cell, own, height)
        ):
            kept.append(cell)
        elif is_scrap(cell.text) and _stands_below_address(cell, kept, height):
            unread.append(cell)
    return CardCells(kept, unread, minutes, flags)


def _doubts_aside(
    cell: Cell, anchor: Anchor, card: list[Cell], height: float
) -> tuple[str, ...] | None:
    """Return the doubts that a text raises which is of neither title nor address; None of others.

    It changes what the card means, or is a state below the times.
    """
    if (meaning := _meaning_of(cell.text)) is not None:
        return (meaning,)
    if _stands_above_times(cell, anchor, card, height):
        return (UNKNOWN_TEXT,) * (len(plain(cell.text)) > 1)
    if _is_below_times(cell, anchor, card, height):
        is_known = is_noise(cell.text) or is_worn_state(cell.text)
        return (UNKNOWN_TEXT,) * (not is_known and len(plain(cell.text)) > limits.SCRAP)
    return None


def _meaning_of(text: str) -> str | None:
    """Return the doubt that a text raises which changes what its card means; None of others."""
    if tells_half(text):
        return HALF_OF_DAY
    words = text.split()
    if any(match.is_exact for match in find_labels(words)):
        return None
    return CANCELLED if is_cancelled(text) and len(words) <= limits.WORDS_OF_BADGE else None


def _heads_others(text: str) -> bool:
    """Whether a text heads shifts of others, or of nobody."""
    return is_of_others(text) and not any(match.is_exact for match in find_labels(text.split()))


def _by_column(card: list[Cell], anchor: Anchor) -> list[Cell]:
    """Return the cells, those divided that reach from the times' column into the title's."""
    first = anchor.cells[0]
    titles = [
        cell.left
        for cell in card
        if cell.left >= anchor.right and abs(cell.middle - first.middle) < first.height
    ]
    if not (anchor.is_stacked and titles):
        return card
    edge = min(titles) - limits.BEFORE_TITLE * first.height
    divided: list[Cell] = []
    for cell in card:
        own = tuple(word for word in cell.words if word.right < edge)
        rest = cell.words[len(own) :]
        divided += [Cell(own), Cell(rest)] if own and rest else [cell]
    return divided


def _without_pictures(card: list[Cell], height: float) -> list[Cell]:
    """Return the cells without those beside and below a "Collaborators" heading.

    What stands there are portraits and a counter, whatever letters they were read as.
    """
    heads = [word for cell in card for word in cell.words if is_collaborators(word.text)]
    return [
        cell
        for cell in (_before(cell, heads) for cell in card)
        if cell is not None and not any(_is_picture_of(cell, head, height) for head in heads)
    ]


def _before(cell: Cell, heads: Sequence[Word]) -> Cell | None:
    """Return what of a cell stands before the heading in it; None where nothing does."""
    at = next((place for place, word in enumerate(cell.words) if word in heads), None)
    return cell if at is None else Cell(cell.words[:at]) if at else None


def _is_picture_of(cell: Cell, head: Word, height: float) -> bool:
    if cell.left >= head.right - 0.3 * height:
        return abs(cell.middle - head.middle) < limits.PICTURE_REACH * height
    return cell.left >= head.left - height and cell.top >= head.top + 0.5 * height


def _is_at_rim(
    cell: Cell, anchor: Anchor, card: Sequence[Cell], lengths: Sequence[Cell], height: float
) -> bool:
    """Whether a scrap stands left of the times or right of all durations: a corner of the card.

    A short text that begins where longer ones do is one of them: a town of three letters.
    """
    right = max((other.right for other in lengths), default=cell.left)
    return (
        len(cell.text) <= limits.LONGEST_SCRAP
        and (cell.right < anchor.left + 0.2 * height or cell.left > right)
        and not any(
            len(other.text) > limits.LONGEST_SCRAP
            and abs(other.left - cell.left) < limits.SAME_EDGE * height
            for other in card
        )
    )


def _is_among_lengths(cell: Cell, anchor: Anchor, lengths: Sequence[Cell], height: float) -> bool:
    """Whether a short text stands right of its card's title, below or above other durations."""
    return (
        len(cell.text) <= limits.LONGEST_DURATION
        and cell.top < anchor.top + 0.8 * height
        and cell.left > anchor.right + limits.FAR_RIGHT * height
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


def _stands_above_times(cell: Cell, anchor: Anchor, card: Sequence[Cell], height: float) -> bool:
    """Whether a word stands above stacked times in their column, beside the title: ca 10:00."""
    first = anchor.cells[0]
    return (
        anchor.is_stacked
        and 0 < first.middle - cell.middle <= limits.STACK_PITCH * height
        and abs(cell.left - first.left) < limits.SAME_EDGE * height
        and cell.right <= anchor.right
        and any(o.left > anchor.right and o.top < cell.middle < o.bottom for o in card)
    )


def _has_title_beside(anchor: Anchor, cell: Cell, card: list[Cell]) -> bool:
    """Whether a range's title stands right of it on its line, and the cell is a state below it."""
    beside = [
        other.left
        for other in card
        if other.left > anchor.right
        and other.top < anchor.bottom
        and other.bottom > anchor.top
        and parse_duration(other.text) is None
    ]
    if cell.top - anchor.bottom > limits.BESIDE_STATE * cell.height:
        return False
    is_text = find_labels(cell.text.split()) or _NAME_AND_NUMBER.search(cell.text)
    if is_text or any(_is_line_between(other, anchor, cell) for other in card):
        return False
    # Words beside a letter that reaches below the line are told as tall as it.
    times = [word.height for word in anchor.cells[0].words if any(map(str.isdigit, word.text))]
    tall = min(times, default=anchor.cells[0].height)
    is_small = is_noise(cell.text) or cell.height < limits.STATE_TALL * tall
    is_state = is_small and len(cell.text) <= limits.LONGEST_STATE and cell.right < anchor.right
    return is_state and bool(beside) and cell.right < min(beside)


def _is_line_between(line: Cell, anchor: Anchor, cell: Cell) -> bool:
    """Whether a line that a cell goes on, since it begins as the cell does, stands above it."""
    return (
        anchor.bottom - 0.5 * line.height < line.middle < cell.top
        and abs(line.left - cell.left) < limits.SAME_EDGE * cell.height
        and line not in anchor.cells
    )


def _begins_line(cell: Cell, card: Sequence[Cell], height: float) -> bool:
    """Whether a lone letter is a line's first: "Ö. Promenaden", however read."""
    return bool(re.fullmatch(r"[^\W_]\.", cell.text)) and any(
        0 < other.left - cell.right < limits.GAP_IN_RANGE * height
        and abs(other.middle - cell.middle) < limits.SAME_LINE * height
        for other in card
    )


def _ends_address(cell: Cell, kept: list[Cell], height: float) -> bool:
    """Whether a lone number or letter is the street's, wrapped below a line that lacks one."""
    text = cell.text.rstrip(",.")
    if not re.fullmatch(r"\d{1,4}|[A-Za-zÅÄÖåäö]", text):
        return False
    last = _address_line_above(cell, kept, height)
    return last is not None and bool(_ENDS_IN_DIGIT.search(last)) != text.isdigit()


def _stands_below_address(cell: Cell, kept: list[Cell], height: float) -> bool:
    """Whether a sign that is no letter stands where the letter of a house number wraps to."""
    last = _address_line_above(cell, kept, height)
    return last is not None and bool(_ENDS_IN_DIGIT.search(last))


def _address_line_above(cell: Cell, kept: list[Cell], height: float) -> str | None:
    """Return the line of an address right above a cell that begins where it begins."""
    above = [other for other in kept if other.middle < cell.middle - 0.5 * height]
    last = max(
        (other for other in above if abs(other.left - cell.left) <= limits.SAME_EDGE * height),
        key=lambda other: other.middle,
        default=None,
    )
    if (
        last is not None
        and cell.middle - last.middle <= limits.STACK_PITCH * height
        and len(above) > 1
        and ("," in last.text or len(above) > 2 or _is_in_column(last, above))
    ):
        return cut_collaborators(last.text)
    return None


def _is_in_column(line: Cell, others: Sequence[Cell]) -> bool:
    """Whether a line stands right of another, in a column of its own."""
    return any(
        other.right < line.left and other.top < line.bottom and line.top < other.bottom
        for other in others
    )


def join_lengths(card: list[Cell], height: float) -> list[Cell]:
    """Return the cells, hours and minutes of one duration as one, beside or below one another."""
    joined: list[Cell] = []
    for cell in sorted(card, key=lambda cell: (round(cell.left / height), cell.top)):
        minutes = parse_duration(cell.text)
        mate = next((o for o in joined if _is_hours_before(o, cell, height)), None)
        if minutes is not None and mate is not None:
            joined[joined.index(mate)] = Cell((*mate.words, *cell.words))
        else:
            joined.append(cell)
    return sorted(joined, key=lambda cell: (cell.top, cell.left))


def _is_hours_before(hours: Cell, minutes: Cell, height: float) -> bool:
    """Whether one cell is only hours, and the other only minutes close behind them."""
    whole = parse_duration(hours.text)
    return (
        whole is not None
        and whole % HOUR_MINUTES == 0
        and not re.search(r"[hHt]", minutes.text)
        and re.search(r"[ht]", hours.text) is not None
        and not re.search(r"m", re.sub(r"tim", "", hours.text))
        and (_is_right_of(minutes, hours, height) or _is_wrapped(minutes, hours, height))
    )


def _is_right_of(minutes: Cell, hours: Cell, height: float) -> bool:
    return (
        abs(hours.middle - minutes.middle) < 0.5 * height
        and 0 <= minutes.left - hours.right < limits.HOURS_TO_MINUTES * height
    )


def _is_wrapped(minutes: Cell, hours: Cell, height: float) -> bool:
    """Whether minutes stand right below hours that had no room beside them."""
    off = min(abs(minutes.left - hours.left), abs(minutes.right - hours.right))
    return off < 0.5 * height and 0 < minutes.middle - hours.middle <= limits.STACK_PITCH * height


def without_lengths(lines: Sequence[str]) -> tuple[list[str], int | None]:
    """Return the lines that say something beside a duration, and the minutes of the first."""
    cut = [
        ("", minutes) if (minutes := parse_duration(text)) is not None else cut_duration(text)
        for text in lines
    ]
    texts = [text for text, _minutes in cut if text]
    return texts, next((minutes for _text, minutes in cut if minutes is not None), None)
