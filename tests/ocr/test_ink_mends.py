"""Bullets that blur makes letters, and names whose blank before a capital I was not seen."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from tests.ocr.screens import dejavu

from backfill.ocr.bands import Band, find_bands
from backfill.ocr.ink_doubts import mend_by_ink
from backfill.ocr.preprocess import Ink, find_ink
from backfill.ocr.words import BULLET, Word


def _drawn(text: str, *, blur: float = 0.0) -> tuple[tuple[Band, ...], Ink]:
    page = Image.new("L", (900, 120), 255)
    font = ImageFont.truetype(dejavu(is_bold=True), 40)
    ImageDraw.Draw(page).text((40, 30), text, font=font, fill=40)
    ink = find_ink(np.asarray(page.filter(ImageFilter.GaussianBlur(blur)), dtype=np.uint8))
    return find_bands(ink), ink


def _mended(text: str, band: Band, ink: Ink) -> list[str]:
    word = Word(text, band.left, 0.0, band.right - band.left, 40.0, 91.0)
    return [part.text for part in mend_by_ink(word, band, ink)]


@pytest.mark.parametrize("blur", [0.0, 1.5])
def test_a_letter_whose_ink_is_a_dot_is_a_bullet(blur: float) -> None:
    page, ink = _drawn("• Omstädning", blur=blur)
    (band,) = page
    bullet = band.bullets[0] if band.bullets else band.pieces[0]
    alone = Band(bullet.left, bullet.top, bullet.right, bullet.bottom, (bullet,))

    assert _mended("e", alone, ink) == [BULLET]


def test_a_letter_and_a_dash_stay_what_they_are() -> None:
    for text in ("e", "o"):
        (band,), ink = _drawn(text)
        assert _mended(text, band, ink) == [text]


@pytest.mark.parametrize(
    ("drawn", "read", "mended"),
    [
        ("Per Illner", "Perlllner", ["Per", "lllner"]),
        ("Åsa Ivarsdal", "Åsalvarsdal", ["Åsa", "lvarsdal"]),
        ("Fjällman", "Fjällman", ["Fjällman"]),
        ("Tallstigen", "Tallstigen", ["Tallstigen"]),
    ],
)
def test_a_blank_in_the_ink_divides_two_names(drawn: str, read: str, mended: list[str]) -> None:
    (band,), ink = _drawn(drawn)

    assert _mended(read, band, ink) == mended


def test_a_known_word_is_never_divided() -> None:
    (band,), ink = _drawn("Förbere delser")

    assert _mended("Förberedelser", band, ink) == ["Förberedelser"]
