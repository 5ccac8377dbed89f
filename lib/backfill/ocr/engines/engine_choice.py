"""The engines that a person may choose, by their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backfill.errors import UsageError
from backfill.ocr.engines.engine import Engine, TwoReaders
from backfill.ocr.engines.second_reader import find_second_reader
from backfill.ocr.engines.tesseract import TesseractEngine, TesserocrEngine


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine to use, as a value that travels to worker processes; calling it makes one."""

    name: str = "tesseract"
    language: str = "swe"

    def __call__(self) -> Engine:
        """Return the engine; raises UsageError, PreflightError."""
        return make_engine(self.name, self.language)


#: Behind an engine's name: without the second reader.
ALONE = "-alone"
ENGINES: dict[str, Callable[[str], Engine]] = {
    "tesseract": TesseractEngine,
    "tesserocr": TesserocrEngine,
}


def make_engine(name: str = "tesseract", language: str = "swe") -> Engine:
    """Return the engine called `name`; raises UsageError, PreflightError.

    Beside it stands the second reader where that is installed, unless the name ends in `-alone`.
    """
    first = name.removesuffix(ALONE)
    if first not in ENGINES:
        raise UsageError(f"OCR engine {name!r} is not known; use {' or '.join(ENGINES)}.")
    engine = ENGINES[first](language)
    second = find_second_reader() if name == first else None
    return TwoReaders(engine, second.lines, second.version) if second else engine
