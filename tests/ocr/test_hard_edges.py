"""Screens at whose edges letters are lost: headers, faint rules, bullets, digits."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.ocr.screens import dejavu

from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.ink.pictures import without_pictures
from backfill.ocr.ink.preprocess import find_ink, flatten
from backfill.ocr.screen.checks import TIME_ABOVE_DATE
from backfill.ocr.screen.reading import ImageReading
from backfill.ocr.screen.sheet import header_bottom

from .screens import read_image

WIDTH, HEIGHT, HEADER = 820, 1400, 200
NAVY, CARD, INK = (23, 43, 77), (246, 247, 249), (30, 34, 40)


def _write(
    pen: ImageDraw.ImageDraw, x: float, y: float, text: str, px: int, *, is_bold: bool = False
) -> None:
    pen.text((x, y), text, INK, ImageFont.truetype(dejavu(is_bold=is_bold), px))


def _screen(*heading: str, gap_px: int = 14) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Draw a header in its own colour, a heading so far below it, and two cards."""
    screen = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(screen)
    pen.rectangle((0, 0, WIDTH, HEADER), fill=NAVY)
    for line, text in enumerate(heading):
        _write(pen, 30, HEADER + gap_px + 56 * line, text, 46, is_bold=True)
    for place, (start, end, title) in enumerate(
        (("07:30", "08:45", "Lunch"), ("09:00", "09:45", "Restid"))
    ):
        top = 420 + 160 * place
        pen.rectangle((0, top, WIDTH, top + 140), fill=CARD)
        pen.rectangle((160, top + 10, 167, top + 100), fill=(67, 176, 112))
        _write(pen, 40, top + 10, start, 30)
        _write(pen, 40, top + 50, end, 30)
        _write(pen, 195, top + 10, title, 32, is_bold=True)
    return screen, pen


def _read(screen: Image.Image, *, quality: int | None = None) -> ImageReading:
    buffer = io.BytesIO()
    if quality:
        screen.save(buffer, "JPEG", quality=quality)
    else:
        screen.save(buffer, "PNG")
    return read_image(buffer.getvalue(), EngineChoice()())


@pytest.mark.ocr
@pytest.mark.parametrize("quality", [None, 45], ids=["png", "jpeg"])
def test_a_date_right_below_a_dark_header_is_read(quality: int | None) -> None:
    screen, _pen = _screen("wednesday 10 june")

    reading = _read(screen, quality=quality)

    assert reading.date is not None
    assert (reading.date.day, reading.date.month, reading.date.weekday) == (10, 6, 2)


@pytest.mark.ocr
def test_a_date_that_wraps_is_one_date() -> None:
    screen, _pen = _screen("wednesday 10", "september")

    reading = _read(screen)

    assert reading.date is not None
    assert (reading.date.day, reading.date.month, reading.date.weekday) == (10, 9, 2)


@pytest.mark.ocr
def test_a_time_above_the_date_holds_the_session_back() -> None:
    screen, pen = _screen("Friday 22 August", gap_px=110)
    _write(pen, 40, HEADER + 20, "06:00 - 06:45", 30)

    reading = _read(screen)

    assert reading.date is not None
    assert TIME_ABOVE_DATE in reading.flags


@pytest.mark.ocr
def test_a_date_in_digits_is_no_time_above_itself() -> None:
    screen, pen = _screen("Perjantai 17.11.", gap_px=110)
    for at, (start, end) in enumerate((("07.05", "08.05"), ("10.05", "11.05"))):
        _write(pen, 316, 1000 + 160 * at, start, 30)
        _write(pen, 316, 1040 + 160 * at, end, 30)

    reading = _read(screen)

    assert reading.date is not None
    assert TIME_ABOVE_DATE not in reading.flags


@pytest.mark.ocr
def test_a_bullet_nearly_as_large_as_a_letter_is_one() -> None:
    screen, pen = _screen("Friday 22 August")
    _write(pen, 195, 740, "Ylva Alm", 32, is_bold=True)
    pen.ellipse((376, 754, 392, 770), fill=INK)
    _write(pen, 415, 740, "Skola", 32, is_bold=True)
    _write(pen, 40, 740, "10:00", 30)
    _write(pen, 40, 780, "11:00", 30)

    reading = _read(screen)

    assert [entry.title for entry in reading.entries][-1] == "Ylva Alm • Skola"


def test_text_below_a_header_does_not_tip_the_background_beside_it() -> None:
    grey = np.full((400, 400), 250, dtype=np.uint8)
    grey[:100] = 40
    grey[110:140, 20:380:3] = 0
    grey[110:140, 21:380:3] = 0

    assert flatten(grey)[104:108].max() > 100
    assert flatten(grey, 100)[104:108].max() == 0


def test_the_smeared_edge_of_a_header_belongs_to_it() -> None:
    colours = np.full((1400, 600, 3), 253, dtype=np.uint8)
    colours[:129] = 73
    for row, brightness in enumerate((62, 66, 80, 71, 150, 247), start=129):
        colours[row] = brightness

    assert header_bottom(colours) == 134.0


def test_cards_a_little_brighter_than_a_dark_sheet_are_no_pictures() -> None:
    noise = np.random.default_rng(7).integers(-3, 4, (1400, 600), dtype=np.int16)
    page = np.zeros((1400, 600), dtype=np.int16)
    page[300:700, 20:580] = 26
    page[320:344, 60:300:12] = 230  # strokes of a title
    grey = np.clip(page + noise, 0, 255).astype(np.uint8)
    ink = find_ink(grey)

    colours = np.stack([grey] * 3, axis=-1)
    assert len(without_pictures(colours, grey, ink).pieces) == len(ink.pieces)
