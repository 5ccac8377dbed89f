"""The texts of one card → its title, its address, its duration; the rest is noise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from backfill.ocr import limits
from backfill.ocr.anchors import Anchor
from backfill.ocr.badges import (
    breaks_early,
    has_badge,
    is_undivided,
    tells_other_time,
    without_left,
)
from backfill.ocr.cells import Cell
from backfill.ocr.checks import (
    ADDRESS_UNSURE,
    CANCELLED,
    HALF_OF_DAY,
    TEXT_CUT_SHORT,
    TITLE_UNSURE,
    UNKNOWN_TEXT,
    is_unsure,
)
from backfill.ocr.lengths import join_lengths, without_lengths
from backfill.ocr.lettering import repair_capitals
from backfill.ocr.noise import (
    cut_collaborators,
    is_cancelled,
    is_collaborators,
    is_cut_short,
    is_noise,
    is_notice,
    is_of_others,
    is_scrap,
    is_worn_state,
    plain,
    words_of,
)
from backfill.ocr.shift import Entry
from backfill.ocr.timetext import cut_duration, parse_duration, parse_worn_duration, tells_half
from backfill.ocr.title_order import arrange
from backfill.ocr.vocabulary import find_labels
from backfill.ocr.words import BULLET, Word

_STREET = re.compile(r"[^\W\d_]{3,}\.?\s+\d{1,4}\s?[A-Za-zÅÄÖåäö]?\s*(?:,|$)")
# A word that a line breaks at its hyphen.
_BROKEN = re.compile(r"(?<=[^\W\d_])([-/])\n(?=[^\W\d_])")
_ENDS_IN_DIGIT = re.compile(r"\d$")
_LABEL_NUMBER = re.compile(r"\(.*\d|\b(?:dag|lunch|rast|restid)\s+\d", re.IGNORECASE)


def entry_of(
    anchor: Anchor,
    card: list[Cell],
    height: float,
    lengths: Sequence[Cell] = (),
    second: float | None = None,
) -> Entry:
    """Return the entry of one card; `lengths` are the durations that its column is known to show.

    `second` is the left edge of a table's second column, which says where.

    A text that stands where durations stand is one, however it was read. Every other text is part
    of title or address, known noise, a picture, or a doubt.
    """
    duration, anchor = _length_beside(anchor)
    kept: list[Cell] = []
    unread: list[Cell] = []
    flags: tuple[str, ...] = (HALF_OF_DAY,) * anchor.is_half_guessed
    flags += (UNKNOWN_TEXT,) * any(_heads_others(cell.text) for cell in card)
    card = [cell for cell in card if not _heads_others(cell.text)]
    for cell in join_lengths(_without_pictures(_by_column(card, anchor), height), height):
        minutes = parse_duration(cell.text)
        if _is_at_rim(cell, anchor, card, lengths, height):
            continue
        if minutes is None and _is_among_lengths(cell, anchor, lengths, height):
            duration = parse_worn_duration(cell.text)
        elif minutes is not None:
            duration = minutes
        elif (meaning := _meaning_of(cell.text)) is not None:
            flags += (meaning,)
        elif _is_below_times(cell, anchor, card, height):
            is_known = is_noise(cell.text) or is_worn_state(cell.text)
            flags += (UNKNOWN_TEXT,) * (not is_known and len(plain(cell.text)) > limits.SCRAP)
        elif _is_unread_duration(cell, card, height):
            continue
        elif (
            not is_noise(cell.text)
            or _ends_address(cell, kept, height)
            or _begins_line(cell, card, height)
        ):
            kept.append(cell)
        elif is_scrap(cell.text) and _stands_below_address(cell, kept, height):
            unread.append(cell)
    flags += (UNKNOWN_TEXT,) * tells_other_time([anchor.rest, *(cell.text for cell in kept)])
    kept, left_of = without_left(kept, anchor, height)
    flags += (UNKNOWN_TEXT,) * bool(left_of)
    lines, beside = _lines_by_column(kept, second, height)
    chip, lines = _cut_chip(lines, anchor)
    if has_badge(lines, anchor, lengths):
        flags += (UNKNOWN_TEXT,)
        lines, anchor = (lines if anchor.rest else lines[1:]), replace(anchor, rest="")
    title_count = _title_count(lines, anchor)
    flags += (UNKNOWN_TEXT,) * breaks_early(
        lines[:title_count], [cell for line in lines for cell in line]
    )
    address_cells = beside or lines[title_count:]
    lines += beside
    texts, title_minutes = without_lengths([anchor.rest, *map(_text, lines[:title_count])])
    title_lines, address_lines = arrange(texts, list(map(_text, lines[title_count:])))
    title, minutes_behind = _title_of(title_lines)
    title_minutes = title_minutes if title_minutes is not None else minutes_behind
    title = f"{title} {BULLET} {chip.text}" if chip else title
    address, location = _split_location(address_lines)
    is_left = bool(address_cells) and address_lines[:1] == [_text(address_cells[0])]
    flags += (UNKNOWN_TEXT,) * (is_notice(title) or (is_left and is_undivided(address_cells)))
    flags += (TITLE_UNSURE,) * is_unsure([*lines[:title_count], *([[chip]] if chip else [])])
    flags += (ADDRESS_UNSURE,) * (bool(unread) or is_unsure(lines[title_count:]))
    flags += (CANCELLED,) * any(_says_cancelled(cell.text) for cell in kept)
    flags += (TEXT_CUT_SHORT,) * any(is_cut_short(cell.text) for cell in kept)
    used = (*anchor.cells, *kept, *unread)
    return Entry(
        anchor.start,
        anchor.end,
        repair_capitals(re.sub(rf"\s*{BULLET}\s*", f" {BULLET} ", title).strip()),
        location,
        repair_capitals(address),
        duration if duration is not None else title_minutes,
        tuple(word for cell in used for word in cell.words),
        tuple(dict.fromkeys(flags)),
    )


def _length_beside(anchor: Anchor) -> tuple[int | None, Anchor]:
    """Return the minutes of a duration right behind the times, and the anchor without it."""
    minutes = parse_duration(anchor.rest)
    return minutes, anchor if minutes is None else replace(anchor, rest="")


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


def _says_cancelled(text: str) -> bool:
    """Whether a word of a longer text, no part of a known label, says that its card is off."""
    words = text.split()
    labelled = {at for match in find_labels(words) for at in range(match.start, match.stop)}
    return any(
        plain(word) in words_of("cancelled") for at, word in enumerate(words) if at not in labelled
    )


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


def _cut_chip(lines: list[list[Cell]], anchor: Anchor) -> tuple[Cell | None, list[list[Cell]]]:
    """Return the job that stands in a chip beside a range of times, and the lines without it.

    The title is then the line below: a name, since an address would say where, not who.
    """
    if anchor.is_stacked or anchor.rest or len(lines) < 2 or len(lines[0]) != 1:
        return None, lines
    chip, below = lines[0][0], lines[1][0]
    words = chip.text.split()
    is_label = sum(match.stop - match.start for match in find_labels(words)) == len(words)
    is_beside = chip.left > anchor.right and chip.top < anchor.bottom and chip.bottom > anchor.top
    if not (is_label and is_beside) or below.left >= chip.left or _is_address(_text(lines[1])):
        return None, lines
    return chip, lines[1:]


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
    is_small = is_noise(cell.text) or cell.height < limits.STATE_TALL * anchor.cells[0].height
    is_state = is_small and len(cell.text) <= limits.LONGEST_STATE and cell.right < anchor.right
    return is_state and bool(beside) and cell.right < min(beside)


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
    last = max(above, key=lambda other: other.middle, default=None)
    if (
        last is not None
        and abs(last.left - cell.left) <= 0.6 * height
        and cell.middle - last.middle <= limits.STACK_PITCH * height
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
        and bool(re.search(r"(?<![^\W\d_]{2})[hm]\W*$|\dm|\dh", cell.text))
    )


def _lines_by_column(
    kept: Sequence[Cell], second: float | None, height: float
) -> tuple[list[list[Cell]], list[list[Cell]]]:
    """Return the lines left of a table's second column, and those in it."""
    edge = second - limits.SAME_EDGE * height if second is not None else float("inf")
    left, right = ([c for c in kept if c.left < edge], [c for c in kept if c.left >= edge])
    return _lines(left, height), _lines(right, height)


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
    return 0 < contrast < limits.FAINTER * max(cell.contrast for cell in title)


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


def _text(line: Sequence[Cell]) -> str:
    return " ".join(filter(None, (cut_collaborators(cell.text) for cell in line)))


def _title_of(lines: Sequence[str]) -> tuple[str, int | None]:
    """Return the title, and the minutes of a duration at its end.

    A line that ends in a hyphen or a slash right behind a letter goes on without a blank.
    """
    return cut_duration(_BROKEN.sub(r"\1", "\n".join(lines)).replace("\n", " "))
