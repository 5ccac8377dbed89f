"""From a card as it was read to the canonical shift."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from backfill.ocr import limits
from backfill.ocr.identity import COMPANY_WORDS, fold_word
from backfill.ocr.shift import NO_TEXT, Entry, Shift
from backfill.ocr.text.address import Address, parse_address
from backfill.ocr.text.clock import canonical_time
from backfill.ocr.text.lettering import capitalise, clean_words, repair_letters
from backfill.ocr.text.vocabulary import (
    LabelMatch,
    ShiftType,
    Towns,
    find_labels,
    known_towns,
    main_label,
)

# A bullet, and what recognition makes of it; `=` and `+` only when a blank is beside them.
_LONE_BAR = re.compile(r"(?<=\S\s)[Il|](?=\s)")
_BULLET = re.compile(r"[•·●∙‧▪»«]|(?<=\s)[=+]|[=+](?=\s)")
_DURATION = re.compile(
    r"(?<![\w-])[0-9]{1,2}\s?(?:h|tim)\b(?:\s?[0-9]{1,2}\s?(?:min|m)\b)?"
    r"|(?<![\w-])[0-9]{1,3}\s?(?:min|m)\b",
    re.IGNORECASE,
)
_COUNTER = re.compile(r"[0-9]{1,2}")
# Symbols such as the clock read as ① or ©: never part of a name or a label.
_SYMBOL = re.compile(r"[\u2000-\u200f\u2022-\u2fff©®™°¤§¶]")


@dataclass(frozen=True, slots=True)
class _Title:
    """A title taken apart: words of the client, words of the label, the labels known in them."""

    client: Sequence[str]
    label: Sequence[str]
    matches: Sequence[LabelMatch]


def normalise_entry(entry: Entry, towns: Towns | None = None) -> Shift:
    """Return the canonical shift of one card; never raises, whatever the texts are.

    `towns` are the known towns (`vocabulary.known_towns`), by default the package's own.
    """
    towns = towns or known_towns()
    title = _split_title(entry.title)
    location, address_text = entry.location, entry.address
    if not title.label:
        title, location, address_text = _borrow_label(title, location, address_text)
    address = parse_address(address_text, location, towns)
    shift_type = _decide_type(title, address)
    return Shift(
        start=canonical_time(entry.start),
        end=canonical_time(entry.end),
        customer_name=_name_client(title, shift_type, address),
        **asdict(address),
        shift_type=shift_type.value,
        raw_type_label=_write_label(title),
    ).identified()


def _split_title(text: str) -> _Title:
    """Split at the bullet, rather at one before a known label; else before the first job word."""
    text = _DURATION.sub(" ", text)
    bars = (bar for bar in _LONE_BAR.finditer(text) if _is_before_label(bar, text))
    bullets = list(_BULLET.finditer(text)) or list(bars)
    for bullet in sorted(bullets, key=lambda bullet: not _is_before_label(bullet, text)):
        label = _label_words(text[bullet.end() :])
        if label:
            return _Title(_words(text[: bullet.start()]), label, find_labels(label))
        return _split_at_job(_words(text[: bullet.start()]))
    return _split_at_job(_words(text))


def _is_before_label(bullet: re.Match[str], text: str) -> bool:
    """Whether a known label stands right behind a bullet, or a bar read as a letter."""
    return any(match.start == 0 for match in find_labels(_words(text[bullet.end() :])))


def _split_at_job(words: Sequence[str]) -> _Title:
    matches = [match for match in find_labels(words) if _is_job(match, words)]
    if not matches:
        return _Title(words, (), ())
    at = matches[0].start
    label = _cut_counters(words[at:])
    return _Title(words[:at], label, find_labels(label))


def _is_job(match: LabelMatch, words: Sequence[str]) -> bool:
    is_whole = match.stop - match.start == len(_cut_counters(words))
    return match.is_exact or is_whole or len(match.label.joined) >= limits.FUZZY_TITLE_LETTERS_MIN


def _borrow_label(title: _Title, location: str, address: str) -> tuple[_Title, str, str]:
    """Take the label from the line of the town or of the address when the title has none.

    A line counts only when nothing but a label stands on it.
    """
    for line in (location, *address.splitlines()):
        label = _label_words(_DURATION.sub(" ", line))
        matches = find_labels(label)
        if label and sum(match.stop - match.start for match in matches) == len(label):
            rest = "\n".join(other for other in address.splitlines() if other != line)
            return (
                _Title(title.client, label, matches),
                NO_TEXT if line == location else location,
                rest,
            )
    return title, location, address


def _decide_type(title: _Title, address: Address) -> ShiftType:
    if title.matches:
        return main_label(title.matches).shift_type
    return ShiftType.WORK if address.street and address.street_number else ShiftType.UNKNOWN


def _name_client(title: _Title, shift_type: ShiftType, address: Address) -> str:
    is_activity = shift_type not in {ShiftType.WORK, ShiftType.UNKNOWN}
    if is_activity and not (address.street or address.city):
        return NO_TEXT
    # A number ends a name (Studio 54), or begins it; between its words it is a sign, read as one.
    last = len(title.client) - 1
    names = [
        repair_letters(word)
        for index, word in enumerate(title.client)
        if not _COUNTER.fullmatch(word) or (last and index in (0, last))
    ]
    return capitalise(" ".join(name for name in names if fold_word(name) not in COMPANY_WORDS))


def _write_label(title: _Title) -> str:
    """Write known labels in their own spelling, other words with a capital."""
    displays: list[str] = []
    stop = 0
    for match in title.matches:
        displays += [capitalise(repair_letters(word)) for word in title.label[stop : match.start]]
        displays.append(match.label.display)
        stop = match.stop
    displays += [capitalise(repair_letters(word)) for word in title.label[stop:]]
    return " ".join(displays)


def _words(text: str) -> list[str]:
    return clean_words(_SYMBOL.sub(" ", _BULLET.sub(" ", text)))


def _label_words(text: str) -> Sequence[str]:
    return _cut_counters(_words(text.replace("/", " ")))


def _cut_counters(words: Sequence[str]) -> Sequence[str]:
    """Cut single numbers at the end ("Lunch 1"); one that belongs to a known label stays."""
    stop = len(words)
    while stop and _COUNTER.fullmatch(words[stop - 1]):
        stop -= 1
    return words[:stop]
