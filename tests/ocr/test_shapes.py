"""Bars, portraits, a tablet's columns: shapes beside small text that are no letters."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.ocr.screens import dejavu

from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.ink.bands import find_bands
from backfill.ocr.ink.preprocess import find_ink
from backfill.ocr.reader.images import load_pixels
from backfill.ocr.screen.checks import FAINT_TEXT, PALER
from backfill.ocr.screen.reading import ImageReading
from backfill.ocr.screen.sheet import find_sheet, without_bars

from .screens import read_image

BAR = (67, 176, 112)
GREY = (118, 124, 132)
RULE = (214, 218, 224)


def _font(size_px: int, *, is_bold: bool = False) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(dejavu(is_bold=is_bold), size_px)


def _card(pen: ImageDraw.ImageDraw, left: int, top: int, start: str, end: str, title: str) -> None:
    """Draw a low card of a tablet: text of 18 px, its bar hardly taller than two lines."""
    pen.text((left, top), start, (52, 58, 64), _font(18))
    pen.text((left, top + 22), end, (52, 58, 64), _font(18))
    pen.rectangle((left + 62, top, left + 68, top + 44), fill=BAR)
    pen.text((left + 80, top), title, (33, 37, 41), _font(19, is_bold=True))
    for rule in (top + 62, top + 68):
        pen.line((left - 20, rule, left + 480, rule), fill=RULE, width=2)


def _tablet() -> Image.Image:
    screen = Image.new("RGB", (1100, 1400), "white")
    pen = ImageDraw.Draw(screen)
    pen.text((20, 40), "Friday 22 August", (33, 37, 41), _font(32, is_bold=True))
    pen.text((22, 84), "Week 34", GREY, _font(18))
    _card(pen, 24, 140, "07:00", "07:45", "Restid")
    _card(pen, 24, 226, "07:45", "09:00", "Lunch")
    _card(pen, 590, 140, "09:00", "10:15", "Personalmöte")
    pen.text((670, 170), "Onsala, Ekåsgatan 5", GREY, _font(17))
    return screen


def _read(screen: Image.Image) -> ImageReading:
    buffer = io.BytesIO()
    screen.save(buffer, "PNG")
    return read_image(buffer.getvalue(), EngineChoice()())


@pytest.mark.ocr
def test_low_cards_in_two_columns_are_read_column_by_column() -> None:
    reading = _read(_tablet())

    assert [(entry.start, entry.end, entry.title) for entry in reading.entries] == [
        ("07:00", "07:45", "Restid"),
        ("07:45", "09:00", "Lunch"),
        ("09:00", "10:15", "Personalmöte"),
    ]
    assert reading.flags == ()


def test_rules_of_one_column_and_bars_of_low_cards_are_found() -> None:
    buffer = io.BytesIO()
    _tablet().save(buffer, "PNG")
    pixels = load_pixels(buffer.getvalue())
    grey = pixels[:, :, 1].copy()
    ink = find_ink(grey)

    sheet = find_sheet(pixels, grey, ink, 0.0)

    assert [(bar.left, bar.top) for bar in sheet.bars] == [(86, 140), (652, 140), (86, 226)]
    assert [(rule.left > 500, round(rule.y)) for rule in sheet.dividers] == [
        (False, 206), (False, 292), (True, 206),
    ]  # fmt: skip
    assert len(without_bars(ink, sheet).pieces) == len(ink.pieces) - len(sheet.bars)


@pytest.mark.parametrize(("y", "is_kept"), [(160, False), (206, True)], ids=["amid", "between"])
def test_a_line_that_one_cards_bar_crosses_is_no_rule(y: int, is_kept: bool) -> None:
    screen = Image.new("RGB", (600, 1200), "white")
    pen = ImageDraw.Draw(screen)
    pen.line((0, y, 600, y), fill=(240, 240, 240), width=1)
    for top in (140, 226):
        _card(pen, 24, top, "07:00", "07:45", "Restid")
    pixels = np.asarray(screen, dtype=np.uint8)
    grey = np.asarray(screen.convert("L"), dtype=np.uint8)

    sheet = find_sheet(pixels, grey, find_ink(grey), 0.0)

    assert any(abs(rule.y - y) < 4 for rule in sheet.dividers) is is_kept
    assert len(sheet.dividers) == 2


@pytest.mark.ocr
def test_a_portrait_with_initials_beside_an_address_is_no_text() -> None:
    screen = _tablet()
    pen = ImageDraw.Draw(screen)
    pen.ellipse((846, 166, 886, 206), fill=(160, 60, 70))
    pen.text((866, 186), "HB", "white", _font(13), anchor="mm")

    reading = _read(screen)

    assert reading.entries[2].address == "Onsala, Ekåsgatan 5"


@pytest.mark.ocr
@pytest.mark.parametrize(("state", "fill"), [("on time", "#a9dcb8"), ("i tid", "#b9d7f2")])
def test_a_pale_state_that_was_read_is_no_faint_text(state: str, fill: str) -> None:
    screen = _tablet()
    ImageDraw.Draw(screen).text((24, 186), state, fill, _font(15))

    assert FAINT_TEXT not in _read(screen).flags


@pytest.mark.ocr
def test_a_pale_line_that_says_something_is_faint_text() -> None:
    screen = _tablet()
    ImageDraw.Draw(screen).text((104, 256), "Lerum, Ringgatan 4", "#c9d3dc", _font(18))

    assert FAINT_TEXT in _read(screen).flags


def _pale_times(fill: str, title_fill: str) -> Image.Image:
    """Draw an app's list whose times are paler than its titles."""
    screen = Image.new("RGB", (600, 900), "white")
    pen = ImageDraw.Draw(screen)
    pen.text((20, 40), "Friday 22 August", (33, 37, 41), _font(30, is_bold=True))
    for at, (times, title) in enumerate((("07:00 – 07:45", "Restid"), ("07:45 – 09:00", "Lunch"))):
        pen.text((24, 140 + 90 * at), title, title_fill if at else (33, 37, 41), _font(22))
        pen.text((24, 172 + 90 * at), times, fill if at else GREY, _font(20))
        pen.line((0, 212 + 90 * at, 600, 212 + 90 * at), fill=RULE, width=2)
    return screen


@pytest.mark.ocr
@pytest.mark.parametrize("fill", ["#b8bec6", "#bcc4cc"])
@pytest.mark.parametrize(
    ("title_fill", "is_held"), [("#212529", False), ("#949aa2", True), ("#bcc4cc", True)]
)
def test_pale_times_are_told_of_only_where_the_whole_card_is_pale(
    fill: str, title_fill: str, is_held: bool
) -> None:
    reading = _read(_pale_times(fill, title_fill))

    assert [(e.start, e.end) for e in reading.entries] == [("07:00", "07:45"), ("07:45", "09:00")]
    assert [PALER in entry.flags for entry in reading.entries] == [False, is_held]
    assert FAINT_TEXT not in reading.flags


@pytest.mark.parametrize("size_px", [18, 27, 40])
@pytest.mark.parametrize("text", ["Ängsgatan 4", "Q Berg", "(Café 5)", "Jy 5 min", "Ö Bron"])
def test_a_pin_before_a_text_is_taller_than_its_line_and_no_letter(text: str, size_px: int) -> None:
    screen = Image.new("RGB", (900, 240), "white")
    pen = ImageDraw.Draw(screen)
    pen.text((100, 40), text, GREY, _font(size_px))
    bare = _runs(screen)
    left, top, right, bottom = pen.textbbox((100, 40), "H", font=_font(size_px))
    tall = bottom - top
    pin = (left - 1.6 * tall, top - 0.25 * tall, left - 0.6 * tall, top + 0.75 * tall)
    pen.ellipse(pin, outline=GREY, width=max(2, round(tall / 8)))
    foot = ((pin[0] + pin[2]) / 2, bottom + 0.2 * tall)
    pen.polygon([(pin[0] + 0.2 * tall, pin[3]), (pin[2] - 0.2 * tall, pin[3]), foot], fill=GREY)

    assert min(run[0] for run in bare) <= right
    assert _runs(screen) == bare


def _runs(screen: Image.Image) -> list[tuple[int, int, int, int]]:
    grey = np.asarray(screen.convert("L"))
    return [(b.left, b.top, b.right, b.bottom) for b in find_bands(find_ink(grey, 0))]
