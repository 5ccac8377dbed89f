"""Checks that cost nothing: what no other part of the screen speaks for is looked at again."""

from __future__ import annotations

import pytest

from backfill.ocr.screen.checks import (
    ADDRESS_UNSURE,
    TIME_UNSURE,
    TITLE_UNSURE,
    check_times,
    is_doubtful,
)
from backfill.ocr.shift import Entry
from backfill.ocr.words import Word


def _entry(start: str, end: str, *, confidence: float = 96.0, **given: object) -> Entry:
    words = tuple(Word(text, 0, 0, 50, 20, confidence) for text in (start, end))
    fields = {"title": "Rast", "location": "", "address": "", "duration_minutes": None, **given}
    return Entry(start, end, words=words, **fields)  # type: ignore[arg-type] # any mix of fields


@pytest.mark.parametrize(
    ("text", "confidence", "expected"),
    [("72", 90, True), ("72", 96, False), ("17b", 90, True), ("Ringen", 90, False)],
)
def test_a_house_number_must_be_read_more_surely_than_a_word(
    text: str, confidence: float, expected: bool
) -> None:
    assert is_doubtful(Word(text, 0, 0, 30, 20, confidence)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Ilvarsdal", True), ("Illlerstad", True), ("illlervägen", True),
     ("Iievska", True), ("Illvägen", True), ("Il", True), ("Ömfelt", True),
     ("Bjöm", True), ("Kvamgren", True),
     ("Strömgren", False), ("Omstädning", False), ("Åström", False), ("Wilma", False),
     ("Ömer", False), ("Gamla", False), ("lingonliden", False),
     ("Ilievska", False), ("Malmberg", False),
     ("Ivarsdal", False), ("Illerstad", False), ("Illervägen", False), ("Björkhill", False)],
)  # fmt: skip
def test_strokes_that_no_word_has_are_doubted_however_sure(text: str, *, expected: bool) -> None:
    assert is_doubtful(Word(text, 0, 0, 200, 20, 97)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Prästgårdsl'den", True), ("Ek’backen", True), ("Tor|gatan", True), ("Lö!gatan", True),
     ("Gr“nd", True), ("Ekb*cken", True),
     ("O'Hara", False), ("D’Angelo", False), ("Lill-Britt", False), ("Skola/kontor", False),
     ("Lerum,", False), ("(Skola)", False), ("Tak&Plåt", False), ("Alm•Skola", False)],
)  # fmt: skip
def test_a_sign_within_a_word_is_no_letter_of_it(text: str, *, expected: bool) -> None:
    assert is_doubtful(Word(text, 0, 0, 200, 20, 97, ink_agrees=True)) is expected


@pytest.mark.parametrize(("confidence", "expected"), [(90, True), (96, False)])
def test_a_ring_and_two_dots_must_be_read_more_surely_than_another_letter(
    confidence: float, expected: bool
) -> None:
    assert is_doubtful(Word("Äkerstigen", 0, 0, 200, 20, confidence)) is expected


def test_times_whose_duration_alone_was_not_read_must_be_sure() -> None:
    beside = _entry("07:00", "08:00", duration_minutes=60)
    unsure, sure = _entry("15:50", "16:10", confidence=90), _entry("16:10", "16:20")

    checked = check_times((beside, unsure, sure))

    assert [entry.flags for entry in checked] == [(), (TIME_UNSURE,), ()]


def test_times_of_a_look_without_durations_need_no_more_than_before() -> None:
    assert check_times((_entry("15:50", "16:10", confidence=90),))[0].flags == ()


def test_an_address_without_a_house_number_is_doubted() -> None:
    without = _entry("07:00", "08:00", duration_minutes=60, address="Onsala, Strandstigen Il")
    whole = _entry("08:00", "09:00", duration_minutes=60, address="Onsala, Strandstigen 11")

    assert [entry.flags for entry in check_times((without, whole))] == [(ADDRESS_UNSURE,), ()]


def test_a_client_without_a_job_beside_others_with_one_is_doubted() -> None:
    place = "Lerum, Ringgatan 4"
    with_job = _entry("08:00", "09:00", title="Åsa Alm • Trappstädning", address=place)
    lost = _entry("09:00", "10:00", title="Ulf Ek Trappstädning", address=place)
    known = _entry("10:00", "11:00", title="Ida Ek Storstädning", address=place)

    flags = [TITLE_UNSURE in entry.flags for entry in check_times((with_job, lost, known))]

    assert flags == [False, True, False]
    assert TITLE_UNSURE not in check_times((lost,))[0].flags


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Onsala, 17 Hagastigen", True), ("17 Hagastigen", True), ("Onsala, Hagastigen 17", False),
        ("Hagastigen 17 C, 434 96 Onsala", False), ("Storgatan, 12A", False),
    ],
)  # fmt: skip
def test_a_number_before_its_street_is_doubted(address: str, expected: bool) -> None:
    (entry,) = check_times((_entry("08:00", "09:00", address=address),))

    assert (ADDRESS_UNSURE in entry.flags) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [("Gränd20C", True), ("17Hagastigen", True), ("25m", False)]
)
def test_a_street_glued_to_its_number_is_doubted(text: str, expected: bool) -> None:
    assert is_doubtful(Word(text, 0, 0, 90, 20, 97.0)) is expected
