"""What stands on a card beside title and address: durations however read, states, scraps."""

from __future__ import annotations

import pytest

from backfill.ocr.screen.checks import (
    ADDRESS_UNSURE,
    TITLE_UNSURE,
    UNKNOWN_TEXT,
    check_times,
    is_doubtful,
)
from backfill.ocr.screen.layout import Layout, read_layout
from backfill.ocr.text.timetext import cut_duration
from backfill.ocr.words import Word


def _card(top: float, start: str, end: str, title: str, length: str) -> list[Word]:
    return [
        Word(start, 38, top, 83, 22),
        Word(end, 38, top + 34, 83, 22),
        Word(title, 194, top, 300, 26),
        Word(length, 750, top + 2, 43, 22),
    ]


def _two_cards(length: str, *others: Word) -> Layout:
    first = _card(478, "08:00", "08:45", "Lunch", "45m")
    return read_layout([*first, *_card(700, "09:00", "09:55", "Rast", length), *others])


@pytest.mark.parametrize(
    ("length", "minutes"),
    [("SSm", 55), ("S5m", 55), ("th", 60), ("th 20m", 80), ("in", None), ("Il", None)],
)
def test_a_misread_duration_below_another_is_no_part_of_the_title(
    length: str, minutes: int | None
) -> None:
    _first, second = _two_cards(length).entries

    assert (second.title, second.duration_minutes) == ("Rast", minutes)


@pytest.mark.parametrize(
    ("start", "end"), [("08:00", "08:45?"), ("08:00?", "08:45"), ("08:00–08:45 ?", "")]
)
def test_times_that_the_app_asks_about_itself_are_asked_about(start: str, end: str) -> None:
    told = [word for word in _card(478, start, end, "Lunch", "45m") if word.text]

    (asked,) = read_layout(told).entries

    assert (asked.start, asked.end) == ("08:00", "08:45")
    assert UNKNOWN_TEXT in asked.flags


def test_a_state_below_a_range_is_no_part_of_the_title() -> None:
    words = [
        Word("08:00 - 08:45", 38, 478, 160, 22),
        Word("Lunch", 250, 478, 90, 26),
        Word("itvd", 38, 508, 40, 14),
    ]

    (entry,) = read_layout(words).entries

    assert (entry.title, entry.address) == ("Lunch", "")


def test_a_title_below_its_range_stays_one() -> None:
    words = [Word("08:00 - 08:45", 38, 478, 160, 22), Word("Lunch", 38, 508, 90, 24)]

    (entry,) = read_layout(words).entries

    assert entry.title == "Lunch"


def test_corners_of_a_card_are_no_text() -> None:
    left, right = Word("N", 0, 690, 8, 24), Word("NY", 800, 690, 20, 24)

    _first, second = _two_cards("55m", left, right).entries

    assert (second.title, second.address) == ("Rast", "")


def test_the_short_week_below_the_date_is_no_title() -> None:
    _first, second = _two_cards("55m", Word("Vv. 7", 194, 740, 60, 22)).entries

    assert (second.title, second.address) == ("Rast", "")


@pytest.mark.parametrize(
    ("title", "cut"),
    [
        ("Lunch 1h 15 min", ("Lunch", 75)),
        ("Lunch I h 15 min", ("Lunch", 75)),
        ("Karl Ek 4 tim", ("Karl Ek", 240)),
        ("Rum 1", ("Rum 1", None)),
    ],
)
def test_a_duration_at_the_end_of_a_title_is_cut(title: str, cut: tuple[str, int | None]) -> None:
    assert cut_duration(title) == cut


def test_a_capital_that_was_read_twice_is_a_doubt() -> None:
    assert is_doubtful(Word("Vvallmovägen", 0, 0, 90, 20, 96.0))
    assert not is_doubtful(Word("Vivvägen", 0, 0, 90, 20, 96.0))


def test_a_duration_at_the_end_of_a_titles_first_line_is_no_name() -> None:
    words = [
        *_card(478, "18:05", "21:15", "Tuva Lilja •", "")[:3],
        Word("3h10m", 510, 478, 90, 26),
        Word("Fönsterputs", 194, 512, 160, 26),
    ]

    (entry,) = read_layout(words).entries

    assert (entry.title, entry.duration_minutes) == ("Tuva Lilja • Fönsterputs", 190)


def test_a_sign_where_the_letter_of_a_house_number_wraps_to_is_a_doubt() -> None:
    card = [
        *_card(478, "15:05", "16:35", "Tuva Lilja • Fönsterputs", "1h 30m"),
        Word("Askim,", 194, 532, 70, 20),
        Word("Pilgatan", 274, 532, 90, 20),
        Word("11", 374, 532, 20, 20),
    ]

    (believed,) = check_times(read_layout(card).entries)
    (doubted,) = check_times(read_layout([*card, Word("€", 194, 562, 14, 20, 0.0)]).entries)

    assert ADDRESS_UNSURE not in believed.flags
    assert ADDRESS_UNSURE in doubted.flags


@pytest.mark.parametrize("title", ["Serviceteam - Intern", "Vara av parn"])
def test_a_card_without_address_and_known_label_is_doubted(title: str) -> None:
    (entry,) = check_times(read_layout(_card(478, "08:00", "08:45", title, "45m")).entries)

    assert TITLE_UNSURE in entry.flags
