"""Read one screenshot: pixels → bands → words → entries and date, with a second look in doubt."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from backfill.ocr.bands import Band, find_bands, make_montage, words_of_image
from backfill.ocr.dates import DateEvidence, find_date
from backfill.ocr.engine import Engine, EngineFailure, EngineParams
from backfill.ocr.failure import Stage, UnreadableImage
from backfill.ocr.images import Pixels, load_pixels
from backfill.ocr.layout import Layout, read_layout
from backfill.ocr.preprocess import find_ink
from backfill.ocr.sheet import Sheet, find_sheet, tab_top
from backfill.ocr.shift import Entry
from backfill.ocr.words import Word

# Goes into the cache's key: raise it with every change that can change a reading.
READER_VERSION = "1"


@dataclass(frozen=True, slots=True)
class ImageReading:
    """What one image says.

    `entries` carry their words and the checks that failed, `flags` are doubts about the image as
    a whole. `ocr_ms` and `is_cached` tell how the reading was got and take no part in comparing.
    """

    sha256: str
    width: int
    height: int
    words: tuple[Word, ...]
    entries: tuple[Entry, ...]
    date: DateEvidence | None = None
    farewell: str = ""
    flags: tuple[str, ...] = ()
    ocr_ms: float = field(default=0.0, compare=False)
    is_cached: bool = field(default=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values; `reading_of_json` is the way back."""
        return asdict(self)


def reading_of_json(value: dict[str, Any]) -> ImageReading:
    """Return the reading that `ImageReading.as_json` wrote; raises KeyError, TypeError."""
    date = value["date"]
    return ImageReading(
        **{
            **value,
            "words": _words(value["words"]),
            "entries": tuple(
                Entry(**{**entry, "words": _words(entry["words"]), "flags": tuple(entry["flags"])})
                for entry in value["entries"]
            ),
            "date": DateEvidence(**date) if date else None,
            "flags": tuple(value["flags"]),
        }
    )


def _words(values: list[dict[str, Any]]) -> tuple[Word, ...]:
    return tuple(Word(**word) for word in values)


def read_image(data: bytes, engine: Engine, params: EngineParams) -> ImageReading:
    """Return what the image of these bytes says.

    Raises UnreadableImage at stage `input` (not a picture) or `ocr` (the engine failed).
    """
    started = time.perf_counter()
    pixels = load_pixels(data)
    try:
        reading = _read_pixels(pixels, engine, params)
    except EngineFailure as error:
        raise UnreadableImage(Stage.OCR, "ocr_failed", str(error)) from error
    return replace(
        reading,
        sha256=hashlib.sha256(data).hexdigest(),
        ocr_ms=round((time.perf_counter() - started) * 1000, 1),
    )


def _read_pixels(pixels: Pixels, engine: Engine, params: EngineParams) -> ImageReading:
    height, width = pixels.shape[:2]
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    ink = find_ink(grey)
    sheet = find_sheet(pixels, ink)
    bands = _bands_of_sheet(find_bands(ink), sheet, grey)
    if not bands:
        return ImageReading("", width, height, (), ())
    montage = make_montage(ink, bands)
    rows = words_of_image(montage, engine.words(montage.image, params))
    words = [word for row in rows for word in row]
    date, layout = _interpret(words, sheet)
    return ImageReading("", width, height, tuple(words), layout.entries, date, layout.farewell)


def _bands_of_sheet(bands: tuple[Band, ...], sheet: Sheet, grey: Pixels) -> tuple[Band, ...]:
    """Return the bands between header and tab bar that neither of them cuts."""
    bottom = tab_top(bands, grey.shape, sheet.dividers)
    return tuple(band for band in bands if band.top > sheet.top + 2 and band.bottom < bottom - 2)


def _interpret(words: list[Word], sheet: Sheet) -> tuple[DateEvidence | None, Layout]:
    date = find_date(words)
    below = [word for word in words if date is None or word.top > date.bottom]
    return date, read_layout(below, sheet.dividers)
