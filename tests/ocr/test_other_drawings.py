"""Ink of looks that the app does not have: tight lines, chips, large headings, struck-out text."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.ocr.screens import dejavu

from backfill.ocr.ink.bands import Band, find_bands, with_labels
from backfill.ocr.ink.pictures import without_pictures
from backfill.ocr.ink.preprocess import Ink, find_ink
from backfill.ocr.reader.ink_doubts import doubt_by_ink
from backfill.ocr.screen.marks import strikes
from backfill.ocr.screen.sheet import header_bottom
from backfill.ocr.words import Word

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
WHITE, BLACK, BLUE = (255, 255, 255), (20, 20, 20), (60, 110, 210)


class Sheet:
    """A sheet to draw on, and its ink."""

    def __init__(self, ground: Colour = WHITE) -> None:
        self.image = Image.new("RGB", (800, 400), ground)
        self.draw = ImageDraw.Draw(self.image)
        for row in range(5):  # the text that tells how large letters are
            self.write("Ringgatan", 20, 210 + 36 * row)

    def write(
        self, text: str, x: int, y: int, *, px: int = 24, bold: bool = False, colour: Colour = BLACK
    ) -> None:
        font = ImageFont.truetype(dejavu(is_bold=bold), px)
        self.draw.text((x, y), text, fill=colour, font=font)

    def ink(self) -> Ink:
        colours = np.asarray(self.image, dtype=np.uint8)
        grey = np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        return without_pictures(colours, grey, find_ink(grey, 0))

    def bands(self, top: int, bottom: int) -> list[Band]:
        return [
            band for band in find_bands(self.ink()) if top <= (band.top + band.bottom) / 2 <= bottom
        ]


@pytest.mark.parametrize("upper", ["Storstädning", "Gyttja på gång", "Kylskåp"])
@pytest.mark.parametrize("lower", ["Östra Ängen 7", "Äppelby", "Överby"])
def test_dots_belong_to_the_letters_below_them_however_tight_the_lines(
    upper: str, lower: str
) -> None:
    sheet = Sheet()
    sheet.write(upper, 20, 20)
    sheet.write(lower, 20, 44)

    found = sheet.bands(20, 80)

    alone = Sheet()
    alone.write(lower, 20, 44)
    assert max(band.top for band in found) == alone.bands(20, 80)[0].top


@pytest.mark.parametrize("text", ["Lördag 22 augusti", "Onsdag 18 juni", "Man 12 maj"])
@pytest.mark.parametrize("px", [36, 46, 56])
def test_a_large_bold_heading_loses_no_letter(text: str, px: int) -> None:
    sheet = Sheet()
    sheet.write(text, 20, 20, px=px, bold=True)

    letters = [p for band in sheet.bands(10, 110) for p in band.pieces if p.height > px / 3]

    assert len(letters) >= len(text.replace(" ", ""))


@pytest.mark.parametrize(("ground", "colour"), [(BLUE, WHITE), ((255, 190, 90), BLACK)])
@pytest.mark.parametrize("wide", [260, 420, 760])
def test_what_stands_on_a_chip_is_read_whole(ground: Colour, colour: Colour, wide: int) -> None:
    sheet = Sheet()
    sheet.draw.rounded_rectangle((20, 40, 20 + wide, 96), radius=26, fill=ground)
    sheet.write("08:00 – 12:40", 46, 54, colour=colour)

    digits = [p for band in sheet.bands(40, 96) for p in band.pieces if p.height > 12]

    assert len(digits) >= 8


@pytest.mark.parametrize("text", ["Vega Dunge", "07:00–09:15", "Personalmöte"])
def test_a_line_through_text_is_seen_and_no_other_line(text: str) -> None:
    sheet = Sheet()
    sheet.write(text, 20, 40)
    ink = sheet.ink()
    (plain,) = sheet.bands(30, 80)
    sheet.draw.line((20, 55, plain.right, 55), fill=BLACK, width=2)
    struck = sheet.ink()
    sheet.draw.line((20, 55, plain.right, 55), fill=WHITE, width=2)

    assert not strikes(ink.contrast, plain, ink.letter_px)
    assert strikes(struck.contrast, plain, ink.letter_px)


@pytest.mark.parametrize("place", [0, 60, 160])
@pytest.mark.parametrize(("wide", "is_line"), [(25, False), (45, False), (66, True)])
def test_letters_that_touch_are_no_line_wherever_they_stand(
    place: int, wide: int, *, is_line: bool
) -> None:
    """Of letters twenty pixels tall, in a run of two hundred and twenty-six."""
    contrast = np.zeros((60, 300), dtype=np.uint8)
    contrast[30:32, 40 + place : 40 + place + wide] = 200
    band = Band(40, 20, 266, 45, ())

    assert bool(strikes(contrast, band, 20.0)) is is_line


@pytest.mark.parametrize(
    ("drawn", "read", "is_doubted"),
    [("Östra", "Ostra", True), ("Östra", "Östra", False), ("Ostra", "Ostra", False),
     ("Hälla", "Halla", True), ("Kristin", "Kristin", False), ("Ängen", "Ängen", False)],
)  # fmt: skip
def test_dots_and_rings_that_the_text_lacks_are_a_doubt(
    drawn: str, read: str, *, is_doubted: bool
) -> None:
    sheet = Sheet()
    sheet.write(drawn, 20, 40)
    ink = sheet.ink()
    (band,) = with_labels(tuple(sheet.bands(30, 80)), ink)
    word = Word(read, band.left, band.top, band.right - band.left, band.bottom - band.top, 96.0)

    (told,) = doubt_by_ink((word,), band, ink)

    assert told.is_contradicted is is_doubted


@pytest.mark.parametrize(
    ("drawn", "read", "is_doubted"),
    [("Ovre", "ovre", True), ("ovre", "ovre", False), ("Ulla", "ulla", True),
     ("ulla", "ulla", False), ("Ovre", "Ovre", False)],
)  # fmt: skip
def test_a_small_letter_as_tall_as_the_lines_capitals_is_a_doubt(
    drawn: str, read: str, *, is_doubted: bool
) -> None:
    sheet = Sheet()
    sheet.write(f"{drawn} Kvarn", 20, 40)
    ink = sheet.ink()
    (band,) = with_labels(tuple(sheet.bands(30, 80)), ink)
    tall = band.bottom - band.top
    pieces = sorted(band.pieces, key=lambda piece: piece.left)
    gaps = [two.left - one.right for one, two in itertools.pairwise(pieces)]
    half = pieces[gaps.index(max(gaps)) + 1].left
    words = (
        Word(read, band.left, band.top, half - 4 - band.left, tall, 96.0),
        Word("Kvarn", half, band.top, band.right - half, tall, 96.0),
    )

    assert doubt_by_ink(words, band, ink)[0].is_contradicted is is_doubted


def test_the_page_between_its_cards_is_no_header() -> None:
    page: Pixels = np.full((1600, 800, 3), 242, dtype=np.uint8)
    for top in range(300, 1500, 240):
        page[top : top + 200, 20:780] = 255

    assert header_bottom(page) == 0.0


def test_a_header_of_a_colour_of_its_own_is_one() -> None:
    page: Pixels = np.full((1600, 800, 3), 255, dtype=np.uint8)
    page[:260] = (20, 30, 60)

    assert abs(header_bottom(page) - 260) < 16


@pytest.mark.parametrize("left", [0, 90])
@pytest.mark.parametrize("colour", [(255, 255, 255), (247, 244, 238)])
def test_a_page_beside_a_tall_first_card_is_no_header(left: int, colour: tuple[int, ...]) -> None:
    page: Pixels = np.full((1600, 800, 3), colour, dtype=np.uint8)
    page[220:900, left:740] = (224, 205, 246)

    assert header_bottom(page) == 0.0


def test_a_sheet_with_round_corners_leaves_its_header_one() -> None:
    page: Pixels = np.full((1600, 800, 3), (20, 30, 60), dtype=np.uint8)
    for row in range(260, 1600):
        inset = max(0, 24 - (row - 260))
        page[row, inset : 800 - inset] = 255

    assert abs(header_bottom(page) - 260) < 16


@pytest.mark.parametrize(
    ("px", "text", "bullets"),
    [
        (22, "28. 3. 2026", 0), (40, "28. 3. 2026", 0), (64, "28. 3. 2026", 0),
        (40, "Samstag, 28. 3.", 0), (22, "Alm • Skola", 1),
        (40, "Alm • Skola", 1),
    ],
)  # fmt: skip
def test_dots_at_the_foot_of_tall_digits_are_no_bullets(px: int, text: str, bullets: int) -> None:
    image = Image.new("L", (900, 500), 255)
    pen = ImageDraw.Draw(image)
    pen.text((20, 60), text, 20, ImageFont.truetype(dejavu(), px))
    for at in range(6):  # what most of the screen says is small
        pen.text((20, 200 + 40 * at), "Vega Dunge", 20, ImageFont.truetype(dejavu(), 22))
    bands = find_bands(find_ink(np.asarray(image, dtype=np.uint8)))

    assert sum(len(band.bullets) for band in bands if band.bottom < 180) == bullets
