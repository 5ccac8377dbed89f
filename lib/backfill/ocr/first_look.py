"""The first reading of an image's runs of text: numbers by a small network, the rest by a large.

Half of a screen's runs are times, durations and counters, which need no Swedish letters. The small
network (English) takes half the time of a language's own. What it does not read as a number, or is
not sure of, is read with the texts.
"""

from __future__ import annotations

from backfill.ocr import limits
from backfill.ocr.bands import Band
from backfill.ocr.engine import Script
from backfill.ocr.montage import Look, read_bands
from backfill.ocr.noise import is_noise, is_on_time
from backfill.ocr.preprocess import Ink
from backfill.ocr.timetext import parse_clock, parse_duration, parse_range
from backfill.ocr.words import Row


def look_first(ink: Ink, bands: tuple[Band, ...]) -> Look:
    """Return the words of each band. Yields the pages that are to be read, is sent their words."""
    limit = limits.NUMBER_WIDE * ink.letter_px
    narrow = [index for index, band in enumerate(bands) if band.right - band.left < limit]
    numbers = yield from read_bands(ink, [bands[index] for index in narrow], Script.NUMBERS)
    rows = {index: row for index, row in zip(narrow, numbers, strict=True) if is_sure(row)}
    rest = [index for index in range(len(bands)) if index not in rows]
    texts = yield from read_bands(ink, [bands[index] for index in rest])
    rows.update(zip(rest, texts, strict=True))
    return tuple(rows[index] for index in range(len(bands)))


def is_sure(row: Row) -> bool:
    """Whether the small network's reading of a run stands.

    A duration is never stored: it is held against its card's times, and both are looked at again
    where they differ.
    """
    text = " ".join(word.text for word in row)
    if not row or parse_duration(text) is not None or is_on_time(text):
        return bool(row)
    if any(word.confidence < limits.SURE_NUMBER or word.is_contradicted for word in row):
        return False
    return bool(parse_clock(text)) or _is_range(text) or is_noise(text)


def _is_range(text: str) -> bool:
    found = parse_range(text)
    return found is not None and not found.rest
