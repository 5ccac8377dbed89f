"""A number whose ink has more pieces than its text has digits is not believed."""

from __future__ import annotations

import pytest

from backfill.ocr.bands import Band
from backfill.ocr.lost_digits import LOST, doubt_lost_digits
from backfill.ocr.preprocess import Piece
from backfill.ocr.words import Word

UNIT = 20.0


def _piece(left: int, width: int = 10, height: int = 20) -> Piece:
    return Piece(left, left, 0, width, height, width * height // 2)


def _band(*lefts: int) -> Band:
    pieces = tuple(_piece(left) for left in lefts)
    return Band(lefts[0], 0, lefts[-1] + 10, 20, pieces)


def _word(text: str, left: float, right: float) -> Word:
    return Word(text, left, 0.0, right - left, 20.0, confidence=97.0)


@pytest.mark.parametrize(
    ("text", "right"),
    [("7", 10), ("1:45", 26), ("7B", 24)],
    ids=["house number", "time", "with a letter"],
)
def test_a_number_of_too_few_digits_is_doubted(text: str, right: float) -> None:
    lefts = tuple(range(0, 13 * (sum(char.isalnum() for char in text) + 1), 13))

    read = doubt_lost_digits((_word(text, 0, right),), _band(*lefts), UNIT)

    assert [word.confidence for word in read] == [LOST]


def test_a_digit_lost_before_the_word_counts_too() -> None:
    street, number = _word("Ringgatan", 0, 49), _word("77", 73, 96)
    band = _band(0, 13, 26, 39, 60, 73, 86)

    read = doubt_lost_digits((street, number), band, UNIT)

    assert [word.confidence for word in read] == [97.0, LOST]


def test_numbers_as_long_as_their_ink_and_words_are_believed() -> None:
    street, number = _word("Ringgat", 0, 49), _word("77", 70, 93)
    dot = Piece(99, 95, 16, 3, 4, 12)
    band = _band(0, 13, 26, 39, 70, 83)
    with_dot = Band(band.left, band.top, 98, band.bottom, (*band.pieces, dot))

    assert doubt_lost_digits((street, number), with_dot, UNIT) == (street, number)


def test_touching_digits_cast_no_doubt() -> None:
    number = _word("117", 0, 23)

    assert doubt_lost_digits((number,), _band(0, 13), UNIT) == (number,)
