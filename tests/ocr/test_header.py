"""A header as white as the sheet below it ends where its lines say so; none of them is a shift."""

from __future__ import annotations

import pytest

from backfill.ocr.screen.anchors import Divider
from backfill.ocr.screen.header import header_end, holds_times
from backfill.ocr.words import Word

SIZE = (2000, 1000)
CARD = (("08:00", 60, 500), ("09:00", 60, 540), ("Ulla", 300, 500), ("Granvik", 400, 500))


def _words(*placed: tuple[str, float, float]) -> list[Word]:
    return [Word(text, left, top, 20 * len(text), 30) for text, left, top in placed]


def _line(texts: str, top: float) -> list[tuple[str, float, float]]:
    return [(text, 100 + 120 * place, top) for place, text in enumerate(texts.split())]


@pytest.mark.parametrize(
    "days",
    [
        "Mån Tis Ons Tor Fre Lör Sön",
        "Mon Tue Wed Thu Sat Sun",
        "M T O T F L S",
        "34 18 19 20 21 22 23",
    ],
)
def test_the_days_of_a_week_end_the_header(days: str) -> None:
    assert header_end(_words(*_line(days, 160), *CARD), (), SIZE) == 190


def test_the_rule_below_the_week_belongs_to_the_header() -> None:
    words = _words(*_line("18 19 20 21 22 23 24", 160), *CARD)

    assert header_end(words, (Divider(0, 1000, 300), Divider(0, 1000, 480)), SIZE) == 300


@pytest.mark.parametrize("state", ["5G", "45%", "Telia", "85"])
def test_a_clock_beside_the_state_of_the_phone_is_no_time_of_a_shift(state: str) -> None:
    words = _words(("10:41", 60, 50), (state, 900, 50), ("08:00", 60, 120), *CARD)

    assert header_end(words, (), SIZE) == 80


def test_a_clock_beside_a_network_that_nobody_listed_is_told_by_its_column() -> None:
    words = _words(("10:41", 90, 50), ("halebop", 220, 50), *CARD)

    assert header_end(words, (), SIZE) == 80


@pytest.mark.parametrize(
    "beside", [("Ulla", 300, 50), ("45m", 900, 50), ("09:00", 60, 90), ("Rast", 300, 50)]
)
def test_the_times_of_a_card_at_the_top_of_a_cropped_image_stay(
    beside: tuple[str, float, float],
) -> None:
    assert header_end(_words(("08:00", 60, 50), beside, *CARD), (), SIZE) == 0


def test_a_rule_below_a_card_is_not_the_headers() -> None:
    words = _words(*_line("18 19 20 21 22 23 24", 160), *CARD)

    assert header_end(words, (Divider(0, 1000, 620),), SIZE) == 190


def test_a_week_in_the_middle_of_the_screen_is_no_header() -> None:
    assert header_end(_words(*_line("18 19 20 21 22 23 24", 900), *CARD), (), SIZE) == 0


def test_times_above_a_date_are_told_from_the_clock_of_the_phone() -> None:
    assert not holds_times(_words(("10:41", 60, 50), ("Ulla", 300, 400)), SIZE, ())
    assert holds_times(_words(("08:00-09:00", 60, 50)), SIZE, ())


@pytest.mark.parametrize("battery", ["74 %", "7496", "2490"])
@pytest.mark.parametrize("title", ["Mine", "Calendar", "21:30-22:00"])
def test_of_a_screen_that_shows_a_screen_both_clocks_are_the_phones(
    battery: str, title: str
) -> None:
    frame = [("21:47", 40, 54), ("05:44", 120, 194), ("all", 800, 194), (battery, 860, 194)]

    assert holds_times(_words(*frame, (title, 200, 278)), SIZE, ()) is (title == "21:30-22:00")


def test_a_time_alone_above_the_date_is_a_messages_unless_cards_have_it_in_its_column() -> None:
    cards = _words(*CARD)

    assert not holds_times(_words(("Planering", 60, 200), ("19:42", 460, 400)), SIZE, cards)
    assert holds_times(_words(("08:00", 60, 400)), SIZE, cards)
    assert holds_times(_words(("Ulla", 300, 400), ("19:42", 460, 400)), SIZE, cards)
    assert holds_times(_words(("19:42", 460, 400)), SIZE, _words(("08:00–09:00", 455, 600)))
