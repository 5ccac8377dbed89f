"""Numbers are read by a small network, and by the large one too where that is not sure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from backfill.ocr import limits
from backfill.ocr.engines.engine import EngineParams, Script
from backfill.ocr.engines.tesseract import TesseractEngine
from backfill.ocr.ink.masks import Pixels
from backfill.ocr.reader.looks import is_sure
from backfill.ocr.screen.reading import ImageReading
from backfill.ocr.text.timetext import parse_clock
from backfill.ocr.words import Word
from backfill_lab.demo.stored import stored_sessions

from .screens import read_image

Spoil = Callable[[Word], Word]
#: What the real Tesseract says of a picture: each is read once for all tests here.
_SAID: dict[tuple[bytes, tuple[int, ...], EngineParams], tuple[Word, ...]] = {}


@dataclass
class SpoiltNumbers:
    """Reads by the real Tesseract; what its small network says is changed. Notes every call."""

    spoil: Spoil
    name: str = "spoilt"
    version: str = "1"
    language_hash: str = "0"
    read: list[tuple[Script, tuple[str, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._engine = TesseractEngine("swe")

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        asked = hashlib.sha256(image.tobytes()).digest(), image.shape, params
        if asked not in _SAID:
            _SAID[asked] = tuple(self._engine.words(image, params))
        words = list(_SAID[asked])
        if params.script is Script.NUMBERS:
            words = [self.spoil(word) for word in words]
        self.read.append((params.script, tuple(word.text for word in words)))
        return words

    def times(self, script: Script) -> list[str]:
        """The times of day in what was read as this script."""
        return [text for kind, row in self.read if kind is script for text in row if _is_time(text)]


def _is_time(text: str) -> bool:
    return bool(parse_clock(text))


def _read(spoil: Spoil) -> tuple[ImageReading, SpoiltNumbers]:
    engine = SpoiltNumbers(spoil)
    screen = next(s for s in stored_sessions() if s.name == "plain-0205").images[0].read_bytes()
    return read_image(screen, engine), engine


def _cards(reading: ImageReading) -> list[tuple[str, ...]]:
    return [(e.start, e.end, e.title, e.address, *e.flags) for e in reading.entries]


@pytest.mark.ocr
def test_times_are_left_to_the_small_network_where_it_is_sure() -> None:
    reading, engine = _read(lambda word: word)

    assert len(reading.entries) >= 3
    assert len(engine.times(Script.NUMBERS)) >= 2 * len(reading.entries)
    assert engine.times(Script.TEXT) == []


@pytest.mark.ocr
@pytest.mark.parametrize(
    "spoil",
    [
        lambda word: replace(word, confidence=min(word.confidence, limits.SURE_NUMBER - 1)),
        lambda word: replace(word, text="N" + word.text[1:]) if _is_time(word.text) else word,
        lambda word: replace(word, text="77:77") if _is_time(word.text) else word,
    ],
    ids=["unsure", "no time", "a time that no day has"],
)
def test_what_the_small_network_does_not_surely_read_is_read_by_the_large(spoil: Spoil) -> None:
    sound, _ = _read(lambda word: word)

    reading, engine = _read(spoil)

    assert _cards(reading) == _cards(sound)
    assert len(engine.times(Script.TEXT)) >= 2 * len(sound.entries)


@pytest.mark.ocr
@pytest.mark.parametrize(("right", "wrong"), [("4h", "9h"), ("12:00", "12:30"), ("08:00", "03:00")])
def test_of_two_readings_of_a_time_the_one_that_the_duration_bears_out_counts(
    right: str, wrong: str
) -> None:
    sound, _ = _read(lambda word: word)

    reading, _ = _read(
        lambda word: replace(word, text=wrong, confidence=99) if word.text == right else word
    )

    assert _cards(reading) == _cards(sound)


@pytest.mark.parametrize(
    ("text", "confidence", "is_believed"),
    [
        ("08:15", 95, True),
        ("08:15", 80, False),
        ("28:15", 95, False),
        ("08:15 - 12:15", 95, True),
        ("08:15 Kontor", 95, False),
        ("1h 45m", 30, True),
        ("On time", 30, True),
        ("+3", 95, True),
        ("178b", 95, False),
        ("Skola", 95, True),
        ("Skola", 80, False),
        ("Skola Asa", 95, False),
        ("Asa", 95, False),
    ],
)
def test_only_numbers_known_labels_and_the_apps_own_words_are_believed(
    text: str, confidence: float, is_believed: bool
) -> None:
    row = tuple(Word(part, 0, 0, 9, 9, confidence) for part in text.split())

    assert is_sure(row) is is_believed


def test_a_number_that_its_ink_contradicts_is_not_believed() -> None:
    assert not is_sure((Word("11:15", 0, 0, 9, 9, 95, ink_agrees=False),))
