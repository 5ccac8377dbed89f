"""A letter of another language is not believed to be the one of Swedish that looks like it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.drawn.style import STYLES, Style

from backfill.ocr.ink.bands import find_bands, with_labels
from backfill.ocr.ink.preprocess import find_ink
from backfill.ocr.reader.ink_doubts import doubt_by_ink
from backfill.ocr.words import Word

FONTS = pytest.mark.parametrize("style", STYLES, ids=[style.name for style in STYLES])
SIZES = pytest.mark.parametrize("size", (28, 44))


def _doubted(
    drawn: str,
    said: str,
    style: Style,
    size: int,
    shade: int | None = None,
    *,
    is_tight: bool = False,
    tight_from: int = 0,
    is_joined: bool = False,
    second_dot: int | None = None,
) -> list[str]:
    """Return the words that the ink of a drawn line contradicts, where it is read as another.

    `shade`: how pale what stands above the capitals of grey print is, or above the small letters
    where there are none. `is_tight`: the letters of the first word touch at their feet,
    from the one at `tight_from` on; `is_joined`: their marks touch them. `second_dot`: so many rows
    of its second letter's right dot are left.
    """
    page = Image.new("L", (40 + 16 * size, 3 * size), 255)
    font = style.font(size)
    ImageDraw.Draw(page).text((30, size), drawn, font=font, fill=60 if shade is None else 155)
    if shade is not None:
        bare = ImageDraw.Draw(pale := Image.new("L", page.size, 255))
        bare.text((30, size), drawn, font=font, fill=shade)
        top = font.getbbox("O" if any(map(str.isupper, drawn)) else "o", anchor="ls")[1]
        base = round(
            size + font.getbbox(drawn, anchor="la")[1] - font.getbbox(drawn, anchor="ls")[1]
        )
        page.paste(pale.crop((0, 0, page.width, base + top - 1)), (0, 0))
    pixels = np.array(page, dtype=np.uint8)
    if is_tight:
        foot = size + font.getmetrics()[0]
        end = 28 + round(font.getlength(drawn.split(maxsplit=1)[0]))
        first = 32 + round(font.getlength(drawn[:tight_from]))
        pixels[foot - 2 : foot, first:end] = 60
    if is_joined:
        pixels = np.asarray(cv2.erode(pixels, np.ones((7, 1), dtype=np.uint8)), dtype=np.uint8)
    if second_dot is not None:
        middle = 30 + round(font.getlength(drawn[0]) + font.getlength(drawn[1]) / 2)
        waist = size + font.getbbox("o", anchor="la")[1] - 1
        dot = pixels[:waist, middle : middle + round(font.getlength(drawn[1]) / 2)]
        dot[: len(dot) - second_dot - 4] = 255
        dot[len(dot) - 4 :] = 255
    ink = find_ink(pixels)
    (band,) = with_labels(find_bands(ink), ink)
    left, words = 30.0, list[Word]()
    for of_ink, text in zip(drawn.split(), said.split(), strict=True):
        wide = font.getlength(of_ink)
        words.append(Word(text, left - 1, band.top, wide + 2, band.bottom - band.top, 97.0))
        left += font.getlength(of_ink + " ")
    return [w.text for w in doubt_by_ink(tuple(words), band, ink) if w.is_contradicted]


@SIZES
@FONTS
@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        ("Måns Ek", "Mäns Ek"),
        ("Mäns Ek", "Måns Ek"),
        ("Bó Wik", "Bö Wik"),
        ("Pál Wik", "Pål Wik"),
        ("Ríta Wik", "Rita Wik"),
        ("Renèe Wik", "Renée Wik"),
        ("Ženja Wik", "Zenja Wik"),
        ("Manuš Wik", "Manus Wik"),
        ("Aça Wik", "Aca Wik"),
        ("Non Sten", "Nön Sten"),
        ("Nöme Wik", "Nome Wik"),
        ("Müns Ek", "Mäns Ek"),
        ("Müns Ek", "Möns Ek"),
        ("Huns Ek", "Hans Ek"),
        ("Hüns Ek", "Håns Ek"),
        ("Bäms Ek", "Büms Ek"),
        ("Asim Ek", "Aşim Ek"),
        ("Ünal Ek", "Önal Ek"),
    ],
)
def test_a_mark_of_another_shape_is_doubted_in_every_font(
    style: Style, size: int, drawn: str, said: str
) -> None:
    assert _doubted(drawn, said, style, size) == said.split()[:1]


@SIZES
@FONTS
@pytest.mark.parametrize(
    "text",
    [
        "Åke Öman", "Märta Åberg", "Östra Ängsvägen", "Renée Lindén", "Jörgen Ljung", "Tjörn Älv",
        "Billdal Övre", "Götgränd Åsa", "Siv Ek", "Gävle Norr", "Jürg Ünal", "Aşk Çam",
    ],
)  # fmt: skip
def test_words_of_the_language_are_believed(style: Style, size: int, text: str) -> None:
    assert _doubted(text, text, style, size) == []


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        ("Søren Wik", "Sören Wik"),
        ("Sørin Wik", "Sörin Wik"),
        ("Øwe Wik", "Öwe Wik"),
        ("Mõnis Wik", "Mönis Wik"),
        ("Joã Wik", "Joä Wik"),
        ("Szőke Wik", "Szöke Wik"),
        ("Ægon Wik", "Egon Wik"),
        ("Ļuba Wik", "Luba Wik"),
    ],
)
@pytest.mark.parametrize("style", [STYLES[1]])
def test_strokes_waves_and_hooks_are_no_dots(style: Style, drawn: str, said: str) -> None:
    assert _doubted(drawn, said, style, 44) == said.split()[:1]


@FONTS
@SIZES
@pytest.mark.parametrize(
    ("drawn", "said", "doubted"),
    [
        ("Yıldızek Serova", "Yildizek Serova", ["Yildizek"]),
        ("Aydınova Wenn", "Aydinova Wenn", ["Aydinova"]),
        ("Sörin Wenn", "Sörin Wenn", []),
        ("Yildizek Serova", "Yildizek Serova", []),
        ("Fridolin Wenn", "Fridolin Wenn", []),
        ("Kilian Fixova", "Kilian Fixova", []),
    ],
)
def test_a_letter_without_the_mark_that_is_told_is_another(
    style: Style, size: int, drawn: str, said: str, doubted: list[str]
) -> None:
    assert _doubted(drawn, said, style, size) == doubted


@FONTS
@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        ("Övrud Wik", "Ovrud Wik"),
        ("Åsrud Wik", "Asrud Wik"),
        ("Ünsrud Wik", "Unsrud Wik"),
        ("mösser var", "mosser var"),
    ],
)
def test_a_mark_too_pale_to_be_read_is_missed(style: Style, drawn: str, said: str) -> None:
    assert _doubted(drawn, said, style, 44, shade=222) == said.split()[:1]


@FONTS
@pytest.mark.parametrize("text", ["Torvald Tanum", "Vera Falk", "Kontor Fabian", "Walborg Yosef"])
@pytest.mark.parametrize("size", [24, 44])
def test_a_letter_that_reaches_over_the_next_is_no_mark(style: Style, size: int, text: str) -> None:
    assert _doubted(text, text, style, size) == []


@FONTS
@pytest.mark.parametrize(
    ("drawn", "said"), [("Rüthild Ek", "Räthild Ek"), ("Rüthild Ek", "Röthild Ek")]
)
def test_what_has_no_arch_below_its_dots_is_a_u_also_where_letters_touch(
    style: Style, drawn: str, said: str
) -> None:
    assert _doubted(drawn, said, style, 40, is_tight=True) == said.split()[:1]
    assert _doubted(drawn, drawn, style, 40, is_tight=True) == []
    right = said.replace("ö", "ä")
    assert _doubted(right, right, style, 40, is_tight=True) == []


@FONTS
@pytest.mark.parametrize(
    ("drawn", "said"), [("Övrud Wik", "Ovrud Wik"), ("Åsrud Wik", "Asrud Wik")]
)
def test_a_first_letter_shows_its_pale_mark_also_where_the_others_touch(
    style: Style, drawn: str, said: str
) -> None:
    doubted = _doubted(drawn, said, style, 44, shade=222, is_tight=True, tight_from=1)

    assert doubted == said.split()[:1]
    assert _doubted(said, said, style, 44, is_tight=True, tight_from=1) == []


@pytest.mark.parametrize("tall", [1, 2])
def test_a_dot_whose_neighbour_is_nearly_lost_is_no_mark_of_another_letter(tall: int) -> None:
    assert _doubted("Jöms Ek", "Jöms Ek", STYLES[0], 44, second_dot=tall) == []
    assert _doubted("Jöms Ek", "Jöms Ek", STYLES[0], 44, second_dot=0) == ["Jöms"]


@FONTS
def test_where_small_print_joins_dots_to_letters_an_i_may_be_an_l(style: Style) -> None:
    assert _doubted("Väinö Ek", "Välnö Ek", style, 30, is_joined=True) == ["Välnö"]
    assert _doubted("Väinö Ek", "Väinö Ek", style, 30) == []


@pytest.mark.parametrize("said", ["²", "½", "①"])
def test_what_is_neither_letter_nor_digit_is_read_on(said: str) -> None:
    _doubted("Ek", said, STYLES[0], 30)
