"""The texts of one card → its title, its address, its duration."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backfill.ocr import limits
from backfill.ocr.screen.anchors import Anchor
from backfill.ocr.screen.card_cells import sorted_cells, without_lengths
from backfill.ocr.screen.checks import (
    ADDRESS_UNSURE,
    CANCELLED,
    TEXT_CUT_SHORT,
    TITLE_UNSURE,
    UNKNOWN_TEXT,
    is_unsure,
    may_hold_i,
)
from backfill.ocr.shift import Entry
from backfill.ocr.text.cells import Cell
from backfill.ocr.text.lettering import SAME_SHAPED, repair_capitals
from backfill.ocr.text.noise import (
    cut_collaborators,
    is_counter,
    is_cut_short,
    is_notice,
    plain,
    words_of,
)
from backfill.ocr.text.timetext import cut_duration, parse_duration
from backfill.ocr.text.title_order import PARTICLES, arrange, is_job
from backfill.ocr.text.vocabulary import find_labels, known_towns
from backfill.ocr.words import BULLET

_STREET = re.compile(r"[^\W\d_]{3,}\.?\s+\d{1,4}\s?[A-Za-zÅÄÖåäö]?\s*(?:,|$)")
# A word that a line breaks at its hyphen, or behind which a blank was read.
_BROKEN = re.compile(r"(?<=[^\W\d_])(?:([-/])\n|(-)\s)(?=[^\W\d_])")
# The rim of a picture before a line: "(() Städning".
_SCRAP_BEFORE = re.compile(r"^[()\[\]{}'\"”“’‘´`]+\s+")
_CLOCK = re.compile(r"(?<![\d.,:])[0-2]?\d[:.][0-5]\d(?![\d.,:])")
_WHOLE = re.compile(rf"[^\W\d_].*{BULLET}.*[^\W\d_]")
# "Not confirmed: Ada Berg • Office"
_DECLARED = re.compile(rf"[^{BULLET}]*[^\W\d_]:\s[^{BULLET}]*{BULLET}")
# A length below a title ("rast 30 min"), where a house number has at most a letter behind it.
_LENGTH_BELOW = re.compile(r"\d\s?(?:min|tim|hrs)", re.IGNORECASE)
_LABEL_NUMBER = re.compile(r"\(.*\d|\b(?:dag|lunch|rast|restid)\s+\d", re.IGNORECASE)


def entry_of(
    anchor: Anchor,
    card: list[Cell],
    height: float,
    lengths: Sequence[Cell] = (),
    columns: Sequence[float] = (),
) -> Entry:
    """Return the entry of one card; `lengths` are the durations that its column is known to show.

    `columns` are the left edges of a table's columns right of the titles.
    """
    beside, anchor = _length_beside(anchor)
    is_next_day = anchor.rest.lstrip("+ ") == "1" and anchor.end < anchor.start
    is_counted = is_counter(anchor.rest)  # of days or of colleagues, and no part of the title
    anchor = replace(anchor, rest="") if is_counted else anchor
    cells = sorted_cells(anchor, beside, card, lengths, height)
    has_other_time = _tells_other_time([anchor.rest, *(cell.text for cell in cells.kept)])
    kept, left_of = _without_left(cells.kept, anchor, height)
    texts = _texts_of(anchor, kept, lengths, columns, height)
    flags = [
        *cells.flags,
        *(UNKNOWN_TEXT,) * has_other_time,
        *(UNKNOWN_TEXT,) * (bool(left_of) or (is_counted and not is_next_day)),
        *texts.flags,
        *(TITLE_UNSURE,) * may_hold_i(texts.title),
        *(ADDRESS_UNSURE,)
        * (bool(cells.unread) or may_hold_i(f"{texts.location} {texts.address}")),
        *(CANCELLED,) * any(_says_cancelled(cell.text) for cell in kept),
        *(TEXT_CUT_SHORT,) * any(is_cut_short(cell.text) for cell in kept),
    ]
    used = (*anchor.cells, *kept, *cells.unread)
    return Entry(
        anchor.start,
        anchor.end,
        repair_capitals(re.sub(rf"\s*{BULLET}\s*", f" {BULLET} ", texts.title).strip()),
        texts.location,
        repair_capitals(texts.address),
        cells.minutes if cells.minutes is not None else texts.minutes,
        tuple(word for cell in used for word in cell.words),
        tuple(dict.fromkeys(flags)),
    )


@dataclass(frozen=True, slots=True)
class _Texts:
    """What the lines of a card say, the minutes among them, and the doubts."""

    title: str
    minutes: int | None
    address: str
    location: str
    flags: tuple[str, ...]


def _texts_of(
    anchor: Anchor,
    kept: Sequence[Cell],
    lengths: Sequence[Cell],
    columns: Sequence[float],
    height: float,
) -> _Texts:
    """Return title and address of the cells that hold them."""
    lines, beside = _lines_by_column(kept, columns, height)
    chip, lines = _cut_chip(lines, anchor)
    is_doubted = _has_badge(lines, anchor, lengths)
    if is_doubted:
        lines, anchor = (lines if anchor.rest else lines[1:]), replace(anchor, rest="")
    count = _title_count(lines, anchor)
    title_cells, address_cells = lines[:count], beside or lines[count:]
    is_doubted |= _breaks_early(title_cells, [cell for line in lines for cell in line], lengths)
    is_doubted |= any(_has_loose_number(line) for line in title_cells)
    # Of a card above, whose other lines something hides.
    is_doubted |= any(is_street_and_town(_text(line)) for line in title_cells)
    below = [*lines[count:], *beside]
    is_doubted |= any(_LENGTH_BELOW.search(_text(line)) for line in below)
    texts, minutes = without_lengths([anchor.rest, *map(_text, title_cells)])
    title_lines, address_lines = arrange(texts, list(map(_text, below)))
    title, minutes_behind = _title_of(title_lines)
    title = f"{title} {BULLET} {chip.text}" if chip else title
    is_left = bool(address_cells) and address_lines[:1] == [_text(address_cells[0])]
    is_doubted |= _has_notice(title) or (is_left and _is_undivided(address_cells))
    address, location = _split_location(address_lines)
    return _Texts(
        title,
        minutes if minutes is not None else minutes_behind,
        address,
        location,
        (
            *(UNKNOWN_TEXT,) * is_doubted,
            *(TEXT_CUT_SHORT,) * _begins_within_a_word(title),
            *(TITLE_UNSURE,) * is_unsure([*title_cells, *([[chip]] if chip else [])]),
            *(ADDRESS_UNSURE,) * is_unsure(below),
        ),
    )


def _has_notice(title: str) -> bool:
    """Whether a title begins with what says something of its card, and is no known label."""
    is_label = any(match.start == 0 and match.is_exact for match in find_labels(title.split()))
    return (is_notice(title) and not is_label) or bool(_DECLARED.match(title))


def _begins_within_a_word(title: str) -> bool:
    """Whether a client's name begins in the middle of a word, since its start is hidden.

    Such is one word in small letters, or one before capital ones; who writes all names small has
    two. A first letter that differs in size alone from its capital, or a stroke, tells nothing.
    """
    first, *others = title.partition(BULLET)[0].split() or [""]
    is_known = plain(first) in words_of("clients") or first in PARTICLES
    is_told = first[:1].islower() and first[:1].upper() not in f"L{SAME_SHAPED}"
    is_small = is_told and all(word[:1].isupper() for word in others)
    return is_small and BULLET in title and not is_known and not is_job(first)


def _length_beside(anchor: Anchor) -> tuple[int | None, Anchor]:
    """Return the minutes of a duration right behind the times, and the anchor without it."""
    minutes = parse_duration(anchor.rest)
    return minutes, anchor if minutes is None else replace(anchor, rest="")


def _says_cancelled(text: str) -> bool:
    """Whether a word of a longer text, no part of a known label, says that its card is off."""
    words = text.split()
    labelled = {at for match in find_labels(words) for at in range(match.start, match.stop)}
    return any(
        plain(word) in words_of("cancelled") for at, word in enumerate(words) if at not in labelled
    )


def _cut_chip(lines: list[list[Cell]], anchor: Anchor) -> tuple[Cell | None, list[list[Cell]]]:
    """Return the job that stands in a chip beside a range of times, and the lines without it.

    The title is then the line below: a name, since an address would say where, not who.
    """
    if anchor.is_stacked or anchor.rest or len(lines) < 2 or len(lines[0]) != 1:
        return None, lines
    chip, below = lines[0][0], lines[1][0]
    words = chip.text.split()
    is_label = sum(match.stop - match.start for match in find_labels(words)) == len(words)
    is_chip = is_label and _is_beside(chip, anchor) and chip.left > anchor.right
    if not is_chip or below.left >= chip.left or _is_address(_text(lines[1])):
        return None, lines
    return chip, lines[1:]


def _lines_by_column(
    kept: Sequence[Cell], columns: Sequence[float], height: float
) -> tuple[list[list[Cell]], list[list[Cell]]]:
    """Return the lines in a table's first column that has any, and those in others, one by one."""
    parts: list[list[Cell]] = [[] for _ in range(len(columns) + 1)]
    for cell in kept:
        edge = cell.left + limits.SAME_EDGE * height
        parts[sum(column <= edge for column in columns)].append(cell)
    first, *others = [_lines(part, height) for part in parts if part] or [[]]
    return first, [line for part in others for line in part]


def _lines(cells: list[Cell], height: float) -> list[list[Cell]]:
    lines: list[list[Cell]] = []
    for cell in sorted(cells, key=lambda cell: (cell.middle, cell.left)):
        if lines and cell.middle - lines[-1][0].middle < 0.55 * height:
            lines[-1].append(cell)
        else:
            lines.append([cell])
    return [sorted(line, key=lambda cell: cell.left) for line in lines]


def _title_count(lines: Sequence[Sequence[Cell]], anchor: Anchor) -> int:
    """Return how many of the lines are the title; at least one, unless the title stood before."""
    first = 0 if anchor.rest else 1
    for index in range(first, len(lines)):
        if _is_fainter(lines[index], lines[0]) or _is_address(_text(lines[index])):
            return index
    return len(lines)


def _is_fainter(line: Sequence[Cell], title: Sequence[Cell]) -> bool:
    contrast = max(cell.contrast for cell in line)
    return 0 < contrast < limits.FAINTER * max(cell.contrast for cell in title)


def _has_loose_number(line: Sequence[Cell]) -> bool:
    """Whether a number in a title's line may be no part of a name.

    A count stands apart, is paler or smaller; a single digit, or one right before a word, may be
    the sign between client and job.
    """
    words = [word for cell in line for word in cell.words]
    texts = [word.text for word in words]
    labelled = {at for match in find_labels(texts) for at in range(match.start, match.stop)}
    darkest, tallest = (max(getattr(w, of) for w in words) for of in ("contrast", "height"))
    return any(
        word.text.isdigit()
        and at not in labelled  # Lunch 1
        and not (
            len(word.text) > 1
            and word.left - before.right <= limits.BLANK_IN_NAME * tallest
            and word.contrast >= limits.FAINTER * darkest
            and word.height >= limits.DIGIT_TALL * tallest
            and not after[:1].isalpha()
        )
        for at, (before, word, after) in enumerate(
            zip(words, words[1:], [*texts[2:], ""], strict=False)
        )
    )


def _is_address(text: str) -> bool:
    if _LABEL_NUMBER.search(text):
        return False
    return bool(_STREET.search(text)) or bool(re.match(r"^[^\W\d][^,]{1,30},", text))


def is_street_and_town(text: str) -> bool:
    """Whether a line tells a street with its number, and a town."""
    return "," in text.strip(" ,") and bool(_STREET.search(text))


def _split_location(lines: list[str]) -> tuple[str, str]:
    """Return address and location: a last line without digits, below one with, is the town."""
    is_town = len(lines) > 1 and bool(re.fullmatch(r"\D{3,}", lines[-1]))
    if is_town and any(map(_is_address, lines[:-1])):
        return " ".join(lines[:-1]), lines[-1]
    return " ".join(lines), ""


def _text(line: Sequence[Cell]) -> str:
    text = " ".join(filter(None, (cut_collaborators(cell.text) for cell in line)))
    return _SCRAP_BEFORE.sub("", text)


def _title_of(lines: Sequence[str]) -> tuple[str, int | None]:
    """Return the title, and the minutes of a duration at its end.

    A line that ends in a hyphen or a slash right behind a letter goes on without a blank.
    """
    return cut_duration(_BROKEN.sub(r"\1\2", "\n".join(lines)).replace("\n", " "))


def _tells_other_time(texts: Sequence[str]) -> bool:
    """Whether a text beside a card's own times tells one more: a break's, or one that was moved."""
    return any(_CLOCK.search(text) and parse_duration(text) is None for text in texts)


def _has_badge(lines: Sequence[Sequence[Cell]], anchor: Anchor, lengths: Sequence[Cell]) -> bool:
    """Whether the text beside a range of times is no title, whose first line stands below.

    A title that goes on below breaks where its next word has no room. A text that leaves room for
    the whole first word of the next line was never a part of it, nor one far from the times.
    """
    below = lines if anchor.rest else lines[1:]
    if anchor.is_stacked or not below:
        return False
    if not (anchor.rest or all(_is_beside(cell, anchor) for cell in lines[0])):
        return False
    beside = anchor.rest or _plain_text(lines[0])
    # What a client's card says below, or an activity's, is all of its title.
    texts = [_plain_text(line) for line in below[: _title_count(below, replace(anchor, rest=""))]]
    title = " ".join(texts)
    labelled = sum(match.stop - match.start for match in find_labels(title.split()))
    is_told = labelled and (labelled < len(title.split()) or len(texts) == len(below))
    if not (is_told or _WHOLE.search(title)) or BULLET in beside or find_labels(beside.split()):
        return False
    own = [anchor] if anchor.rest else lines[0]
    begins, ends = min(cell.left for cell in own), max(cell.right for cell in own)
    stops = [cell.left for cell in lengths if _is_beside(cell, anchor)]
    right = min(stops, default=max(cell.right for line in lines for cell in line))
    first = below[0][0].words[0]
    is_below_times = below[0][0].left < anchor.left + limits.BELOW_TIMES * first.height
    has_room = ends + first.width + limits.BLANK_BEFORE * first.height < right
    is_apart = begins - anchor.right > limits.GAP_IN_RANGE * first.height
    return is_below_times and (has_room or is_apart)


def _without_left(kept: list[Cell], anchor: Anchor, height: float) -> tuple[list[Cell], list[Cell]]:
    """Return texts and those left of the times where others are not: a heading below the card.

    What ends where the times do stands in a column of values at the right edge.
    """
    edge = anchor.left - limits.LEFT_OF_TIMES * height
    end = limits.SAME_EDGE * height
    own = [c for c in kept if c.left >= edge or abs(c.right - anchor.right) < end]
    left_of = [cell for cell in kept if cell not in own]
    return (own, left_of) if own else (kept, [])


def _breaks_early(
    title: Sequence[Sequence[Cell]], kept: Sequence[Cell], lengths: Sequence[Cell]
) -> bool:
    """Whether a line of a title leaves room for the next one's first word: they are two texts.

    A length beside the line ends the room, with the picture before it. A job below its client is
    known as one; what else stands there, or beside a line that tells both, may be anything.
    """
    right = max((cell.right for cell in kept), default=0.0)

    def room_of(line: Sequence[Cell]) -> float:
        middle, before = line[0].middle, limits.PICTURE_BEFORE * line[0].height
        beside = (cell.left - before for cell in lengths if cell.top < middle < cell.bottom)
        return min(beside, default=right)

    def tells_apart(at: int) -> bool:
        texts = [_plain_text(line) for line in title[at:]]
        if any(map(_is_whole, texts[:2])):
            return True
        # A job may go on below: Inledande / storstädning.
        jobs = [texts[0], *(" ".join(texts[1:end]) for end in range(2, len(texts) + 1))]
        return not (any(map(is_job, jobs)) or any(BULLET in text for text in texts[:2]))

    return any(
        _has_room(upper, lower, room_of(upper)) and tells_apart(at)
        for at, (upper, lower) in enumerate(itertools.pairwise(title))
    )


def _is_undivided(address: Sequence[Sequence[Cell]]) -> bool:
    """Whether a text without a number breaks above the street though there is room: no street.

    It may be a client whose title is a job that nobody knows. A known town is none.
    """
    right = max((cell.right for line in address for cell in line), default=0.0)
    return any(
        not re.search(r"[\d,]", text := _plain_text(upper))
        and bool(re.search(r"[^\W\d_]{3}\.?\s+\d", _plain_text(lower)))
        and not known_towns().find_town(text)
        and _has_room(upper, lower, right)
        for upper, lower in itertools.pairwise(address)
    )


def _has_room(upper: Sequence[Cell], lower: Sequence[Cell], right: float) -> bool:
    """Whether the first word of the lower line had room, up to `right`, behind the upper one."""
    blank = limits.BLANK_BEFORE * upper[-1].height
    return upper[-1].right + blank + lower[0].words[0].width < right


def _plain_text(line: Sequence[Cell]) -> str:
    return " ".join(cell.text for cell in line)


def _is_beside(cell: Cell, anchor: Anchor) -> bool:
    return cell.left >= anchor.right and cell.top < anchor.bottom and cell.bottom > anchor.top


def _is_whole(title: str) -> bool:
    """Whether a line says a client and a job."""
    matches = find_labels(title.split())
    return bool(_WHOLE.search(title)) or bool(matches and matches[0].start > 0)
