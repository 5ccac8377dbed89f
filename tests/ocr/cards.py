"""Cards, images and days of them, as a reader of texts hands them on: no picture is read."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from backfill.ocr.day.session import CaptureImage, CaptureSession, SessionReading
from backfill.ocr.day.session_reading import ReadImage, read_session
from backfill.ocr.screen import checks
from backfill.ocr.screen.layout import read_layout
from backfill.ocr.screen.reading import Hidden, ImageReading, Tail
from backfill.ocr.screen.totals import NOTHING_TOLD, Told
from backfill.ocr.shift import Entry
from backfill.ocr.text.dates import DateEvidence
from backfill.ocr.words import Word

FRIDAY = DateEvidence(22, 8, 4, None, 34, "Fredag 22 augusti")
SENT = dt.datetime(2025, 8, 22, 18, tzinfo=dt.UTC)


def words_at(text: str, left: float, top: float, height: float = 20) -> list[Word]:
    """Words of one line, ten pixels a letter."""
    words = []
    for part in text.split():
        words.append(Word(part, left, top, 10.0 * len(part), height, 96.0))
        left += 10.0 * len(part) + 8
    return words


def card_of(*lines: tuple[str, float, float]) -> Entry:
    """The entry of a card: its times, and lines by their text and place."""
    words = [word for line in lines for word in words_at(*line)]
    entries = checks.check_times(read_layout(words).entries)
    assert len(entries) == 1, entries
    return entries[0]


def image_of(
    *entries: Entry,
    tail: Tail = Tail.ROOM,
    farewell: str = "",
    told: Told = NOTHING_TOLD,
    date: DateEvidence | None = FRIDAY,
    flags: tuple[str, ...] = (),
    hidden: tuple[Hidden, ...] = (),
) -> ImageReading:
    words = tuple(word for entry in entries for word in entry.words)
    flags += tuple(one.doubt for one in hidden)
    return ImageReading(
        "", 400, 800, words, entries, date, farewell, flags, tail, told, hidden=hidden
    )


def day_of(
    readings: Sequence[ImageReading], *, numbers: Sequence[int] = (), sent: dt.datetime = SENT
) -> SessionReading:
    numbers = numbers or range(1, len(readings) + 1)
    images = tuple(CaptureImage(uuid.uuid4(), n, f"{n}.png") for n in numbers)
    session = CaptureSession(uuid.uuid4(), 1, "done", sent, images)
    read = read_session(
        session, [ReadImage(i, i.r2_key, r) for i, r in zip(images, readings, strict=True)]
    )
    assert isinstance(read, SessionReading)
    return read


def pause(start: str, end: str) -> Entry:
    return card_of((start, 10, 10), (end, 10, 40), ("Rast", 120, 10))
