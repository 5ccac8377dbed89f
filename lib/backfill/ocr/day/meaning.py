"""Doubts about what a card or a session means, which no second reading of letters settles.

Every word of a card has a place in its shift, or is known; every shift says who or where; the
images of a session are all there, meet one another and show the day's end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from backfill.ocr import limits
from backfill.ocr.identity import COMPANY_WORDS, fold_place, fold_word
from backfill.ocr.screen.captions import begins_with_sign
from backfill.ocr.screen.checks import (
    LABEL_UNKNOWN,
    NAMELESS,
    TEXT_CUT_SHORT,
    TITLE_UNSURE,
    UNKNOWN_TEXT,
    known_words,
)
from backfill.ocr.shift import Entry, Shift
from backfill.ocr.text.lettering import clean_words
from backfill.ocr.text.noise import plain, words_of
from backfill.ocr.text.vocabulary import ShiftType, find_labels, known_towns, load_vocabulary
from backfill.ocr.words import BULLET

IMAGE_MISSING = "image_missing"
IMAGES_DO_NOT_MEET = "images_do_not_meet"
IMAGES_DIFFER = "images_differ"
DAY_GOES_ON = "day_goes_on"

# What divides a client from a job, where no known job stands behind it.
_DASH = re.compile(r"\s[-–—|/]\s|(?<=[^\W\d_])\s[Il]\s(?=[^\W\d_])|[:,]\s|\s\(\w")
# The sign between a client and a job, read as a letter: Alma Ek e Kontor. An initial is a capital.
_LONE_LETTER = re.compile(r"(?<=[^\W\d_]\s)[a-hj-zåäö](?=\s[^\W\d_])")
# A number that no name has: the year of a birth, an order's, a door's code.
_YEAR = re.compile(r"\d{4}|\d\s?(?:[Åå]r\b|/\s?\d)")
_WORD_END = re.compile(r"[\s\-–—/,]+")
_GLUED_DASH = re.compile(r"(?<=[^\W\d_])[-–—](?=[^\W\d_])")


def doubts_of(entry: Entry, shift: Shift) -> tuple[str, ...]:
    """Return the doubts about what one card, read and made a shift, means."""
    doubts = (NAMELESS,) * (shift.shift_type == ShiftType.WORK and not shift.customer_name)
    is_undivided = bool(_DASH.search(entry.title)) and not shift.raw_type_label
    doubts += (LABEL_UNKNOWN,) * (
        shift.shift_type == ShiftType.UNKNOWN
        or is_undivided
        or not _is_known_label(shift.raw_type_label)
        or _has_lost_its_head(entry.title)
    )
    doubts += (TEXT_CUT_SHORT,) * _is_torn(plain(shift.city), known_words(), limits.TORN_TOWN_MIN)
    is_torn = not shift.raw_type_label and _has_torn_job(shift.customer_name)
    doubts += (TITLE_UNSURE,) * (bool(shift.customer_name) and (is_torn or _glues_job(entry.title)))
    is_odd = (
        _is_no_town(entry, shift)
        or _holds_lone_letter(shift.raw_type_label)
        or _begins_oddly(entry)
    )
    is_odd |= any(match.is_exact for match in find_labels(clean_words(shift.street)))
    is_odd |= bool(_LONE_LETTER.search(entry.title)) or bool(_YEAR.search(shift.customer_name))
    return doubts + (UNKNOWN_TEXT,) * (bool(_unused(entry, shift)) or is_odd)


def doubts_of_order(sequences: Sequence[int]) -> tuple[tuple[int, str], ...]:
    """Return the images that are missing in a session's numbers, which begin at 1."""
    present = set(sequences)
    return tuple(
        (number, IMAGE_MISSING)
        for number in range(1, max(present, default=0))
        if number not in present
    )


def have_one_word(shifts: Sequence[Shift]) -> bool:
    """Whether all of three clients or more begin or end with one word, as with a caption of each.

    What many clients are called (Brf, Villa) is no caption.
    """
    names = {tuple(fold_word(word) for word in s.customer_name.split()) for s in shifts}
    names.discard(())
    if len(names) < limits.FEWEST_NAMES:
        return False
    ends = ({name[0] for name in names}, {name[-1] for name in names})
    return any(len(end) == 1 and not end & {*words_of("clients")} for end in ends)


def _has_lost_its_head(title: str) -> bool:
    """Whether a job begins small and is only nearly a known one: "rstädning" lost "Sto"."""
    words = clean_words(title.rpartition(BULLET)[2])
    matches = find_labels(words)
    return bool(matches) and not matches[0].is_exact and words[matches[0].start][:1].islower()


def _glues_job(title: str) -> bool:
    """Whether a job stands right at a dash, whose blanks were lost: Alm-Städning, Städning-Ulla."""
    for dash in _GLUED_DASH.finditer(title):
        words = clean_words(title[: dash.start()])
        behind = find_labels(clean_words(title[dash.end() :]))[:1]
        before = find_labels(words)[-1:]
        if any(match.is_exact and not match.start for match in behind) or any(
            match.is_exact and match.stop == len(words) for match in before
        ):
            return True
    return False


def _has_torn_job(name: str) -> bool:
    """Whether a client is called as a job begins whose end was not read: Städse Ulla Alm."""
    known = {word for label in load_vocabulary().labels for word in label.words}
    words = map(fold_word, clean_words(name))
    return any(_is_torn(word, known, limits.TORN_LETTERS_MIN) for word in words)


def _is_torn(word: str, whole: Collection[str], least: int) -> bool:
    """Whether a word of so many letters is as known ones begin, and none of them."""
    return len(word) >= least and word not in whole and any(w.startswith(word) for w in whole)


def _is_known_label(label: str) -> bool:
    """Whether a label is known, or none, or made of a stem that always means work."""
    words = clean_words(label.replace("/", " "))
    if not words or find_labels(words):
        return True
    return _is_work_by_stem(label)


def _is_work_by_stem(label: str) -> bool:
    return fold_word(label).endswith(load_vocabulary().work_stems)


def _unused(entry: Entry, shift: Shift) -> list[str]:
    """Return the words of a card that its shift does not say and nobody knows."""
    label = shift.raw_type_label if _is_work_by_stem(shift.raw_type_label) else ""
    said = " ".join((
        shift.customer_name, shift.street, shift.street_number, shift.postal_code,
        shift.postal_area, shift.city, label,
    ))  # fmt: skip
    used = _runs_of([fold_place(part) for part in _WORD_END.split(said)])
    text = " ".join((entry.title, entry.address, entry.location)).replace("/", " ")
    words = clean_words(text)
    labels = find_labels(words)
    labelled = {place for match in labels for place in range(match.start, match.stop)}
    return [
        word
        for place, word in enumerate(words)
        if place not in labelled and not _is_known(word) and not _is_said(word, used)
    ]


def _begins_oddly(entry: Entry) -> bool:
    """Whether an address begins with a number (6. Promenaden), or a letter that shortens nothing.

    Those behind a house number say a door, those behind a job count.
    """
    first, _blank, rest = " ".join(clean_words(entry.address.replace("/", " "))).partition(" ")
    return bool(rest) and (first.isdigit() or begins_with_sign(f"{first} {rest}"))


def _is_no_town(entry: Entry, shift: Shift) -> bool:
    """Whether what stands where a town does is too long for one, says more, or is another's.

    Below an address that begins with its town stands none ("Visa alla").
    """
    words = clean_words(shift.city)
    town, rest = known_towns().split_head(words)
    return (
        len(words) > limits.TOWN_WORDS
        or bool(entry.location and known_towns().split_head(clean_words(entry.address))[0])
        or any(char.isdigit() for char in shift.city)
        or bool(town and rest)
        or bool(shift.postal_area and fold_place(shift.postal_area) != fold_place(shift.city))
        or any(match.is_exact for match in find_labels(words))
    )


def _holds_lone_letter(label: str) -> bool:
    """Whether a letter stands alone beside a known job: a picture, read as one ("Kontor E")."""
    words = clean_words(label)
    labels = find_labels(words)
    labelled = {place for match in labels for place in range(match.start, match.stop)}
    return any(
        len(word) == 1 and word.isalpha() and place not in labelled
        for place, word in enumerate(words)
    )


def _runs_of(parts: Sequence[str]) -> set[str]:
    """Return words that follow one another, joined: a card's may be read without their blanks."""
    ends = range(1, len(parts) + 1)
    return {"".join(parts[first:end]) for end in ends for first in range(end)}


def _is_said(word: str, used: set[str]) -> bool:
    return all(fold_place(part) in used for part in word.replace(",", " ").split())


def _is_known(word: str) -> bool:
    """Whether a word is noise of a closed list, a company's word, a door's, or a scrap."""
    folded = fold_word(word)
    known = (*COMPANY_WORDS, *words_of("prefixes"), *load_vocabulary().door_words)
    return len(folded) < limits.SCRAP_LETTERS or folded.isdigit() or folded in known
