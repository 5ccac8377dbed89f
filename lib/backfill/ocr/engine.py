"""Engines that turn a picture of text into words: Tesseract by command, or in process."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from backfill.errors import PreflightError, UsageError
from backfill.ocr.words import Word

Pixels = npt.NDArray[np.uint8]

TIMEOUT_SECONDS = 60.0
TIMEOUT_SECONDS_MAX = 3600.0

# The names a person may type, and the Tesseract language data each means.
LANGUAGES = {
    "sv": "swe", "swe": "swe", "en": "eng", "eng": "eng", "da": "dan", "dan": "dan", "no": "nor",
    "nb": "nor", "nor": "nor", "fi": "fin", "fin": "fin", "de": "deu", "deu": "deu",
}  # fmt: skip


class EngineFailure(Exception):
    """The engine could not read this image; the session fails at stage `ocr`, the run goes on."""


@dataclass(frozen=True, slots=True)
class EngineParams:
    """How the engine reads: Tesseract's page segmentation mode and the seconds it may take."""

    page_mode: int = 6
    timeout_seconds: float = TIMEOUT_SECONDS

    def __post_init__(self) -> None:
        if not 0 < self.timeout_seconds <= TIMEOUT_SECONDS_MAX:
            raise UsageError(
                f"The OCR timeout must be above 0 and at most {TIMEOUT_SECONDS_MAX:.0f} seconds, "
                f"not {self.timeout_seconds}."
            )

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
        """SHA-256 of the language data, so that a cache entry dies with its data."""
        ...

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        """Read a grey image (dark text on white); boxes in its pixels.

        Raises EngineFailure.
        """
        ...


@runtime_checkable
class PageEngine(Protocol):
    """An engine to which several images in one go cost less than one by one."""

    def pages(self, images: Sequence[Pixels], params: EngineParams) -> list[list[Word]]:
        """Read each image as `Engine.words` would; raises EngineFailure for all of them."""
        ...


def read_pages(
    engine: Engine, images: Sequence[Pixels], params: EngineParams
) -> list[list[Word] | EngineFailure]:
    """Read each image, together where the engine can; a failure is only its own image's."""
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


class TesseractEngine:
    """Tesseract's command through pytesseract, one thread; a start may read several images."""

    name = "tesseract"

    def __init__(self, language: str = "swe") -> None:
        """Check that Tesseract and the language's data are there.

        Raises UsageError for an unknown language, PreflightError for what is not installed.
        """
        import pytesseract

        # Tesseract's own threads cost 3.4 times what one process per core does (OCR.md §5).
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")
        self.language = language_data(language)
        self._tesseract: Any = pytesseract
        self.version = self._find_version()
        self._check_installed()
        self.language_hash = _hash_language(
            self.language, _data_folder(pytesseract.pytesseract.tesseract_cmd)
        )

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        """Read `image`; see `Engine.words`."""
        return self.pages([image], params)[0]

    def pages(self, images: Sequence[Pixels], params: EngineParams) -> list[list[Word]]:
        """Read images with one start of Tesseract, which costs a quarter of reading one."""
        with tempfile.TemporaryDirectory(prefix="backfill-ocr-") as folder:
            # Uncompressed files are written and read faster than PNG.
            paths = [Path(folder) / f"{number}.pgm" for number in range(len(images))]
            for path, image in zip(paths, images, strict=True):
                path.write_bytes(_portable_greymap(image))
            listing = Path(folder) / "images.txt"
            listing.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
            source = paths[0] if len(paths) == 1 else listing
            table = self._table(source, params, params.timeout_seconds * len(images))
        return _words_by_page(table, len(images))

    def _table(self, source: Path, params: EngineParams, timeout_seconds: float) -> str:
        """Return what Tesseract prints of an image, or of a list of images."""
        try:
            table = self._tesseract.image_to_data(
                str(source),
                lang=self.language,
                config=f"--psm {params.page_mode} -c tessedit_do_invert=0",
                timeout=timeout_seconds,
            )
        except UnicodeDecodeError as error:
            raise EngineFailure(f"Tesseract printed bytes that are not UTF-8: {error}") from error
        except self._tesseract.TesseractError as error:
            raise EngineFailure(
                f"Tesseract stopped with status {error.status}: {str(error.message)[:300]}"
            ) from error
        except RuntimeError as error:
            raise EngineFailure(
                f"Tesseract did not answer within {timeout_seconds:g} seconds ({error})."
            ) from error
        except OSError as error:
            raise EngineFailure(f"Tesseract could not be run: {error}") from error
        return str(table)

    def _find_version(self) -> str:
        try:
            return str(self._tesseract.get_tesseract_version.__wrapped__()).split()[0]
        except (self._tesseract.TesseractNotFoundError, OSError) as error:
            raise PreflightError(
                "Tesseract is not installed. Debian: apt-get install tesseract-ocr "
                "tesseract-ocr-swe · macOS: brew install tesseract tesseract-lang · "
                "conda install -c conda-forge tesseract"
            ) from error
        except (SystemExit, ValueError) as error:
            raise PreflightError(
                f"Tesseract does not tell a version that can be used ({error}); "
                "reinstall it, e.g. apt-get install --reinstall tesseract-ocr"
            ) from error

    def _check_installed(self) -> None:
        try:
            installed = set(self._tesseract.get_languages())
        except (self._tesseract.TesseractError, UnicodeDecodeError) as error:
            raise PreflightError(
                f"Tesseract cannot list its languages ({error}); check TESSDATA_PREFIX."
            ) from error
        for code in self.language.split("+"):
            if code not in installed:
                raise PreflightError(missing_language_message(code))


class TesserocrEngine:
    """Tesseract in process by the optional package tesserocr; same data, no start per image."""

    name = "tesserocr"

    def __init__(self, language: str = "swe") -> None:
        """Raises UsageError for an unknown language, PreflightError for what is not installed."""
        try:
            import tesserocr
        except ImportError as error:
            raise PreflightError(
                "The engine tesserocr is not installed: pip install 'backfill-workbook[tesserocr]'"
            ) from error
        self.language = language_data(language)
        self._module: Any = tesserocr
        self.version = str(tesserocr.tesseract_version()).split("\n", maxsplit=1)[0].split()[-1]
        folder = _data_folder()
        self.language_hash = _hash_language(self.language, folder)
        try:
            self._api: Any = tesserocr.PyTessBaseAPI(
                path=folder or "", lang=self.language, psm=tesserocr.PSM.SINGLE_BLOCK
            )
        except RuntimeError as error:
            raise PreflightError(missing_language_message(self.language)) from error
        # The montage is dark on white: nothing is to be tried the other way round.
        self._api.SetVariable("tessedit_do_invert", "0")

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        """Read `image`; see `Engine.words`."""
        height, width = image.shape[:2]
        self._api.SetPageSegMode(params.page_mode)
        # The bytes as they are, where SetImage would write and read a PNG; they are not copied.
        pixels = np.ascontiguousarray(image).tobytes()
        self._api.SetImageBytes(pixels, width, height, 1, width)
        try:
            if not self._api.Recognize(max(1, round(1000 * params.timeout_seconds))):
                raise EngineFailure(
                    f"tesserocr did not finish within {params.timeout_seconds:g} seconds."
                )
            return _words_of_table(_HEAD + str(self._api.GetTSVText(0)))
        except (RuntimeError, UnicodeDecodeError) as error:
            raise EngineFailure(f"tesserocr failed: {error}") from error
        finally:
            self._api.Clear()


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


def missing_language_message(code: str) -> str:
    """Return what to type where the data of one language is not installed."""
    return (
        f"Tesseract's language data {code!r} is not installed. "
        f"Debian: apt-get install tesseract-ocr-{code} · macOS: brew install tesseract-lang · "
        f"conda: conda install -c conda-forge tesseract (holds {code})"
    )


_HEAD = (
    "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num"
    "\tleft\ttop\twidth\theight\tconf\ttext\n"
)


def _portable_greymap(image: Pixels) -> bytes:
    height, width = image.shape[:2]
    return b"P5\n%d %d\n255\n" % (width, height) + np.ascontiguousarray(image).tobytes()


def _words_by_page(table: str, pages: int) -> list[list[Word]]:
    """Return the words of each page; the second cell of a row is its page's number."""
    if pages == 1:
        return [_words_of_table(table)]
    rows: dict[str, list[str]] = {}
    for line in table.splitlines()[1:]:
        cells = line.split("\t", 2)
        rows.setdefault(cells[1] if len(cells) > 1 else "", []).append(line)
    return [
        _words_of_table(_HEAD + "\n".join(rows.get(str(number), [])))
        for number in range(1, pages + 1)
    ]


def _words_of_table(table: str) -> list[Word]:
    words = []
    for line in table.splitlines()[1:]:
        cells = line.split("\t")
        if len(cells) != 12 or cells[0] != "5" or not cells[11].strip():
            continue
        try:
            left, top, width, height = (float(cell) for cell in cells[6:10])
            words.append(Word(cells[11].strip(), left, top, width, height, float(cells[10])))
        except ValueError as error:
            raise EngineFailure(f"Tesseract printed a row that is not a word: {line!r}") from error
    return words


def _hash_language(language: str, folder: str | None) -> str:
    """Return the SHA-256 of the language data files, or of their names where none is found."""
    digest = hashlib.sha256()
    for code in language.split("+"):
        digest.update(code.encode())
        file = Path(folder or "") / f"{code}.traineddata"
        if folder and file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _data_folder(program: str = "tesseract") -> str | None:
    """Return the folder of the language data, as Tesseract's command tells it.

    Pytesseract, which loads pandas, is not asked: an engine in process does without it.
    """
    import subprocess

    command = shutil.which(program)
    if command is None:
        return None
    listing = subprocess.run([command, "--list-langs"], capture_output=True, check=False)
    head = listing.stdout.decode("utf-8", "replace").split("\n", maxsplit=1)[0]
    return head.split('"')[1] if head.count('"') >= 2 else None
