"""An address as it stands on a card, taken apart.

The app writes "Town, Street No"; other forms are "Street No, NNN NN Town", "Street No" with the
town on a line of its own, and any of them with the comma lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backfill.ocr.identity import fold_word
from backfill.ocr.shift import NO_TEXT
from backfill.ocr.text.lettering import capitalise, clean_words, repair_letters, repair_number
from backfill.ocr.text.vocabulary import Towns, load_vocabulary

_POSTAL_CODE = re.compile(r"(?:\b[Ss](?:[Ee])?-)?(?<![0-9])([0-9]{3}) ?([0-9]{2})(?![0-9])")
_NUMBER_WORD = re.compile(r"[0-9]{1,4}(?:[-–/][0-9]{1,4})?[A-Za-zÅÄÖåäö]?")
_LETTER_WORD = re.compile(r"[A-Za-zÅÄÖåäö]")


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of an address; what was not read is empty."""

    street: str = NO_TEXT
    street_number: str = NO_TEXT
    postal_code: str = NO_TEXT
    postal_area: str = NO_TEXT
    city: str = NO_TEXT


def parse_address(address: str, town_line: str, towns: Towns) -> Address:
    """Take an address apart; any text gives an address, perhaps an empty one.

    1. cut out the postal code, what follows it is the postal area;
    2. find the part with a house number: before it the street, after it a town;
    3. parts without a number, and the head of the street, may be the town;
    4. a town on a line of its own counts before one from the address.
    """
    text = " ".join(address.split())
    postal_code, postal_area, text = _cut_postal_code(text, towns)
    parts = [words for part in text.split(",") if (words := clean_words(part))]
    street, number, town = _read_parts(parts, towns)
    city = _name_town(clean_words(town_line), towns) or town or postal_area
    return Address(street, number, postal_code, postal_area, city)


def _cut_postal_code(text: str, towns: Towns) -> tuple[str, str, str]:
    """Return code (NNN NN), area and the text without both."""
    found = _POSTAL_CODE.search(text)
    if found is None:
        return NO_TEXT, NO_TEXT, text
    area, _, behind = text[found.end() :].strip(" ,").partition(",")
    rest = f"{text[: found.start()]},{behind}"
    return f"{found[1]} {found[2]}", _name_town(clean_words(area), towns), rest


def _read_parts(parts: Sequence[Sequence[str]], towns: Towns) -> tuple[str, str, str]:
    """Return street, number and town from an address's parts between commas."""
    for index, words in enumerate(parts):
        at = _find_number(words)
        if at is None:
            continue
        others = [other for place, other in enumerate(parts) if place != index]
        number, behind = _join_number(words[at:])
        return _place_street(words[:at], number, [*others, behind], towns)
    if len(parts) > 1:
        known_last = towns.find_town(" ".join(parts[-1])) and not towns.find_town(
            " ".join(parts[0])
        )
        street, town = (parts[0], parts[-1]) if known_last else (parts[1], parts[0])
        return _name_street(street), NO_TEXT, _name_town(town, towns)
    return _read_single_part(parts[0] if parts else [], towns)


def _read_single_part(words: Sequence[str], towns: Towns) -> tuple[str, str, str]:
    town, street = towns.split_head(words)
    if town and street and fold_word(street[0]) in load_vocabulary().street_tails:
        return _name_street(words), NO_TEXT, NO_TEXT
    return _name_street(street), NO_TEXT, town


def _place_street(
    street: Sequence[str], number: str, others: Sequence[Sequence[str]], towns: Towns
) -> tuple[str, str, str]:
    """A part of its own names the town; without one a known town may head the street."""
    named = [words for words in others if _is_town_like(words)]
    if not street and named:
        # "Storgatan, 12A": the comma divides street and number.
        street, named = named[0], named[1:]
    known = [words for words in named if towns.find_town(" ".join(words))]
    if town := (known or named):
        return _name_street(street), number, _name_town(town[0], towns)
    head, rest = towns.split_head(street)
    if head and rest and fold_word(rest[0]) not in load_vocabulary().street_tails:
        return _name_street(rest), number, head
    return _name_street(street), number, NO_TEXT


def _find_number(words: Sequence[str]) -> int | None:
    """Return the place of the house number: the first number, but none that opens a street name."""
    for index, word in enumerate(words):
        if _NUMBER_WORD.fullmatch(repair_number(word)) and (index or len(words) == 1):
            return index
    return None


def _join_number(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the house number with its letter ("17 b" → "17B") and the words behind it."""
    number, behind = repair_number(words[0]), words[1:]
    has_letter = number[-1].isalpha()
    if behind and not has_letter and _LETTER_WORD.fullmatch(behind[0]):
        number, behind = number + behind[0], behind[1:]
    for index, word in enumerate(behind):
        if fold_word(word) in load_vocabulary().door_words:
            return number.upper(), behind[:index]
    return number.upper(), behind


def _is_town_like(words: Sequence[str]) -> bool:
    """Tell whether the words can name a town: letters only, and not a door."""
    doors = load_vocabulary().door_words
    return bool(words) and not any(
        fold_word(word) in doors or _NUMBER_WORD.fullmatch(word) for word in words
    )


def _name_town(words: Sequence[str], towns: Towns) -> str:
    text = " ".join(words)
    return towns.find_town(text) or capitalise(" ".join(repair_letters(word) for word in words))


def _name_street(words: Sequence[str]) -> str:
    known = load_vocabulary().street_words
    return capitalise(" ".join(known.get(fold_word(word), repair_letters(word)) for word in words))
