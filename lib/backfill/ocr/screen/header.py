"""Where the fixed header of a screen ends when its colour does not tell: by what its lines say.

A header as white as the sheet below it shows its nature by its words: the phone's clock beside
"5G" and "45 %", the names of the week's days, their numbers. None of them is a shift.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from backfill.ocr import limits
from backfill.ocr.screen.anchors import Divider
from backfill.ocr.text.noise import names_of, plain
from backfill.ocr.text.timetext import parse_clock, parse_duration, parse_range
from backfill.ocr.words import Word

# What the bars of a signal are read as: all, ill, atl.
_BARS = re.compile(r"[ailt1]{2,4}")
_STATUS_WORDS = frozenset(("lte", "wifi", "volte", "telia", "tele2", "telenor", "tre", "comviq"))


def header_end(words: list[Word], dividers: tuple[Divider, ...], size: tuple[int, ...]) -> float:
    """Return the pixel row at which the fixed header ends, 0 where no line is known as one.

    `size` is height and width of the image. The rule below the week's days belongs to the header.
    """
    height, width = size
    end = 0.0
    for line in _lines(words):
        bottom = max(word.bottom for word in line)
        if (bottom <= limits.STRIP_SHARE * height and _is_week_strip(line, width)) or (
            bottom <= limits.STATUS_SHARE * height and _is_status(line, words)
        ):
            end = max(end, bottom)
    if not end:
        return 0.0
    # A rule with nothing between is the header's own, or hides nothing.
    next_top = min((word.middle for word in words if word.top >= end), default=float(height))
    return min((rule.y for rule in dividers if end < rule.y < next_top), default=end)


def holds_times(words: list[Word], size: tuple[int, ...], of_cards: Sequence[Word]) -> bool:
    """Whether one of the words is a range of times, or a time lower than a phone's clock stands.

    A time alone on its line, in no column of the cards' times, tells when a message was sent. On a
    screen that shows a screen the clock stands above all else beside network and battery.
    """
    clocks = _clocks_above_all(words)
    return any(
        parse_range(word.text)
        or (
            parse_clock(word.text)
            and word.bottom > limits.STATUS_SHARE * size[0]
            and not (_is_alone(word, words) and not any(_is_below(word, w) for w in of_cards))
            and word not in clocks
        )
        for word in words
    )


def _clocks_above_all(words: list[Word]) -> list[Word]:
    """Return the times beside states of network and battery, above any line that says more."""
    found: list[Word] = []
    for line in _lines(words):
        clocks = [word for word in line if parse_clock(word.text)]
        states = [word for word in line if word not in clocks]
        if len(clocks) > 1 or not all(_is_state(word.text) for word in states):
            break
        found += clocks if states else []
    return found


def _is_alone(word: Word, words: Sequence[Word]) -> bool:
    return not any(w is not word and w.top < word.bottom and word.top < w.bottom for w in words)


def _is_below(word: Word, other: Word) -> bool:
    """Whether another time begins or ends in a word's column."""
    reach = limits.SAME_LEFT * word.height
    return min(abs(other.left - word.left), abs(other.right - word.right)) <= reach and bool(
        parse_clock(other.text) or parse_range(other.text)
    )


def _lines(words: list[Word]) -> list[list[Word]]:
    """Return the words of each line, from top to bottom."""
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (word.middle, word.left)):
        if lines and word.middle - lines[-1][0].middle < limits.SAME_LINE * word.height:
            lines[-1].append(word)
        else:
            lines.append([word])
    return lines


def _is_week_strip(line: list[Word], width: int) -> bool:
    """Whether the line holds names or numbers of a week's days, far apart."""
    spread = max(word.right for word in line) - min(word.left for word in line)
    days = {short[:3] for shorts in names_of("weekdays_short") for short in shorts}
    names = sum(plain(word.text)[:3] in days and len(word.text) <= 4 for word in line)
    numbers = sum(bool(re.fullmatch(r"\W*[0-3]?\d\W*", word.text)) for word in line)
    letters = sum(len(plain(word.text)) == 1 for word in line)
    return (
        spread > limits.STRIP_SPREAD * width
        and max(names, numbers, letters) >= limits.FEWEST_DAYS
        and max(names, numbers, letters) > len(line) / 2
    )


def _is_status(line: list[Word], words: list[Word]) -> bool:
    """Whether the line is the screen's first time beside the state of network and battery.

    Beside what is no such state (a network's name that nobody listed) it is the phone's clock when
    the times of the cards stand in another column; beside nothing at all, when it is not the upper
    of a card's times.
    """
    times = sorted((w for w in words if parse_clock(w.text)), key=lambda word: word.top)
    if not times or sum(word in times for word in line) != 1 or times[0] not in line:
        return False
    clock, others = times[0], [word for word in line if word != times[0]]
    if others:
        is_aligned = any(_is_aligned(word, clock, limits.SAME_COLUMN) for word in times[1:])
        return (len(times) > 2 and not is_aligned) or all(_is_state(word.text) for word in others)
    return not any(
        0 < word.middle - clock.middle <= limits.STACK_PITCH * clock.height
        and _is_aligned(word, clock, limits.SAME_LEFT)
        for word in times
    )


def _is_aligned(word: Word, clock: Word, reach: float) -> bool:
    """Whether both begin in one column; `reach` is of the clock's height."""
    return abs(word.left - clock.left) <= reach * clock.height


def _is_state(text: str) -> bool:
    if parse_duration(text) is not None:
        return False
    letters = plain(text)
    return (
        letters in _STATUS_WORDS
        or bool(_BARS.fullmatch(letters))
        or "%" in text
        # 62 %, its sign perhaps read as digits.
        or len(letters) <= (4 if letters.isdigit() else 3 if re.search(r"\d", letters) else 2)
    )
