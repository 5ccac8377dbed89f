"""What the reader asks of an OCR engine: a picture of text goes in, words come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from backfill.errors import UsageError
from backfill.ocr.words import Word

Pixels = npt.NDArray[np.uint8]

TIMEOUT_SECONDS = 60.0

# The names a person may type, and the Tesseract language data each means.
LANGUAGES = {
    "sv": "swe", "swe": "swe", "en": "eng", "eng": "eng", "da": "dan", "dan": "dan", "no": "nor",
    "nb": "nor", "nor": "nor", "fi": "fin", "fin": "fin", "de": "deu", "deu": "deu",
}  # fmt: skip


class Script(StrEnum):
    """What a picture is thought to hold, so that an engine may take the network that fits."""

    NUMBERS = "numbers"  # times, durations, counters
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Page:
    """A grey picture of text, dark on white, that the engine is to read."""

    pixels: Pixels
    script: Script = Script.TEXT


class EngineFailure(Exception):
    """The engine could not read this image; the session fails at stage `ocr`, the run goes on."""


@dataclass(frozen=True, slots=True)
class EngineParams:
    """How the engine reads: Tesseract's page segmentation mode, seconds it may take, the script."""

    page_mode: int = 6
    timeout_seconds: float = TIMEOUT_SECONDS
    script: Script = Script.TEXT

    def cache_text(self) -> str:
        """What of these parameters can change the words; the timeout cannot."""
        return f"psm{self.page_mode}"


class Engine(Protocol):
    """What the reader needs of an OCR engine."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def language_hash(self) -> str:
        """SHA-256 of all language data that it uses, so that a cache entry dies with its data."""
        ...

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        """Read a grey image (dark text on white); boxes in its pixels.

        An engine may read every script alike. Raises EngineFailure.
        """
        ...


@runtime_checkable
class PageEngine(Protocol):
    """An engine to which several images in one go cost less than one by one."""

    def pages(self, images: Sequence[Pixels], params: EngineParams) -> list[list[Word]]:
        """Read each image as `Engine.words` would; raises EngineFailure for all of them."""
        ...


@runtime_checkable
class LoadingEngine(Protocol):
    """An engine whose language data is loaded by who reads with it."""

    def load(self) -> None:
        """Load it now; raises PreflightError where it is damaged."""
        ...


@runtime_checkable
class LineReader(Protocol):
    """An engine with a second reader of another make, asked about lines in doubt only."""

    @property
    def letters(self) -> frozenset[str]:
        """The letters that the first reader can say; none where nobody knows."""
        ...

    def lines(self, images: Sequence[Pixels]) -> list[str]:
        """Return the text of each grey picture of one line; raises EngineFailure."""
        ...


class TwoReaders:
    """An engine beside a second reader, whose version is a part of the engine's."""

    def __init__(self, first: Engine, lines: Callable[..., list[str]], version: str) -> None:
        """`lines` is `LineReader.lines` of the second reader."""
        self._first, self._lines, self._second = first, lines, version
        self.letters: frozenset[str] = getattr(first, "letters", frozenset())
        self.name = first.name
        if isinstance(first, PageEngine):
            self.pages = first.pages

    @property
    def version(self) -> str:
        """See `Engine.version`."""
        return f"{self._first.version}+{self._second}"

    @property
    def language_hash(self) -> str:
        """See `Engine.language_hash`."""
        return self._first.language_hash

    def load(self) -> None:
        """Load the first one's language data, if it is not loaded by a command."""
        if isinstance(self._first, LoadingEngine):
            self._first.load()

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        """Read `image`; see `Engine.words`."""
        return self._first.words(image, params)

    def lines(self, images: Sequence[Pixels]) -> list[str]:
        """Ask the second reader; see `LineReader.lines`."""
        return self._lines(images)


def read_pages(engine: Engine, pages: Sequence[Page]) -> list[list[Word] | EngineFailure]:
    """Read each page, those of one script together; a failure is only its own page's."""
    outcomes: dict[int, list[Word] | EngineFailure] = {}
    for script in Script:
        places = [place for place, page in enumerate(pages) if page.script is script]
        images = [pages[place].pixels for place in places]
        read = _read_together(engine, images, EngineParams(script=script))
        outcomes.update(zip(places, read, strict=True))
    return [outcomes[place] for place in range(len(pages))]


def _read_together(
    engine: Engine, images: Sequence[Pixels], params: EngineParams
) -> list[list[Word] | EngineFailure]:
    if len(images) > 1 and isinstance(engine, PageEngine):
        try:
            return list(engine.pages(images, params))
        except EngineFailure:
            pass  # one of them, but which? One by one, the others are read all the same.
    return [_read_page(engine, image, params) for image in images]


def _read_page(engine: Engine, image: Pixels, params: EngineParams) -> list[Word] | EngineFailure:
    try:
        return engine.words(image, params)
    except EngineFailure as error:
        return error


def language_data(name: str) -> str:
    """Return the language data's name for `sv`, `swe`, … or `swe+eng`.

    Raises UsageError for a name that is no language.
    """
    codes = []
    for part in name.strip().lower().split("+"):
        if part not in LANGUAGES:
            raise UsageError(
                f"OCR language {name!r} is not known. Use one of {', '.join(sorted(LANGUAGES))} "
                "(joined by + for several), e.g. --ocr-lang swe."
            )
        codes.append(LANGUAGES[part])
    return "+".join(dict.fromkeys(codes))
