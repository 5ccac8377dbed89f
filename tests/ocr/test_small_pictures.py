"""A picture that a messenger made small is read, and one with letters too small is asked about."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.ocr.screens import dejavu, read_image

from backfill.ocr.engines.engine import Engine
from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.screen.checks import SMALL_LETTERS
from backfill.ocr.screen.reading import ImageReading

LARGE_PX = 48
NAMES = ("Håkan Hammarmyr", "Vilma Sköldmans", "Emmy Ommermyra")
TIMES = ("07:15 – 08:40", "09:30 – 11:10", "14:05 – 15:50")
STREETS = ("Tallmossevägen 99b, Askim", "Ängsullsgränd 69, Onsala", "Åmynnestigen 8b, Särö")
HOW = [Image.Resampling.LANCZOS, Image.Resampling.BOX, Image.Resampling.BILINEAR]
COLOURS = [("#ffffff", "#222222"), ("#10141a", "#e8eaee")]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return EngineChoice()()


def _screen(letter_px: int, page: str, ink: str, how: Image.Resampling) -> bytes:
    """Return a day of three cards as an app draws it, made as small as the letters are to be."""
    image = Image.new("RGB", (1290, 2000), page)
    pen = ImageDraw.Draw(image)
    font = ImageFont.truetype(dejavu(), LARGE_PX)

    def write(text: str, x: int, y: int) -> None:
        pen.text((x, y), text, ink, font)

    write("Fredag 22 augusti", 60, 120)
    for y, times, name, street in zip((330, 720, 1180), TIMES, NAMES, STREETS, strict=True):
        pen.line((60, y - 60, 1230, y - 60), "#999999", 3)
        write(times, 60, y)
        write(f"{name} • Hemstädning", 60, y + 100)
        write(street, 60, y + 200)
    scale = letter_px / LARGE_PX
    small = image.resize((round(1290 * scale), round(2000 * scale)), how)
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def whole(engine: Engine) -> dict[str, ImageReading]:
    """What the day says at its own size, by the page's colour."""
    how = Image.Resampling.BOX
    return {page: read_image(_screen(LARGE_PX, page, ink, how), engine) for page, ink in COLOURS}


def _texts(reading: ImageReading) -> list[tuple[str, ...]]:
    return [(e.start, e.end, e.title, e.address) for e in reading.entries]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("page", "ink"), COLOURS)
@pytest.mark.parametrize("letter_px", [16, 20])
def test_a_picture_made_small_says_what_it_said_at_its_size(
    engine: Engine,
    whole: dict[str, ImageReading],
    letter_px: int,
    page: str,
    ink: str,
    how: Image.Resampling,
) -> None:
    small = read_image(_screen(letter_px, page, ink, how), engine)

    assert [text[2] for text in _texts(whole[page])] == [f"{name} • Hemstädning" for name in NAMES]
    assert _texts(small) == _texts(whole[page])
    assert SMALL_LETTERS not in small.flags
    assert max(word.right for word in small.words) <= small.width


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("page", "ink"), COLOURS)
@pytest.mark.parametrize("letter_px", [10])
def test_of_letters_too_small_to_tell_apart_a_person_is_asked(
    engine: Engine, letter_px: int, page: str, ink: str, how: Image.Resampling
) -> None:
    reading = read_image(_screen(letter_px, page, ink, how), engine)

    assert SMALL_LETTERS in reading.flags
