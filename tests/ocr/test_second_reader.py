"""The second reader: what it reads, how it votes, and that no outcome depends on who asked it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.ocr.screens import dejavu

from backfill.ocr import limits
from backfill.ocr.engines import second_reader
from backfill.ocr.engines.engine import EngineFailure
from backfill.ocr.engines.engine_choice import ALONE, EngineChoice
from backfill.ocr.engines.second_reader import find_second_reader
from backfill.ocr.ink.bands import Band, find_bands, with_labels
from backfill.ocr.ink.masks import Pixels
from backfill.ocr.ink.preprocess import Ink, find_ink
from backfill.ocr.reader.candidates import Backing, decide, words_of_line
from backfill.ocr.reader.looks import ask_second
from backfill.ocr.reader.pool import read_images
from backfill.ocr.screen.checks import is_doubtful
from backfill.ocr.screen.reading import ImageReading
from backfill.ocr.words import Row, Word
from backfill_lab.demo.stored import stored_sessions

BAND = Band(0, 0, 400, 24, ())


def vote(row: Row, other: Row, text: str) -> Row:
    """What becomes of a row when the second reader says this text of it."""
    return decide(row, words_of_line(text, BAND), other, backing=Backing())


def _line(text: str, size_px: int, *, is_bold: bool = False, blur: float = 0.0) -> Pixels:
    font = ImageFont.truetype(dejavu(is_bold=is_bold), size_px)
    wide = round(font.getlength(text)) + size_px
    image = Image.new("L", (wide, round(size_px * 1.7)), 255)
    ImageDraw.Draw(image).text((size_px // 2, size_px // 4), text, 20, font)
    pixels = np.asarray(image, dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), blur), dtype=np.uint8) if blur else pixels


@pytest.mark.parametrize(
    "text",
    ["Örjan Ågren-Dahl", "Kållered, Älvhöjden 17B", "07:15 – 10:45", "2h 15m", "Väståsgränd 188c"],
)
@pytest.mark.parametrize(
    ("size_px", "is_bold", "blur"), [(30, False, 0), (22, True, 0), (26, False, 1.1)]
)
def test_it_reads_lines_with_their_accents(
    text: str, size_px: int, is_bold: bool, blur: float
) -> None:
    reader = find_second_reader()
    assert reader is not None, "scripts/setup installs the second reader's model"

    (read,) = reader.lines([_line(text, size_px, is_bold=is_bold, blur=blur)])

    assert read.replace("–", "-").replace(" ", "") == text.replace("–", "-").replace(" ", "")


def test_another_file_in_the_models_place_is_no_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(second_reader, "MODEL_SHA256", "0" * 64)
    second_reader._model_path.cache_clear()
    try:
        assert find_second_reader() is None
        assert "rapidocr" not in EngineChoice()().version
    finally:
        monkeypatch.undo()
        second_reader._model_path.cache_clear()


def test_what_is_cached_names_the_model_and_reading_alone_does_not() -> None:
    assert second_reader.MODEL_SHA256[:12] in str(EngineChoice()().version)
    assert second_reader.MODEL_SHA256[:12] not in str(EngineChoice(f"tesseract{ALONE}")().version)


def _row(text: str, confidence: float = 60.0, *, agrees: bool | None = None) -> Row:
    left, words = 0.0, []
    for part in text.split():
        words.append(Word(part, left, 0, 10.0 * len(part), 24, confidence, ink_agrees=agrees))
        left += 10.0 * len(part) + 8
    return tuple(words)


def _doubted(row: Row) -> list[str]:
    return [word.text for word in row if is_doubtful(word)]


@pytest.mark.parametrize(
    ("first", "second", "text", "doubted"),
    [
        # Both say the same: sure, whatever Tesseract's own confidence was.
        ("Djupdal", "Djupdal", "Djupdal", []),
        ("Ågatan 17B", "Ågatan 17B", "Ågatan 17B", []),
        # They differ: nobody is sure.
        ("Djupdal", "Djupdai", "Djupdai", ["Djupdai"]),
        ("Ågatan 17", "Ågatan 11", "Ågatan 11", ["11"]),
        ("Ekhult", "Ekhuit Bo", "Ekhult", ["Ekhult"]),
        # A blank that one of them did not see is there.
        ("DagnyDjupdal", "Dagny Djupdal", "Dagny Djupdal", []),
        ("Dagny Djupdal", "DagnyDjupdal", "Dagny Djupdal", []),
        # A word of the vocabulary is a second witness.
        ("Storstädninq", "Storstädning", "Storstädning", []),
        # Signs that decide nothing are no other reading.
        ("Djupdal.", "Djupdal", "Djupdal.", []),
        # Nor is a sign that stands alone, between words that differ.
        ("Bo Djupdal", "Bo . Djupdai", "Bo Djupdal", ["Djupdal"]),
        ("Bo Djupdal Ek", "Bo Djupdal . Eka", "Bo Djupdal Ek", ["Ek"]),
        # One that hears nothing leaves all as it is.
        ("Djupdal", "", "Djupdal", ["Djupdal"]),
    ],
)
def test_two_readers_settle_a_doubt_only_where_they_agree(
    first: str, second: str, text: str, doubted: list[str]
) -> None:
    decided = vote(_row(first), (), second)

    assert " ".join(word.text for word in decided) == text
    assert _doubted(decided) == doubted


@pytest.mark.parametrize(
    ("first", "second"),
    [("Djupdal Kontor", "Frøja Djupdal Kontor"), ("Frida Kontor", "Frida Ek Kontor")],
)
def test_a_word_that_only_the_second_reader_saw_is_kept_in_doubt(first: str, second: str) -> None:
    beside_unread = vote(_row(first, 96.0, agrees=False), (), second)
    (more,) = set(second.split()) - set(first.split())

    assert sorted(word.text for word in beside_unread) == sorted(second.split())
    assert _doubted(beside_unread) == [more]
    # Where no ink was left over the second reader alone proves nothing.
    assert " ".join(word.text for word in vote(_row(first, 60.0), (), second)) == first


@pytest.mark.parametrize(("first", "second"), [("07:15", "Q7:lS"), ("2h 15m", "Zh ISm")])
def test_a_time_is_not_given_up_for_letters(first: str, second: str) -> None:
    decided = vote(_row(first, 80.0), (), second)

    assert " ".join(word.text for word in decided) == first


def test_tesseracts_other_reading_is_a_witness_for_the_second_readers() -> None:
    decided = vote(_row("Djupdai"), _row("Djupdal"), "Djupdal")

    assert [(word.text, word.confidence >= limits.SURE) for word in decided] == [("Djupdal", True)]


class _Failing:
    version, letters = "failing", frozenset[str]()

    def lines(self, images: Sequence[Pixels]) -> list[str]:
        raise EngineFailure("out of memory")


def test_a_reader_that_fails_leaves_every_doubt() -> None:
    ink: Ink = find_ink(_line("Djupdal", 30))
    (band,) = with_labels(find_bands(ink), ink)

    assert not ask_second(_Failing(), ink, [band], ((),), [0], [], {}).rows


def _worn(count: int) -> list[bytes]:
    """Committed screens as a chat spoils them: small, and with a JPEG's noise."""
    paths = [path for screen in stored_sessions() for path in screen.images][:count]
    worn = []
    for at, path in enumerate(paths):
        image = Image.open(path).convert("RGB")
        small = image.resize((round(image.width * 0.62), round(image.height * 0.62)))
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=34 + 6 * at)
        worn.append(buffer.getvalue())
    return worn


@pytest.mark.ocr
@pytest.mark.long
def test_readings_are_the_same_for_any_number_of_workers_with_the_second_reader() -> None:
    images = _worn(2)

    by_workers = [
        [
            replace(outcome, ocr_ms=0.0)
            for outcome in read_images(images, workers=workers, engine_factory=EngineChoice())
            if isinstance(outcome, ImageReading)
        ]
        for workers in (1, 2)
    ]

    assert by_workers[0] == by_workers[1]
    assert [r.as_json() for r in by_workers[0]] == [r.as_json() for r in by_workers[1]]
    assert sum(reading.second.lines for reading in by_workers[0]) > 0
