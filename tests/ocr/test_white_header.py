"""Real screens whose header is as white as the page: date and cards are read, the week is not."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont
from tests.ocr.screens import dejavu

from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.screen.reading import ImageReading

from .screens import read_image

WIDTH, HEIGHT, HEADER = 820, 1800, 250
GREY = (243, 244, 246)
CARDS = (
    ("07:30", "08:50", "Gudrun Granvik", "Ringgatan 47, Lerum", "1h 20m"),
    ("09:00", "09:45", "Solveig Norrhed", "Parkgatan 62, Askim", "45m"),
)


def _read(image: Image.Image) -> ImageReading:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return read_image(buffer.getvalue(), EngineChoice("tesseract")())


def _screen(scrolled_px: int = 0, *, is_white: bool = False) -> Image.Image:
    """Draw a day scrolled by so many pixels; its cards are grey, or white with rules between."""
    screen = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(screen)
    _write(pen, 40, 270 - scrolled_px, "Friday 22 August", 46, is_bold=True)
    _write(pen, 40, 335 - scrolled_px, "Week 34", 28)
    for place, (start, end, title, address, length) in enumerate(CARDS):
        top = 400 + 180 * place - scrolled_px
        if is_white:
            pen.rectangle((0, top + 164, WIDTH, top + 173), fill=GREY)
        else:
            pen.rounded_rectangle((20, top, WIDTH - 20, top + 160), 16, fill=GREY)
        pen.rectangle((160, top + 20, 167, top + 140), fill=(30, 136, 229))
        _write(pen, 40, top + 26, start, 30)
        _write(pen, 40, top + 66, end, 30)
        _write(pen, 195, top + 26, title, 32, is_bold=True)
        _write(pen, 195, top + 84, address, 28)
        _write(pen, 640, top + 28, length, 28)
    _draw_header(pen, has_rule=is_white)
    return screen


def _draw_header(pen: ImageDraw.ImageDraw, *, has_rule: bool) -> None:
    pen.rectangle((0, 0, WIDTH, HEADER), fill="white")
    _write(pen, 60, 30, "10:41", 30, is_bold=True)
    _write(pen, 720, 30, "5G", 30, is_bold=True)
    for place, day in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")):
        _write(pen, 90 + 100 * place, 100, day, 26)
        _write(pen, 90 + 100 * place, 150, str(18 + place), 26)
    if has_rule:
        pen.rectangle((0, HEADER - 2, WIDTH, HEADER), fill=(225, 228, 232))


def _write(
    pen: ImageDraw.ImageDraw, x: float, y: float, text: str, px: int, *, is_bold: bool = False
) -> None:
    pen.text((x, y), text, (30, 34, 40), ImageFont.truetype(dejavu(is_bold=is_bold), px))


def _cards(reading: ImageReading) -> list[tuple[str, str, str]]:
    return [(entry.start, entry.end, entry.title) for entry in reading.entries]


WHOLE = [(start, end, title) for start, end, title, _address, _length in CARDS]


def test_the_date_between_a_white_header_and_the_first_grey_card_is_read() -> None:
    reading = _read(_screen())

    assert reading.date is not None
    assert (reading.date.day, reading.date.month, reading.date.iso_week) == (22, 8, 34)
    assert _cards(reading) == WHOLE
    assert reading.flags == ()


def test_no_line_of_a_white_header_becomes_part_of_a_scrolled_card() -> None:
    reading = _read(_screen(140, is_white=True))

    assert reading.date is None
    assert _cards(reading) == WHOLE
    assert reading.flags == ()


def test_a_date_that_a_white_header_cuts_is_no_title() -> None:
    reading = _read(_screen(45, is_white=True))

    assert reading.date is None
    assert _cards(reading) == WHOLE
