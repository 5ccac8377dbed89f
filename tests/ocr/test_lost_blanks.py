"""A blank that is not read, or a bar that is read as a letter, makes another name of a client."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.ocr.screens import dejavu

from backfill.ocr import limits
from backfill.ocr.ink.bands import find_bands, with_labels
from backfill.ocr.ink.preprocess import find_ink
from backfill.ocr.reader.candidates import Backing, decide
from backfill.ocr.reader.ink_doubts import doubt_by_ink
from backfill.ocr.screen import checks
from backfill.ocr.shift import Entry
from backfill.ocr.text.normalise import normalise_entry
from backfill.ocr.words import Row, Word


def _read_as_one(text: str, size_px: int, *, is_bold: bool) -> Word:
    """A line of words that was read as a single word, after a look at its ink."""
    screen = Image.new("L", (900, 120), 255)
    font = ImageFont.truetype(dejavu(is_bold=is_bold), size_px)
    ImageDraw.Draw(screen).text((40, 40), text, 20, font)
    ink = find_ink(np.asarray(screen, dtype=np.uint8))
    (band,) = with_labels(find_bands(ink), ink)
    word = Word(
        text.replace(" ", ""), band.left, band.top, band.right - band.left, band.bottom - band.top
    )
    (marked,) = doubt_by_ink((word,), band, ink)
    return marked


sizes = pytest.mark.parametrize(("size_px", "is_bold"), [(22, False), (28, True), (40, False)])


@sizes
@pytest.mark.parametrize("text", ["Dagny Illerbäck", "ULLA ROSENÄNG", "Bo Lind", "Eva Norrgård"])
def test_two_words_that_were_read_as_one_are_doubted(
    text: str, size_px: int, is_bold: bool
) -> None:
    assert _read_as_one(text, size_px, is_bold=is_bold).is_contradicted


@sizes
@pytest.mark.parametrize("text", ["Illerbäck", "ROSENÄNG", "Storstädning", "Fyrvaktarvägen"])
def test_a_word_in_one_part_is_not(text: str, size_px: int, is_bold: bool) -> None:
    assert not _read_as_one(text, size_px, is_bold=is_bold).is_contradicted


def _row(text: str, confidence: float) -> Row:
    return tuple(
        Word(part, 100.0 * at, 10, 90, 20, confidence) for at, part in enumerate(text.split())
    )


@pytest.mark.parametrize("confidences", [(90.0, 80.0), (80.0, 90.0)])
def test_of_two_readings_that_differ_by_a_blank_the_one_that_has_it_wins_and_is_doubted(
    confidences: tuple[float, float],
) -> None:
    apart, glued = _row("DAGNY ILLERBÄCK", confidences[0]), _row("DAGNYILLERBÄCK", confidences[1])

    for decided in (decide(apart, glued), decide(glued, apart)):
        assert [word.text for word in decided] == ["DAGNY", "ILLERBÄCK"]
        assert all(word.confidence < limits.SURE for word in decided)


@pytest.mark.parametrize(
    ("first", "second", "is_sure"),
    [(80.0, 45.0, True), (62.0, 91.0, True), (38.0, 91.0, False), (65.0, 55.0, False)],
)
def test_two_looks_of_one_engine_prove_a_word_only_where_it_was_sure_enough(
    first: float, second: float, is_sure: bool
) -> None:
    (word,) = decide(_row("RUTTILLBY", first), _row("RUTTILLBY", second))

    assert (word.confidence >= limits.SURE) is is_sure
    (told,) = decide((word,), _row("RUTTILLBY", 85.0), backing=Backing())
    assert told.confidence >= limits.SURE


@pytest.mark.parametrize("bar", ["I", "l", "|"])
def test_a_bar_read_as_a_letter_between_client_and_job_is_no_part_of_the_name(bar: str) -> None:
    shift = normalise_entry(
        Entry("07:00", "08:00", f"Ulla Dal {bar} Kontor", "", "Lerum, Ågatan 4")
    )

    assert (shift.customer_name, shift.raw_type_label) == ("Ulla Dal", "Kontor")


def test_a_letter_of_one_stroke_stays_where_a_bullet_divides() -> None:
    shift = normalise_entry(Entry("07:00", "08:00", "Karl I Dal • Kontor", "", "Lerum, Ågatan 4"))

    assert shift.customer_name == "Karl I Dal"


@pytest.mark.parametrize("title", ["Ulla Dall Kontor", "Bo Ek| Kontor", "Siv Alm] Fönsterputs"])
def test_a_name_that_a_bar_may_be_glued_to_is_doubted_where_other_cards_have_bars(
    title: str,
) -> None:
    one = Entry("07:00", "08:00", title, "", "Lerum, Ågatan 4")
    other = Entry("08:00", "09:00", "Eva Lind | Kontor", "", "Lerum, Ågatan 6")

    flags = [entry.flags for entry in checks.check_times((one, other))]

    assert checks.TITLE_UNSURE in flags[0]
    assert checks.TITLE_UNSURE not in flags[1]
