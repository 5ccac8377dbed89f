"""What tests need to draw a screen of their own."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

from backfill.ocr.engines.engine import Engine
from backfill.ocr.reader.image_reader import read_batch
from backfill.ocr.screen.reading import ImageReading


def dejavu(*, is_bold: bool = False) -> str:
    """Return the path of the font that comes with matplotlib, and so is on every machine."""
    name = "DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf"
    return str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name)


def read_image(data: bytes, engine: Engine) -> ImageReading:
    """Return what the image of these bytes says; it must be readable."""
    (outcome,) = read_batch([data], engine)
    assert isinstance(outcome, ImageReading), outcome
    return outcome
