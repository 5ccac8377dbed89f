"""The tab bar is left out, the day's last card is not, however alike their lines look."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.ocr.screens import dejavu

from backfill.ocr.ink.bands import find_bands
from backfill.ocr.ink.preprocess import find_ink
from backfill.ocr.screen.sheet import bands_of_sheet, find_sheet

WIDTH, HEIGHT, LAST_LINE = 828, 1792, 1710
BAR = (76, 175, 80)


def _kept(*labels: str, has_bar: bool = False) -> int:
    """Return how many of the labels on a screen's last line are kept for reading."""
    screen = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen, font = ImageDraw.Draw(screen), ImageFont.truetype(dejavu(), 28)
    for top in range(200, 1500, 120):
        pen.text((60, top), "08:15", "black", font)
        pen.text((300, top), "Personalmöte", "black", font)
    for place, label in enumerate(labels):
        pen.text((40 + 280 * place, LAST_LINE), label, "black", font)
    if has_bar:
        pen.rectangle((300, LAST_LINE - 60, 306, LAST_LINE + 50), fill=BAR)
    pixels = np.asarray(screen, dtype=np.uint8)
    grey = np.asarray(screen.convert("L"), dtype=np.uint8)
    ink = find_ink(grey)
    bands, _ = bands_of_sheet(find_bands(ink), find_sheet(pixels, grey, ink, 0.0), ink)
    return sum(band.bottom > LAST_LINE for band in bands)


def test_the_labels_of_the_tab_bar_are_left_out() -> None:
    assert _kept("Schedule", "HelpHub", "Account") == 0


@pytest.mark.parametrize(
    ("labels", "has_bar"),
    [(("20:36", "Rast", "20m"), False), (("20.36", "Rast", "20m"), True)],
    ids=["a colon", "a bar"],
)
def test_the_last_card_on_one_line_is_no_tab_bar(labels: tuple[str, ...], has_bar: bool) -> None:
    assert _kept(*labels, has_bar=has_bar) >= 3
