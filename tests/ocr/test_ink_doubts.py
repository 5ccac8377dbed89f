"""Words that their ink contradicts are not believed, however sure recognition is of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.drawn.style import STYLES, Style

from backfill.ocr import limits
from backfill.ocr.ink.bands import Band, find_bands, with_labels
from backfill.ocr.ink.preprocess import Ink, find_ink
from backfill.ocr.reader.ink_doubts import doubt_by_ink
from backfill.ocr.words import Word

FONTS = pytest.mark.parametrize("style", STYLES, ids=[style.name for style in STYLES])


def _drawn(text: str, style: Style = STYLES[1], *, touching: bool = False) -> tuple[Band, Ink]:
    """Return the one line of a white page, its digits pushed together where they shall touch."""
    page = Image.new("L", (900, 120), 255)
    pen, font = ImageDraw.Draw(page), style.font(44)
    if touching:
        pen.text((40, 30), text, font=font, fill=60, stroke_width=3)
    else:
        pen.text((40, 30), text, font=font, fill=60)
    ink = find_ink(np.asarray(page, dtype=np.uint8))
    (band,) = with_labels(find_bands(ink), ink)
    return band, ink


def _words(said: str, band: Band) -> tuple[Word, ...]:
    """Return words that share a band's ink as their lengths do."""
    parts, left = said.split(), float(band.left)
    pitch = (band.right - band.left) / len(said)
    words = []
    for part in parts:
        words.append(Word(part, left, 0.0, pitch * len(part), 44.0, confidence=97.0))
        left += pitch * (len(part) + 1)
    return tuple(words)


def _doubted(said: str, band: Band, ink: Ink) -> list[str]:
    read = doubt_by_ink(_words(said, band), band, ink)
    assert all(
        word.confidence == (limits.CONTRADICTED if word.is_contradicted else 97.0) for word in read
    )
    return [word.text for word in read if word.is_contradicted]


@pytest.mark.parametrize(
    ("drawn", "said"),
    [("77", "7"), ("11:45", "1:45"), ("75B", "7B")],
    ids=["house number", "time", "with a letter"],
)
def test_a_number_of_too_few_digits_is_doubted(drawn: str, said: str) -> None:
    band, ink = _drawn(drawn)

    assert _doubted(said, band, ink) == [said]


@FONTS
@pytest.mark.parametrize(
    ("drawn", "said"),
    [("Tallstigen", "Talistigen"), ("Hillinge", "Hilllnge"), ("ilivik", "illvik")],
)
def test_an_i_for_an_l_is_doubted_by_its_dot(style: Style, drawn: str, said: str) -> None:
    band, ink = _drawn(drawn, style)

    assert _doubted(said, band, ink) == [said]


@FONTS
@pytest.mark.parametrize(
    ("drawn", "said"),
    [("Hannesdal", "Hanesdal"), ("Sunne", "Sune"), ("Anna Ek", "AnnaEk")],
    ids=["a letter more", "in a short word", "a blank"],
)
def test_a_word_of_too_few_letters_is_doubted(style: Style, drawn: str, said: str) -> None:
    band, ink = _drawn(drawn, style)

    assert _doubted(said, band, ink) == [said]
    assert _doubted(drawn, band, ink) == []


@FONTS
@pytest.mark.parametrize("text", ["Tallstigen", "Illervägen", "Lilla Billdal", "Illner", "Nil"])
def test_words_of_i_and_l_that_are_right_stand(style: Style, text: str) -> None:
    band, ink = _drawn(text, style)

    assert _doubted(text, band, ink) == []


def test_dots_that_small_print_has_joined_to_their_letters_are_not_missed() -> None:
    band, ink = _drawn("Tallstlgen")  # an l has none

    assert _doubted("Tallstigen", band, ink) == []


@FONTS
@pytest.mark.parametrize(
    ("drawn", "said"), [("71", "11"), ("11", "17"), ("117B", "177B"), ("15B", "158"), ("2D", "20")]
)
def test_a_digit_of_another_shape_is_doubted_in_every_font(
    style: Style, drawn: str, said: str
) -> None:
    band, ink = _drawn(drawn, style)

    assert _doubted(said, band, ink) == [said]


@FONTS
@pytest.mark.parametrize("number", ["1", "7", "17", "171", "160", "98B", "80 D", "10:17"])
def test_a_number_that_is_what_its_ink_shows_is_believed(style: Style, number: str) -> None:
    band, ink = _drawn(number, style)

    assert _doubted(number, band, ink) == []


def test_a_counter_of_colleagues_is_no_number_with_a_piece_too_many() -> None:
    band, ink = _drawn("+4")

    assert _doubted("+4", band, ink) == []


@FONTS
@pytest.mark.parametrize(("drawn", "said"), [("74", "174"), ("90A", "190A"), ("2:05", "12:05")])
def test_a_number_of_too_many_digits_is_doubted(style: Style, drawn: str, said: str) -> None:
    band, ink = _drawn(drawn, style)

    assert _doubted(said, band, ink) == [said]


@FONTS
@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("Il vägen 50", "Ilvägen 50"),
        ("ll vägen 50", "llvägen 50"),
        ("Norra vägen 50", "Norra vägen 50"),
        ("siw sundklev", "siw sundklev"),
        ("Alm | städning", "Alm | städning"),
    ],
)
def test_two_strokes_are_no_word_of_their_own(style: Style, said: str, read: str) -> None:
    band, ink = _drawn(read, style)

    assert " ".join(word.text for word in doubt_by_ink(_words(said, band), band, ink)) == read


def test_touching_digits_cast_no_doubt() -> None:
    band, ink = _drawn("177", touching=True)

    assert len(band.pieces) < 3
    assert _doubted("177", band, ink) == []


def test_words_beside_ink_that_was_not_read_are_doubted() -> None:
    band, ink = _drawn("Brf Vitsippan Norra")
    brf, vitsippan, norra = _words("Brf Vitsippan Norra", band)

    assert doubt_by_ink((brf, vitsippan, norra), band, ink) == (brf, vitsippan, norra)
    head_lost = doubt_by_ink((vitsippan, norra), band, ink)
    assert [word.is_contradicted for word in head_lost] == [True, False]
    tail_lost = doubt_by_ink((brf, vitsippan), band, ink)
    assert [word.is_contradicted for word in tail_lost] == [False, True]


@pytest.mark.parametrize(
    ("drawn", "said", "doubted"),
    [
        ("Hemstådning", "Hemstädning", []),
        ("Remstådning", "Remstädning", ["Remstädning"]),
        ("Åsa", "Äsa", ["Äsa"]),  # a town and a client
    ],
)
def test_a_long_word_of_the_vocabulary_needs_no_ink(
    drawn: str, said: str, doubted: list[str]
) -> None:
    assert _doubted(said, *_drawn(drawn)) == doubted
