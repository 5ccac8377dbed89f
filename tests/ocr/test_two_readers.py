"""What two readers of another make say differently, and what is sure of it all the same."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.drawn.style import STYLES, Style

from backfill.ocr.engines.engine import EngineParams
from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.ink.accents import Marks
from backfill.ocr.ink.bands import Band, find_bands, with_labels
from backfill.ocr.ink.masks import Pixels
from backfill.ocr.ink.preprocess import Ink, find_ink
from backfill.ocr.reader.candidates import Backing, decide, words_of_line
from backfill.ocr.reader.image_reader import read_batch
from backfill.ocr.reader.ink_doubts import doubt_by_ink
from backfill.ocr.reader.looks import ask_second
from backfill.ocr.screen.checks import is_doubtful, may_hold_i
from backfill.ocr.screen.reading import ImageReading
from backfill.ocr.words import Row, Word

SWEDISH = frozenset("åäöéÅÄÖÉ")
FONTS = pytest.mark.parametrize("style", STYLES, ids=[style.name for style in STYLES])


def _drawn(text: str, style: Style, size: int = 40) -> tuple[Ink, Band]:
    page = Image.new("L", (40 + 16 * size, 3 * size), 255)
    ImageDraw.Draw(page).text((30, size), text, font=style.font(size), fill=60)
    ink = find_ink(np.asarray(page, dtype=np.uint8))
    (band,) = with_labels(find_bands(ink), ink)
    return ink, band


def _read(drawn: str, said: str, style: Style, band: Band, confidence: float = 80.0) -> Row:
    """Return what the first reader says of a drawn line, each word over its own ink."""
    font, left, words = style.font(40), 30.0, list[Word]()
    for of_ink, text in zip(drawn.split(), said.split(), strict=True):
        wide = font.getlength(of_ink)
        words.append(Word(text, left - 1, band.top, wide + 2, band.bottom - band.top, confidence))
        left += font.getlength(of_ink + " ")
    return tuple(words)


def _doubted(
    drawn: str, first: str, second: str, style: Style, again: str | None = None, sure: float = 80.0
) -> tuple[str, list[str]]:
    """Return what becomes of a line that two readers read so, and which of its words are asked."""
    ink, band = _drawn(drawn, style)
    row = doubt_by_ink(_read(drawn, first, style, band, sure), band, ink)
    backing = Backing(words_of_line(again or second, band), Marks.of(row, band, ink), SWEDISH)
    told = decide(row, words_of_line(second, band), (), backing)
    return " ".join(word.text for word in told), [w.text for w in told if is_doubtful(w)]


@FONTS
@pytest.mark.parametrize(
    ("drawn", "first"),
    [
        # The first reader has no such letter, and takes one that is nearly it, or two.
        ("Jürk Wenn", "Järk Wenn"),
        ("Bækso Wenn", "Boekso Wenn"),
        ("Øwin Wenn", "Swin Wenn"),
        ("Gülşen Wenn", "Gulsen Wenn"),
        ("Łuk Żak", "Luk Zak"),
        # One stroke looks like another, and what a word is tells which.
        ("Ilmenau Wenn", "IImenau Wenn"),
        ("Wennweg 111", "Wennweg Ill"),
        # A capital is a small letter, but larger.
        ("VÜRK Wenn", "vÖRK Wenn"),
    ],
)
def test_what_the_first_reader_cannot_say_is_no_other_opinion(
    style: Style, drawn: str, first: str
) -> None:
    assert _doubted(drawn, first, drawn, style) == (drawn, [])


@FONTS
def test_one_of_two_looks_of_the_second_reader_is_enough_for_what_the_first_says(
    style: Style,
) -> None:
    told = _doubted("Bo-Illian Wenn", "Bo-Illian Wenn", "Bo-lllan Wenn", style, "Bo-Illian Wenn")
    other = _doubted("Sos Wenn", "Sos Wenn", "Søs Wenn", style, "Sos Wenn")

    assert told == ("Bo-Illian Wenn", [])
    assert len(other[1]) == 1


@FONTS
@pytest.mark.parametrize(
    ("drawn", "first", "second", "again"),
    [
        # A letter that both have, and read differently.
        ("Lindengasse Wenn", "Lindenaasse Wenn", "Lindengasse Wenn", None),
        ("Jürgen Wenn", "Järgan Wenn", "Jürgen Wenn", None),
        # The second says it once only.
        ("Bækso Wenn", "Boekso Wenn", "Bæekso Wenn", "Bækso Wenn"),
        # The ink has another mark than the second says, or none.
        ("Sören Wenn", "Saren Wenn", "Søren Wenn", None),
        ("Jörg Wenn", "Järg Wenn", "Jürg Wenn", None),
        ("Aslan Wenn", "Aslan Wenn", "Aşlan Wenn", None),
        # The first is sure of the letter without a mark, and the ink has nothing against it.
        ("Wilma Wenn", "Wilma Wenn", "Wiłma Wenn", None),
    ],
)
def test_another_opinion_is_asked_about(
    style: Style, drawn: str, first: str, second: str, again: str | None
) -> None:
    _text, doubted = _doubted(drawn, first, second, style, again, sure=90.0)

    assert len(doubted) == 1


@FONTS
@pytest.mark.parametrize(
    ("drawn", "said"),
    [("Søs Wenn", "Sos Wenn"), ("Wenn İlk", "Wenn ilk"), ("Yıldız Serova", "Yildiz Serova")],
)
def test_what_the_ink_has_and_neither_reader_says_is_asked_about(
    style: Style, drawn: str, said: str
) -> None:
    _text, doubted = _doubted(drawn, said, said, style)

    assert doubted == [said.split()[drawn.split().index(max(drawn.split(), key=_is_foreign))]]
    assert _doubted("Sos Wenn", "Sos Wenn", "Sos Wenn", style) == ("Sos Wenn", [])


def _is_foreign(word: str) -> bool:
    return not word.isascii()


@pytest.mark.parametrize(
    ("said", "told"),
    [("wÜRTZBURG, Weg 4", "WÜRTZBURG, Weg 4"), ("vik ÖsTHAMMAR", "vik ÖSTHAMMAR"), ("Wo", "Wo")],
)
def test_a_word_in_capitals_has_no_small_letter(said: str, told: str) -> None:
    assert " ".join(w.text for w in words_of_line(said, Band(0, 0, 400, 24, ()))) == told


@pytest.mark.parametrize(
    ("confidence", "again", "told", "is_asked"),
    [
        (95.0, "Dagny Wenn", "Dagny Wenn", False),
        (95.0, "Dag ny Wenn", "Dag ny Wenn", True),
        (60.0, "Dagny Wenn", "Dag ny Wenn", False),
    ],
)
def test_a_blank_in_a_word_that_the_first_reader_is_sure_of_is_seen_twice_and_asked_about(
    confidence: float, again: str, told: str, is_asked: bool
) -> None:
    band = Band(0, 0, 400, 24, ())
    row = tuple(replace(word, confidence=confidence) for word in words_of_line("Dagny Wenn", band))

    decided = decide(
        row, words_of_line("Dag ny Wenn", band), (), Backing(words_of_line(again, band))
    )

    assert " ".join(word.text for word in decided) == told
    assert any(map(is_doubtful, decided)) == is_asked


def test_a_blank_that_one_look_of_three_sees_is_asked_about() -> None:
    band = Band(0, 0, 400, 24, ())
    row, whole = words_of_line("Bag Nyx Wenn", band), words_of_line("BagNyx Wenn", band)

    decided = decide(row, whole, whole, Backing(whole))

    assert [w.text for w in decided if is_doubtful(w)] == ["Bag", "Nyx"]


def test_a_dash_that_one_look_sets_apart_from_a_time_leaves_the_time_sure() -> None:
    band = Band(0, 0, 400, 24, ())
    row, whole = words_of_line("14:10 – 16:10", band), words_of_line("14:10– 16:10", band)
    unsure = tuple(replace(word, confidence=0.0) for word in row)

    decided = decide(unsure, whole, whole, Backing(whole))

    assert decided[0].text == "14:10"
    assert not any(map(is_doubtful, decided))


class _Recording:
    version, letters = "recording", SWEDISH

    def __init__(self, *texts: str) -> None:
        self.texts, self.asked = texts, list[int]()

    def lines(self, images: Sequence[Pixels]) -> list[str]:
        self.asked.append(len(images))
        return list(self.texts[: len(images)])


def test_the_second_reader_is_shown_once_more_only_what_it_says_otherwise() -> None:
    style = STYLES[0]
    ink, band = _drawn("Jürk", style)
    rows = tuple(_read("Jürk", text, style, band) for text in ("Järk", "Jörk"))
    reader = _Recording("Jörk", "Jörk")

    heard = ask_second(reader, ink, [band, band], rows, [0, 1], [], {})

    assert reader.asked == [2, 1]
    assert [bool(heard.backing and heard.backing[at].again) for at in (0, 1)] == [True, False]


@pytest.mark.parametrize(
    ("text", "is_asked"),
    [
        ("li Ilmari • Städning", True),
        ("lulia Wenn", True),
        ("Wenn-luliana Ek", True),
        ("lina wenn • Städning", False),
        ("Lina Wenn • lunch", False),
        ("Wenn lngrid", False),
        ("lisalmi, Wennvägen 4", True),
        ("lerum, Wennvägen 4", False),
    ],
)
def test_a_small_l_among_capitals_may_be_an_i(text: str, is_asked: bool) -> None:
    assert may_hold_i(text) == is_asked


@pytest.mark.parametrize("text", ["II", "Il", "lI"])
def test_strokes_alone_are_no_word_that_readers_can_agree_on(text: str) -> None:
    row = (Word(text, 0, 0, 20, 24, 90.0),)

    assert is_doubtful(*decide(row, words_of_line(text, Band(0, 0, 400, 24, ())), (), Backing()))


@pytest.mark.parametrize(("said", "asked"), [("Jürk", [1, 1, 2]), ("Jörk", [1, 1])])
def test_a_letter_that_the_first_reader_lacks_has_all_other_names_shown_to_the_second(
    said: str, asked: list[int]
) -> None:
    style = STYLES[0]
    ink, band = _drawn("Jürk", style)
    rows = tuple(_read("Jürk", text, style, band) for text in ("Järk", "Sore"))
    reader = _Recording(said, said)

    heard = ask_second(reader, ink, [band, band], rows, [0], [0, 1], {})

    assert reader.asked == asked
    assert len(heard.rows) == len(asked) - 1


@pytest.mark.parametrize(("letters", "is_asked"), [(SWEDISH, False), (SWEDISH | {"ü"}, True)])
def test_a_letter_that_the_first_readers_language_has_is_another_opinion(
    letters: frozenset[str], is_asked: bool
) -> None:
    ink, band = _drawn("Jürk Wenn", STYLES[0])
    row = doubt_by_ink(_read("Jürk Wenn", "Järk Wenn", STYLES[0], band), band, ink)
    second = words_of_line("Jürk Wenn", band)

    told = decide(row, second, (), Backing(second, Marks.of(row, band, ink), letters))

    assert any(map(is_doubtful, told)) == is_asked


class _Twice:
    """Tesseract, which reads Ses whatever begins so, and a second reader beside it."""

    name, version, language_hash, letters = "twice", "1", "", SWEDISH

    def __init__(self, second: str) -> None:
        self._first, self._second, self.looks = EngineChoice("tesseract-alone")(), second, 0

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        self.looks += 1
        words = self._first.words(image, params)
        return [replace(w, text="Ses", confidence=75.0) if w.text[0] == "S" else w for w in words]

    def lines(self, images: Sequence[Pixels]) -> list[str]:
        return [self._second] * len(images)


@pytest.mark.ocr
@pytest.mark.parametrize(("second", "told", "looks"), [("Søs", "Søs", 3), ("Ses", "Ses", 2)])
def test_an_unsure_name_is_shown_to_the_second_reader_and_again_to_the_first_where_they_differ(
    second: str, told: str, looks: int
) -> None:
    """One engine errs the same way twice: Ses, for Søs, cut otherwise is Ses again."""
    font, page = STYLES[0].font(30), Image.new("L", (600, 400), 255)
    for y, text in ((100, "08:00 – 09:00"), (150, "Søs Wenn")):
        ImageDraw.Draw(page).text((30, y), text, font=font, fill=20)
    buffer = io.BytesIO()
    page.save(buffer, "PNG")
    engine = _Twice(f"{second} Wenn")

    (reading,) = read_batch([buffer.getvalue()], engine)

    assert isinstance(reading, ImageReading)
    assert [(w.text, is_doubtful(w)) for w in reading.words if w.text[0] == "S"] == [(told, False)]
    assert engine.looks == looks
