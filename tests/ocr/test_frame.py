"""A screen within a screen is read as if it were the whole picture; no other look is cut."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.ocr.screens import dejavu

from backfill.ocr.ink.frame import Frame, find_frame

WIDTH, HEIGHT = 800, 1600
SHOWN = Frame(56, 130, 744, 1500)


def _write(pen: ImageDraw.ImageDraw, text: str, x: int, y: int, fill: str) -> None:
    pen.text((x, y), text, fill, ImageFont.truetype(dejavu(), 26))


def _found(image: Image.Image, quality: int) -> Frame | None:
    if quality:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        image = Image.open(buffer)
    return find_frame(np.asarray(image.convert("RGB"), dtype=np.uint8))


def _cards(pen: ImageDraw.ImageDraw, left: int, top: int, right: int, card: str, ink: str) -> None:
    for at in range(4):
        y = top + 190 * at
        pen.rounded_rectangle((left, y, right, y + 160), 14, fill=card)
        _write(pen, f"0{7 + at}:00 – 0{7 + at}:45", left + 24, y + 20, ink)
        _write(pen, "Vega Dunge • Hemstädning", left + 24, y + 70, ink)


def _framed(ground: str, page: str, head: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A viewer's clock and line, and below them a screen with a header and cards."""
    image = Image.new("RGB", (WIDTH, HEIGHT), ground)
    pen = ImageDraw.Draw(image)
    _write(pen, "21:47", 28, 30, "#b0b4ba")
    pen.rectangle((28, 80, 60, 83), fill="#b0b4ba")
    pen.rectangle((SHOWN.left, SHOWN.top, SHOWN.right - 1, SHOWN.bottom - 1), fill=page)
    pen.rectangle((SHOWN.left, SHOWN.top, SHOWN.right - 1, SHOWN.top + 90), fill=head)
    _cards(pen, SHOWN.left + 30, SHOWN.top + 200, SHOWN.right - 30, "#7a8794", "#101418")
    return image, pen


@pytest.mark.parametrize("ground", ["#000000", "#1c1c1e", "#ffffff"])
@pytest.mark.parametrize(
    ("page", "head"), [("#eef1f5", "#22304a"), ("#2b3440", "#2b3440"), ("#dff3e4", "#1b8a5a")]
)
@pytest.mark.parametrize("quality", [0, 60, 85])
def test_a_screen_that_a_viewer_shows_is_found(
    ground: str, page: str, head: str, quality: int
) -> None:
    found = _found(_framed(ground, page, head)[0], quality)

    assert found is not None
    assert max(abs(a - b) for a, b in zip(found, SHOWN, strict=True)) <= 4


@pytest.mark.parametrize("quality", [0, 75])
@pytest.mark.parametrize("place", [(300, 1540), (10, 700), (300, 140)])
def test_what_is_written_beside_a_screen_is_not_cut_off(
    quality: int, place: tuple[int, int]
) -> None:
    """Below, beside, or where a heading has its place; a viewer's clock stands above that."""
    image, pen = _framed("#000000", "#eef1f5", "#22304a")
    if place[1] == 140:
        pen.rectangle((SHOWN.left, SHOWN.top, SHOWN.right, SHOWN.top + 90), fill="#000000")
    _write(pen, "Fredag 22 augusti" if place[0] == 300 else "22", *place, "#ffffff")

    assert _found(image, quality) is None


@pytest.mark.parametrize("quality", [0, 75])
@pytest.mark.parametrize(("page", "card"), [("#101216", "#2b3440"), ("#eef0f3", "#ffffff")])
@pytest.mark.parametrize("inset", [0, 24])
def test_a_list_of_cards_on_an_even_page_is_no_frame(
    quality: int, page: str, card: str, inset: int
) -> None:
    image = Image.new("RGB", (WIDTH, HEIGHT), page)
    pen = ImageDraw.Draw(image)
    _write(pen, "07:41", 28, 30, "#888888")
    _write(pen, "Fredag 22 augusti", 40, 150, "#888888")
    _cards(pen, inset, 300, WIDTH - inset, card, "#888888")

    assert _found(image, quality) is None
