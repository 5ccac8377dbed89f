"""Whatever Tesseract says, and whatever bytes a file holds: a reading or a reason, nothing else."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backfill_lab.demo
from backfill.ocr.failure import UnreadableImage
from backfill.ocr.reader.images import load_pixels
from backfill.ocr.screen.layout import read_layout
from backfill.ocr.text.cells import make_cells
from backfill.ocr.text.dates import DateFailure, find_date, lines_of, resolve_date
from backfill.ocr.text.normalise import normalise_entry
from backfill.ocr.words import Word

SCREENSHOTS = sorted(Path(backfill_lab.demo.__file__).parent.glob("screenshots/**/*.[pj][np]g"))
TEXT = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["08:00", "24:00", "10.00-", "–", "•", "2h", "1h 20m", "Fredag", "31", "februari", "Week"]
    ),
    st.from_regex(r"[0-9OIl]{1,2}[:.][0-9OIl]{2}", fullmatch=True),
)
WORD = st.builds(
    Word,
    text=TEXT,
    left=st.floats(-50, 2000),
    top=st.floats(-50, 4000),
    width=st.floats(0, 800),
    height=st.floats(0, 90),
    confidence=st.floats(-1, 100),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(WORD, max_size=25))
def test_any_words_give_entries_that_give_shifts(words: list[Word]) -> None:
    for entry in read_layout(words).entries:
        shift = normalise_entry(entry)

        assert len(shift.start) == len(shift.end) == len("00:00")


@settings(max_examples=150, deadline=None)
@given(st.lists(WORD, max_size=8), st.one_of(st.none(), st.integers(1, 9999)))
def test_any_header_gives_a_date_or_a_reason(words: list[Word], default_year: int | None) -> None:
    evidence = find_date(lines_of(make_cells(words)))
    if evidence is None:
        return

    try:
        found = resolve_date(evidence, dt.date(2026, 1, 1), default_year)
    except DateFailure as error:
        assert str(error)
    else:
        assert isinstance(found.date, dt.date)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_no_image_or_one(data: bytes) -> None:
    try:
        load_pixels(data)
    except UnreadableImage as error:
        assert error.failure.message


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_screenshot_is_read_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(rng.choice(SCREENSHOTS).read_bytes())
    for _ in range(rng.choice((1, 20, 400))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    if rng.random() < 0.4:
        del data[rng.randrange(len(data)) :]

    try:
        pixels = load_pixels(bytes(data))
    except UnreadableImage as error:
        assert error.failure.message
    else:
        assert pixels.ndim == 3
