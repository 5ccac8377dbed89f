"""Checks that cost nothing: durations, neighbours, bars, confidence; their flags on a card."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import replace

from backfill.ocr import limits
from backfill.ocr.identity import fold_word
from backfill.ocr.shift import Entry
from backfill.ocr.text.cells import Cell
from backfill.ocr.text.clock import (
    HOUR_MINUTES,
    last_minutes,
    minutes_between,
    minutes_of,
    write_minutes,
)
from backfill.ocr.text.noise import plain
from backfill.ocr.text.timetext import (
    holds_half,
    parse_clock,
    parse_duration,
    parse_range,
    tells_half,
)
from backfill.ocr.text.vocabulary import find_labels, load_vocabulary
from backfill.ocr.words import Word

DURATION_MISMATCH = "duration_mismatch"
TIME_UNSURE = "time_unsure"
TITLE_MISSING = "title_missing"
TITLE_UNSURE = "title_unsure"
ADDRESS_UNSURE = "address_unsure"
OVERLAPS_NEXT = "overlaps_next"
CUT_OFF = "cut_off"
# Of what a card means: never guessed.
CANCELLED = "cancelled"
TEXT_CUT_SHORT = "text_cut_short"
HALF_OF_DAY = "half_of_day"
TOO_LONG = "too_long"
UNKNOWN_TEXT = "unknown_text"
LABEL_UNKNOWN = "label_unknown"
NAMELESS = "nameless"
PALER = "paler"
OTHER_COLOUR = "other_colour"
SIGN_BEFORE = "sign_before"
# A house number has one letter at most, behind its digits.
_HOUSE_NUMBER = re.compile(r"\d{1,4}[^\W\d_]?")
_ODD_NUMBER = re.compile(r"\d{4}|\d+(?:[^\W\d_]+\d\w*|[^\W\d_]{2,})")
# "Lerum, 17 Ringgatan": the lines of a wrapped address in the wrong order.
_NUMBER_FIRST = re.compile(r"(?:\D*,)?\s*\d{1,4}\s*[^\W\d_]?\s+\D*[^\W\d_]{3}\D*")
# A street and its number without the blank between them: Gränd20C, 17Hagastigen.
_GLUED = re.compile(r"[^\W\d_]{3}\d|\d[^\W\d_]{3}")
_ONLY_STROKES = re.compile(r"[Il|]{2,}")  # Il, Ll or II: no reader can tell
_L_OR_I = re.compile(r"(?:[^\W\d_]+-)*l[aeiouyåäöj]")
_BEHIND_NAME = re.compile(r"\s[•·–—-]\s")
_RINGS = "ÅÄåä"
# Prästgårdsl'den: no letter, where a word has one; of names only O'Hara and D'Angelo have a sign.
_SIGN_INSIDE = re.compile(r"[^\W\d_]{2}[^\w\s.,:;/&+()•·–—-]+[^\W\d_]")
_CAPITAL_INSIDE = re.compile(r"[a-zåäöé][A-ZÅÄÖ]")  # LöÖf
# Strokes in a row that no word has: Ilvarsdal, illlervägen, Iievska, Il vägen; a wide capital read
# twice: Vvallmo.
_STROKES = re.compile(
    r"^[Il|]{2,3}(?:[bcdfghjkmnpqrstvwxz]|$)|^[I|]i|[Il|]{4}|l{3}|^(?:Vv|Ww|Ss|Cc|Zz|Xx)[^\W\d_]"
)
# An r and an n that touch are read as m: Ömfelt, Bjöm, Kamgren; not so Ström.
_TOUCHING = re.compile(
    r"(?<!tr)[öä]m(?=[cdfghjklnqrstvwxz]|$)|(?<=[^\W\d_])[aeouy]m(?=[cdfghjkqrtvwxz])",
    re.IGNORECASE,
)
# Between a client and the job there; read as one of these, or lost.
_SEPARATOR = re.compile(r"[•·»«]|(?<=\s)[-–—=+](?=\s)")
_BAR = re.compile(r"(?<=\s)[|Il](?=\s)")
_LIKE_A_BAR = frozenset("|Iil1]!")
# The checks that speak against the times of a card.
TIME_FLAGS = frozenset((DURATION_MISMATCH, TIME_UNSURE, OVERLAPS_NEXT))
# Of the image as a whole.
FAREWELL_MISMATCH = "farewell_mismatch"
CARD_COUNT_MISMATCH = "card_count_mismatch"
LONE_TIME = "lone_time"
TIME_ABOVE_DATE = "time_above_date"
STRAY_TEXT = "stray_text"
SECOND_DAY = "second_day"
FAINT_TEXT = "faint_text"
SMALL_LETTERS = "small_letters"
CUT_ABOVE = "cut_above"
CUT_BELOW = "cut_below"
COVERED = "covered"
WHOSE = "whose"
SIDE_BY_SIDE = "side_by_side"
PROVISIONAL = "provisional"
ROOM_BETWEEN = "room_between"
SUM_DIFFERS = "sum_differs"


def check_times(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the entries of one image with a flag where duration or next start contradicts."""
    has_durations = any(entry.duration_minutes is not None for entry in entries)
    checked = []
    for before, entry, after in zip((None, *entries), entries, (*entries[1:], None), strict=False):
        is_proven = entry.duration_minutes in last_minutes(entry.start, entry.end)
        flags = (
            *(flag for flag in entry.flags if flag != HALF_OF_DAY or not is_proven),
            *(() if is_proven else _unproven(entry, after, has_durations=has_durations)),
            *_doubts_of_texts(entry, entries),
            *_odd_times(entry, before, is_proven=is_proven),
            *(TITLE_MISSING,) * (not any(char.isalpha() for char in entry.title)),
        )
        checked.append(replace(entry, flags=tuple(dict.fromkeys(flags))))
    return tuple(checked)


def _unproven(entry: Entry, after: Entry | None, *, has_durations: bool) -> list[str]:
    """Return the doubts about times that no duration proves; others have one perhaps."""
    is_alone = has_durations and entry.duration_minutes is None
    flags = [DURATION_MISMATCH] if entry.duration_minutes is not None else []
    if after and _overlaps(entry, after) and not _are_sure((entry, after)):
        flags.append(OVERLAPS_NEXT)
    if time_confidence(entry) < (limits.SURE_ALONE if is_alone else limits.SURE_OF_TIME):
        flags.append(TIME_UNSURE)
    return flags


def _doubts_of_texts(entry: Entry, entries: tuple[Entry, ...]) -> list[str]:
    """Return the doubts about a card's address and title, as those of the others are written."""
    has_number = any(char.isdigit() for char in entry.address)
    is_odd = not has_number or bool(_NUMBER_FIRST.fullmatch(entry.address))
    flags = [ADDRESS_UNSURE] if entry.address and is_odd else []
    has_bars = any(_BAR.search(other.title) for other in entries)
    if has_bars and entry.address and _has_bar_glued(entry.title):
        flags.append(TITLE_UNSURE)
    is_divided = bool(entry.address) and bool(_SEPARATOR.search(entry.title))
    if is_divided or _has_label(entry.title):
        return flags
    has_jobs = any(
        _SEPARATOR.search(other.title) or (other.address and _has_label(other.title))
        for other in entries
    )
    if not entry.address or (has_jobs and not _is_plain_name(entry, entries)):
        flags.append(TITLE_UNSURE)
    return flags


def _odd_times(entry: Entry, before: Entry | None, *, is_proven: bool) -> list[str]:
    """Return the doubts about times that are as they hardly are, whoever is sure of them."""
    is_long = minutes_between(entry.start, entry.end) > limits.LONGEST_SHIFT_MINUTES
    flags = [TOO_LONG] if is_long and not is_proven else []
    if _may_be_afternoon(entry, before) or (not is_proven and _ends_before_it_begins(entry)):
        flags.append(HALF_OF_DAY)
    return flags


def time_confidence(entry: Entry) -> float:
    """Return the lowest confidence of the words that are the entry's times."""
    return min((word.confidence for word in _times_of(entry)), default=0.0)


def _are_sure(entries: Sequence[Entry]) -> bool:
    """Whether two readers say the times of all these cards, so that they stand so on the screen."""
    return all(
        word.ink_agrees and word.confidence >= limits.AGREED
        for entry in entries
        for word in _times_of(entry)
    )


def _times_of(entry: Entry) -> list[Word]:
    """Return the words that are a card's times, of which another may tell the half of the day."""
    told = {entry.start, entry.end}
    if any(tells_half(word.text) for word in entry.words):
        told |= {write_minutes(minutes_of(time) + 12 * HOUR_MINUTES) for time in tuple(told)}
    return [
        word for word in entry.words if parse_clock(word.text) in told or parse_range(word.text)
    ]


def is_unsure(lines: list[list[Cell]]) -> bool:
    """Whether a word of these lines may be misread; known labels and towns are believed."""
    return any(is_doubtful(word) for line in lines for cell in line for word in cell.words)


def is_doubtful(word: Word) -> bool:
    """Whether a word is worth a second look: low confidence, and nothing that vouches for it."""
    letters = plain(word.text)
    is_odd = _is_odd(word.text) and not word.ink_agrees
    is_open = _SIGN_INSIDE.search(word.text) or _ONLY_STROKES.fullmatch(word.text)
    if word.is_contradicted or is_odd or is_open:
        return True
    if not letters:
        return False
    if _HOUSE_NUMBER.fullmatch(word.text):
        return word.confidence < (limits.SURE_BY_INK if word.ink_agrees else limits.SURE_ALONE)
    if _CAPITAL_INSIDE.search(word.text) and letters not in known_words():
        return True
    # A ring and two dots differ by a pixel: Åkerstigen, Äkerstigen.
    sure = limits.SURE_ALONE if word.text[0] in _RINGS else limits.SURE
    return word.confidence < sure and letters not in known_words()


def may_hold_i(text: str) -> bool:
    """Whether a client or a place has a small l where its other words have capitals: Ii, Iulia."""
    words = _BEHIND_NAME.split(text, maxsplit=1)[0].split()
    has_capitals = any(word[0].isupper() for word in words)
    return has_capitals and any(
        _L_OR_I.match(word) and plain(word) not in known_words() for word in words
    )


def _is_odd(text: str) -> bool:
    """Whether a text is nothing that stands on a card, however sure Tesseract is of it: 5Sb."""
    is_no_number = _ODD_NUMBER.fullmatch(text) and parse_duration(text) is None
    is_touching = bool(_TOUCHING.search(text)) and plain(text) not in known_words()
    return bool(is_no_number or is_touching or _STROKES.search(text) or _GLUED.search(text))


@functools.cache
def known_words() -> frozenset[str]:
    """Return the words of all known labels and towns, folded: the reader mends their letters."""
    vocabulary = load_vocabulary()
    labels = (word for label in vocabulary.labels for word in label.words)
    return frozenset(plain(word) for word in (*labels, *vocabulary.towns))


def _is_plain_name(entry: Entry, entries: tuple[Entry, ...]) -> bool:
    """Whether a title is a client's name alone: where others have a bullet its ink has none."""
    has_bullets = any("•" in other.title for other in entries)
    words = entry.title.split()
    names_work = any(fold_word(word).endswith(load_vocabulary().work_stems) for word in words)
    return has_bullets and len(words) <= limits.NAME_WORDS and not names_work


def _has_bar_glued(title: str) -> bool:
    """Whether a name before a job may end in the bar that divides the two on other cards."""
    matches = find_labels(title.split())
    if not matches or not matches[0].start or _SEPARATOR.search(title) or _BAR.search(title):
        return False
    return title.split()[matches[0].start - 1][-1:] in _LIKE_A_BAR


def _has_label(title: str) -> bool:
    """Whether a title holds a known label: what stands on a card without an address has one."""
    return bool(find_labels(title.split()))


def _may_be_afternoon(entry: Entry, before: Entry | None) -> bool:
    """Whether a start before dawn may be one of a clock of twelve hours that tells no half.

    Either it is written as such a clock writes it, 1:40, or a card of the day stands above it.
    """
    start = minutes_of(entry.start)
    if not HOUR_MINUTES <= start < limits.DAWN_MINUTES:
        return False
    told = entry.start.removeprefix("0").replace(":", "[:.]")
    is_short = any(re.match(rf"\W*{told}(?!\d)", word.text) for word in entry.words)
    halves = any(holds_half(word.text) for word in entry.words)
    return not halves and (is_short or (before is not None and start < minutes_of(before.start)))


def _ends_before_it_begins(entry: Entry) -> bool:
    """Whether a shift that begins before one o'clock ends earlier: 12:15 to 3:15, no night."""
    start, end = minutes_of(entry.start), minutes_of(entry.end)
    halves = any(holds_half(word.text) for word in entry.words)
    return not halves and 0 < end < start < limits.NOON_MINUTES


def _overlaps(entry: Entry, after: Entry) -> bool:
    """Whether the next card, which starts later, starts before this one has ended."""
    start, end, next_start = map(minutes_of, (entry.start, entry.end, after.start))
    return start <= next_start < end
