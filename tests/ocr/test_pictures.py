"""Portraits, emoji and chips: told by shape and place; letters are never lost to one of them."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from tests.drawn.style import STYLES, Style
from tests.ocr.screens import dejavu

from backfill.ocr.ink.bands import find_bands, holds_letters
from backfill.ocr.ink.pictures import without_pictures
from backfill.ocr.ink.preprocess import Ink, find_ink
from backfill.ocr.screen.marks import holds_faint_text

WIDTH, HEIGHT, TEXT_PX = 800, 700, 26
LIGHT, DARK = ("#ffffff", "#1b2430"), ("#15181d", "#eef0f2")
themes = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])


def _screen(
    theme: tuple[str, str], size_px: int = TEXT_PX
) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A list of five lines of text, as wide as cards are."""
    image = Image.new("RGB", (WIDTH, HEIGHT), theme[0])
    pen = ImageDraw.Draw(image)
    for at in range(5):
        y = 40 + at * 60
        _write(pen, "07:00", 30, y, theme[1], size_px)
        _write(pen, "Ida Alm • Hemstädning", 190, y, theme[1], size_px)
    return image, pen


def _write(
    pen: ImageDraw.ImageDraw, text: str, x: float, y: float, fill: str, size_px: int = TEXT_PX,
    anchor: str = "la",
) -> None:  # fmt: skip
    pen.text((x, y), text, fill, ImageFont.truetype(dejavu(), size_px), anchor=anchor)


def _ink(image: Image.Image) -> Ink:
    colours = np.asarray(image, dtype=np.uint8)
    grey = np.asarray(image.convert("L"), dtype=np.uint8)
    return without_pictures(colours, grey, find_ink(grey))


def _inside(ink: Ink, box: tuple[float, float, float, float]) -> int:
    left, top, right, bottom = box
    return sum(
        left <= p.left and p.right <= right and top <= p.middle <= bottom for p in ink.pieces
    )


Portrait = Callable[[ImageDraw.ImageDraw, float, float], None]


def _initials(fill: str, ink: str) -> Portrait:
    def draw(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
        pen.ellipse((x, y, x + 52, y + 52), fill=fill)
        _write(pen, "ÖL", x + 26, y + 26, ink, 20, "mm")

    return draw


def _line_art(fill: str, ink: str) -> Portrait:
    def draw(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
        pen.ellipse((x, y, x + 52, y + 52), fill=fill)
        pen.ellipse((x + 18, y + 10, x + 34, y + 26), outline=ink, width=3)
        pen.arc((x + 10, y + 30, x + 42, y + 60), 180, 360, ink, 3)

    return draw


def _photo(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
    pen.ellipse((x, y, x + 52, y + 52), fill="#4f8f6b")
    pen.ellipse((x + 15, y + 8, x + 37, y + 32), fill="#d9a27a")
    pen.chord((x + 6, y + 30, x + 46, y + 74), 180, 360, "#38507c")


PORTRAITS = {
    "initials on dark": _initials("#8a3b46", "#ffffff"),
    "initials on pale": _initials("#cfe6d5", "#22443a"),
    "line on pale blue": _line_art("#bfe2f5", "#1c5d86"),
    "photo": _photo,
}


@themes
@pytest.mark.parametrize("portrait", PORTRAITS.values(), ids=PORTRAITS)
@pytest.mark.parametrize("apart", [4, 9])
def test_nothing_on_a_portrait_is_text(
    theme: tuple[str, str], portrait: Portrait, apart: int
) -> None:
    image, pen = _screen(theme)
    for at in range(3):
        portrait(pen, 420 + at * (52 + apart), 360)

    ink = _ink(image)

    assert _inside(ink, (410, 350, 640, 425)) == 0
    assert _inside(ink, (0, 30, WIDTH, 330)) > 80


CHIPS = {
    "pale blue": ("#e3f0fb", "#1a67a3"),
    "pale green": ("#dff3e4", "#1e6b37"),
    "blue": ("#2f80ed", "#ffffff"),
    "night blue": ("#27435f", "#bfe0ff"),
    "grey": ("#d8dbe0", "#30363d"),
}


@pytest.mark.parametrize("chip", [CHIPS["blue"], CHIPS["night blue"]], ids=["blue", "night blue"])
def test_a_chip_in_the_colour_of_the_header_is_no_card(chip: tuple[str, str]) -> None:
    image, pen = _screen(DARK)
    pen.rectangle((0, 0, WIDTH, 200), fill=chip[0])
    for top in (340, 470, 600):
        pen.rounded_rectangle((30, top, 330, top + 46), 23, fill=chip[0])
        _write(pen, "09:15 — 10:30", 60, top + 9, "#000000", 26)

    ink = _ink(image)

    for top in (340, 470, 600):
        inside = [p for p in ink.pieces if 30 < p.left < 320 and top < p.middle < top + 46]
        assert len([p for p in inside if p.height > 14]) == 8


@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
@pytest.mark.parametrize("size_px", [19, 24])
@pytest.mark.parametrize("text", ["Storstädning", "Fönsterputs", "Kontor"])
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_letter_on_a_chip_is_kept(
    theme: tuple[str, str], chip: tuple[str, str], size_px: int, text: str
) -> None:
    image, pen = _screen(theme)
    wide = ImageFont.truetype(dejavu(), size_px).getlength(text)
    box = (520.0, 360.0, 520 + wide + 28, 360 + size_px * 1.9)
    pen.rounded_rectangle(box, 12, fill=chip[0])
    _write(pen, text, box[0] + 14, box[1] + size_px * 0.35, chip[1], size_px)

    ink = _ink(image)

    on_chip = [p for p in ink.pieces if box[0] <= p.left < box[2] and box[1] <= p.middle <= box[3]]
    letters = [p for p in on_chip if p.height > 0.45 * size_px and p.width < 0.5 * wide]
    assert min(p.left for p in letters) - box[0] - 14 < size_px * 0.2
    assert box[2] - 14 - max(p.right for p in letters) < size_px * 0.2
    assert len(letters) >= len(text) - 3  # letters of a small font may touch


@themes
@pytest.mark.parametrize("fills", [("#1565c0", "#ad1457"), ("#2e7d32", "#5e35b1")])
@pytest.mark.parametrize("tall", [44, 90, 240])
@pytest.mark.parametrize("radius", [0, 7])
@pytest.mark.parametrize("text", ["10:55 - 12:10", "11.15–12.00", "Hilma Dal", "Lunch"])
def test_no_letter_at_the_edge_of_a_block_of_a_calendar_is_lost(
    theme: tuple[str, str], fills: tuple[str, str], tall: int, radius: int, text: str
) -> None:
    image, pen = _screen(theme)
    font = ImageFont.truetype(dejavu(), 22)
    boxes = [(90, y, 760, y + tall) for y in (350, 352 + tall)]
    for box, fill in zip(boxes, fills, strict=True):
        pen.rounded_rectangle(box, radius, fill=fill)
        pen.text((box[0] + 10, box[1] + 10), text, "white", font)

    ink = _ink(image)

    for box in boxes:
        left, _top, right, bottom = pen.textbbox((box[0] + 10, box[1] + 10), text, font=font)
        own = [p for p in ink.pieces if box[1] < p.middle <= bottom and p.height >= 9]
        assert abs(min(p.left for p in own) - left) <= 2
        assert abs(max(p.right for p in own) - right) <= 2


@themes
@pytest.mark.parametrize("opacity", [0.18, 0.25, 0.32])
@pytest.mark.parametrize("text", ["Siv Dal • Kontor", "Lerum, Ringgatan 4"])
@pytest.mark.parametrize("size_px", [22, 30])
def test_a_card_that_is_greyed_out_is_seen(
    theme: tuple[str, str], opacity: float, text: str, size_px: int
) -> None:
    image, pen = _screen(theme, size_px)
    page, dark = (np.array(Image.new("RGB", (1, 1), c).getpixel((0, 0))) for c in theme)
    faint = tuple(np.round(page + opacity * (dark - page)).astype(int).tolist())
    pen.text((190, 380), text, faint, ImageFont.truetype(dejavu(), size_px))

    ink = _ink(image)

    assert holds_faint_text(ink, find_bands(ink), 0, HEIGHT)


@themes
@pytest.mark.parametrize("portrait", PORTRAITS.values(), ids=PORTRAITS)
def test_portraits_and_grey_addresses_are_no_faint_text(
    theme: tuple[str, str], portrait: Portrait
) -> None:
    image, pen = _screen(theme)
    _write(pen, "Lerum, Ringgatan 4", 190, 320, "#7b828c")
    for at in range(3):
        portrait(pen, 420 + at * 58, 380)

    ink = _ink(image)

    assert not holds_faint_text(ink, find_bands(ink), 0, HEIGHT)


def _button(
    pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], fill: str, *, shape: str
) -> None:
    if shape == "round":
        pen.ellipse(box, fill=fill)
    else:
        pen.rounded_rectangle(box, 34, fill=fill)


@themes
@pytest.mark.parametrize("shape", ["round", "square"])
@pytest.mark.parametrize(("side", "fill"), [(124, "#8a1c1c"), (140, "#0b57d0"), (150, "#5f6b1f")])
def test_a_floating_button_is_no_text(
    theme: tuple[str, str], shape: str, side: int, fill: str
) -> None:
    image, pen = _screen(theme)
    box = (620, 500, 620 + side, 500 + side)
    _button(pen, box, fill, shape=shape)
    x, y = 620 + side // 2, 500 + side // 2
    pen.line((x - 18, y, x + 18, y), "#ffffff", 5)
    pen.line((x, y - 18, x, y + 18), "#ffffff", 5)

    assert not _inside(_ink(image), box)


@themes
def test_a_small_square_card_keeps_its_words(theme: tuple[str, str]) -> None:
    image, pen = _screen(theme)
    box = (600, 480, 750, 630)
    _button(pen, box, "#0b57d0", shape="square")
    for line, text in enumerate(("12:00", "Lunch", "30 min")):
        _write(pen, text, 630, 500 + 40 * line, "#ffffff")

    assert _inside(_ink(image), box) >= 10


TINTED = ("#dbe7fb", "#101418")


def _map(seed: int, size: tuple[int, int]) -> Image.Image:
    """Ways of two kinds from rim to rim, and a pin in the middle."""
    rng, (wide, tall) = random.Random(seed), size
    image = Image.new("RGB", size, "#cde3c8")
    pen = ImageDraw.Draw(image)
    for _ in range(2):
        pen.line((rng.randint(0, wide), 0, rng.randint(0, wide), tall), "#ffffff", 11)
        pen.line((0, rng.randint(0, tall), wide, rng.randint(0, tall)), "#ffd75e", 8)
    x, y, r = wide // 2, tall // 2, tall // 9
    pen.ellipse((x - r, y - r, x + r, y + r), fill="#dd3322")
    return image


@pytest.mark.parametrize("theme", [LIGHT, DARK, TINTED], ids=["light", "dark", "tinted"])
@pytest.mark.parametrize("seed", range(6))
def test_a_map_is_no_text_and_the_times_beside_it_are(theme: tuple[str, str], seed: int) -> None:
    image, pen = _screen(theme)
    image.paste(_map(seed, (128, 104)), (620, 380))
    for line, time in enumerate(("07:00", "08:15")):
        _write(pen, time, 510, 390 + 40 * line, theme[1])

    ink = _ink(image)

    assert not _inside(ink, (616, 376, 752, 488))
    assert _inside(ink, (500, 380, 612, 470)) == 12


@pytest.mark.parametrize("ground", ["#5c1212", "#8a1c1c", "#0b57d0"])
@pytest.mark.parametrize("style", STYLES, ids=[style.name for style in STYLES])
def test_a_colourful_ground_between_letters_is_no_emoji(ground: str, style: Style) -> None:
    image = Image.new("RGB", (800, 1400), ground)
    pen = ImageDraw.Draw(image)
    for at in range(18):
        for x, text in ((60, "Hedvig Illman"), (420, "Gugge ljung Ida")):
            pen.text((x, 50 + at * 70), text, "#ffffff", style.font(22 + at))
    for quality in (40, 70):
        jpeg = io.BytesIO()
        image.resize((533, 933), Image.Resampling.LANCZOS).save(jpeg, "JPEG", quality=quality)
        assert not _ink(Image.open(jpeg).convert("RGB")).pictures


@pytest.mark.parametrize("grounds", [("#e9eef5", "#ffffff"), ("#000000", "#1d1d1f")])
@pytest.mark.parametrize("style", STYLES, ids=[style.name for style in STYLES])
def test_short_lines_under_one_another_are_no_map(grounds: tuple[str, str], style: Style) -> None:
    image, y = Image.new("RGB", (1080, 1400), grounds[0]), 40
    pen = ImageDraw.Draw(image)
    for size in range(30, 44, 2):
        pen.rectangle((0, y, 1060, y + size * 3.45 + 40), fill=grounds[1])
        for line, text in enumerate(("10:40 - 12:40", "Hedvig Illman", "Ugnsrengöring")):
            fill = "#101010" if grounds[1] == "#ffffff" else "#ffffff"
            place = (110, y + 20 + line * size * 1.15)
            pen.text(place, text, fill, style.font(size), stroke_width=int(line < 2))
        y += int(size * 3.45) + 44

    assert not _ink(image).pictures


@themes
@pytest.mark.parametrize("radius", [0, 3, 6])
@pytest.mark.parametrize(("size", "line"), [(30, 2), (30, 4), (38, 3)])
def test_boxes_to_be_ticked_are_no_letters(
    theme: tuple[str, str], radius: int, size: int, line: int
) -> None:
    image, pen = _screen(theme)
    for at in range(5):
        box = (135, 36 + at * 60, 135 + size, 36 + at * 60 + size)
        pen.rounded_rectangle(box, radius, outline=theme[1], width=line)

    assert _inside(_ink(image), (130, 0, 180, 400)) == 0


@themes
@pytest.mark.parametrize("text", ["OLOV BODÉN", "D 00 08 QO", "Olof Öberg 10"])
@pytest.mark.parametrize("size_px", [26, 34, 44])
def test_round_letters_and_digits_are_no_boxes(
    theme: tuple[str, str], text: str, size_px: int
) -> None:
    image, pen = _screen(theme)
    _write(pen, text, 190, 420, theme[1], size_px)

    found = _inside(_ink(image), (180, 400, 790, 500))
    plain, brush = _screen(theme)
    _write(brush, text, 190, 420, theme[1], size_px)
    grey = np.asarray(plain.convert("L"), dtype=np.uint8)
    assert found == _inside(find_ink(grey), (180, 400, 790, 500))


@themes
@pytest.mark.parametrize("size", [17, 20, 26])
@pytest.mark.parametrize("blur", [0.0, 0.8])
def test_a_disc_as_large_as_a_letter_is_a_bullet_between_words_and_else_no_text(
    theme: tuple[str, str], size: int, blur: float
) -> None:
    image, pen = _screen(theme)
    _write(pen, "Ida Alm", 190, 420, theme[1])
    top = 436 - size // 2
    pen.ellipse((300, top, 300 + size, top + size), fill=theme[1])
    _write(pen, "Skola", 314 + size, 420, theme[1])
    pen.ellipse((640, 540, 640 + size, 540 + size), fill="#d93025")
    image = image.filter(ImageFilter.GaussianBlur(blur))

    ink = _ink(image)
    bands = [band for band in find_bands(ink) if holds_letters(band, ink)]

    assert [len(band.bullets) for band in bands if 400 < band.top < 460] == [1]
    assert not [band for band in bands if band.top > 500]


@themes
@pytest.mark.parametrize("blur", [0.6, 0.9, 1.2])
def test_letters_that_a_blur_fills_are_no_discs(theme: tuple[str, str], blur: float) -> None:
    image = Image.new("RGB", (WIDTH, HEIGHT), theme[0])
    pen = ImageDraw.Draw(image)
    for at in range(8):
        _write(pen, "oooo eaoc Osloborna 0800 coo", 40, 40 + 40 * at, theme[1], 13)
        _write(pen, "o", 600, 40 + 40 * at, theme[1], 13)
    bands = find_bands(_ink(image.filter(ImageFilter.GaussianBlur(blur))))

    assert not any(band.bullets for band in bands)
    assert sum(band.left > 590 for band in bands) == 8
