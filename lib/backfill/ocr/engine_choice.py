"""The engines that a person may choose, by their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backfill.errors import UsageError
from backfill.ocr.engine import Engine
from backfill.ocr.tesseract import TesseractEngine, TesserocrEngine


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine to use, as a value that travels to worker processes; calling it makes one."""

    name: str = "tesseract"
    language: str = "swe"

    def __call__(self) -> Engine:
        """Return the engine; raises UsageError, PreflightError."""
        return make_engine(self.name, self.language)


ENGINES: dict[str, Callable[[str], Engine]] = {
    "tesseract": TesseractEngine,
    "tesserocr": TesserocrEngine,
}


def make_engine(name: str = "tesseract", language: str = "swe") -> Engine:
    """Return the engine called `name`; raises UsageError, PreflightError."""
    if name not in ENGINES:
        raise UsageError(f"OCR engine {name!r} is not known; use {' or '.join(ENGINES)}.")
    return ENGINES[name](language)
