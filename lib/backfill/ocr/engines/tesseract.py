"""Tesseract as an engine: by its command, or in process; and the tables that it prints."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backfill.errors import PreflightError
from backfill.ocr.engines.engine import EngineFailure, EngineParams, Pixels, Script, language_data
from backfill.ocr.words import Word

# Digits are the same in every language. This one's network has a quarter of the weights of swe's,
# and is a part of every installation that we know of.
NUMBERS_LANGUAGE = "eng"


@dataclass(frozen=True, slots=True)
class LanguageData:
    """The language data with which each script is read, joined by + where there are several."""

    texts: str
    numbers: str
    folder: str | None

    @property
    def sha256(self) -> str:
        """SHA-256 of the files, or of their names where none is found: asked by no worker."""
        digest = hashlib.sha256()
        for code in dict.fromkeys((*self.texts.split("+"), *self.numbers.split("+"))):
            digest.update(code.encode())
            file = Path(self.folder or "") / f"{code}.traineddata"
            if self.folder and file.is_file():
                digest.update(file.read_bytes())
        return digest.hexdigest()

    @property
    def letters(self) -> frozenset[str]:
        """The letters that the networks for texts can say; none where no file tells them."""
        files = [Path(self.folder or "") / f"{code}.traineddata" for code in self.texts.split("+")]
        return frozenset().union(*map(_letters_of, files))

    def of(self, script: Script) -> str:
        """Return the data for pictures of this script."""
        return self.numbers if script is Script.NUMBERS else self.texts


def _letters_of(file: Path) -> frozenset[str]:
    """Return the letters of a file of language data: it begins with the places of its parts."""
    with (
        contextlib.suppress(OSError, struct.error, IndexError, ValueError),
        file.open("rb") as data,
    ):
        (count,) = struct.unpack("<i", data.read(4))
        places = struct.unpack(f"<{count}q", data.read(8 * count))
        start = places[21]  # of the part that lists what the network can say
        data.seek(start)
        part = data.read(min((p for p in places if p > start), default=file.stat().st_size) - start)
        # Its first line counts the others, which begin with what the network can say.
        return frozenset("".join(line.split(" ")[0] for line in part.decode().splitlines()[1:]))
    return frozenset()


def find_language_data(texts: str, installed: Collection[str], folder: str | None) -> LanguageData:
    """Return what there is for texts of a language; numbers have their own if it is installed.

    Raises PreflightError for a language without data.
    """
    for code in texts.split("+"):
        if code not in installed:
            raise PreflightError(missing_language_message(code))
    numbers = NUMBERS_LANGUAGE if NUMBERS_LANGUAGE in installed else texts
    return LanguageData(texts, numbers, folder)


class _Tesseract:
    """What both ways to Tesseract have: language data."""

    _data: LanguageData

    @functools.cached_property
    def language_hash(self) -> str:
        """See `Engine.language_hash`."""
        return self._data.sha256

    @functools.cached_property
    def letters(self) -> frozenset[str]:
        """See `LineReader.letters`."""
        return self._data.letters


class TesseractEngine(_Tesseract):
    """Tesseract's command through pytesseract, one thread; a start may read several images."""

    name = "tesseract"

    def __init__(self, language: str = "swe") -> None:
        """Check that Tesseract and the language's data are there.

        Raises UsageError for an unknown language, PreflightError for what is not installed.
        """
        # Tesseract's own threads cost 3.4 times what one process per core does (OCR.md §5).
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")
        texts = language_data(language)
        listing = _listing()
        if listing is None:
            raise PreflightError(
                f"Tesseract {self.version} cannot list its languages; check TESSDATA_PREFIX."
            )
        self._data = find_language_data(texts, listing[1], listing[0])

    @functools.cached_property
    def version(self) -> str:
        """See `Engine.version`: a start of Tesseract that no worker needs."""
        return _version()

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
        return _words_by_page(table.splitlines()[1:], len(images))

    def _table(self, source: Path, params: EngineParams, timeout_seconds: float) -> str:
        """Return what Tesseract prints of an image, or of a list of images."""
        tesseract = _pytesseract()
        try:
            # What image_to_data calls, which would start Tesseract once more for its version.
            table = tesseract.run_and_get_output(
                str(source),
                extension="tsv",
                lang=self._data.of(params.script),
                config=f"-c tessedit_create_tsv=1 --psm {params.page_mode} -c tessedit_do_invert=0",
                timeout=timeout_seconds,
            )
        except UnicodeDecodeError as error:
            raise EngineFailure(f"Tesseract printed bytes that are not UTF-8: {error}") from error
        except tesseract.TesseractError as error:
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


class TesserocrEngine(_Tesseract):
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
        self._module: Any = tesserocr
        self.version = str(tesserocr.tesseract_version()).split("\n", maxsplit=1)[0].split()[-1]
        # Without the command tesserocr's own answer counts, which heeds TESSDATA_PREFIX.
        folder, installed = _listing() or tesserocr.get_languages()
        self._folder = str(folder)
        self._data = find_language_data(language_data(language), installed, self._folder)
        self._apis: dict[str, Any] = {}

    def load(self) -> None:
        """Load the data for texts; raises PreflightError where it is damaged."""
        self._api_for(Script.TEXT)

    def _api_for(self, script: Script) -> Any:
        """Return Tesseract with the script's language data, loaded when it is first needed."""
        language = self._data.of(script)
        if language not in self._apis:
            try:
                api = self._module.PyTessBaseAPI(
                    path=self._folder, lang=language, psm=self._module.PSM.SINGLE_BLOCK
                )
            except RuntimeError as error:
                raise PreflightError(missing_language_message(language)) from error
            # The montage is dark on white: nothing is to be tried the other way round.
            api.SetVariable("tessedit_do_invert", "0")
            self._apis[language] = api
        return self._apis[language]

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        """Read `image`; see `Engine.words`."""
        height, width = image.shape[:2]
        api = self._api_for(params.script)
        api.SetPageSegMode(params.page_mode)
        # The bytes as they are, where SetImage would write and read a PNG; they are not copied.
        pixels = np.ascontiguousarray(image).tobytes()
        api.SetImageBytes(pixels, width, height, 1, width)
        try:
            if not api.Recognize(max(1, round(1000 * params.timeout_seconds))):
                raise EngineFailure(
                    f"tesserocr did not finish within {params.timeout_seconds:g} seconds."
                )
            return _words_by_page(str(api.GetTSVText(0)).splitlines(), 1)[0]
        except (RuntimeError, UnicodeDecodeError) as error:
            raise EngineFailure(f"tesserocr failed: {error}") from error
        finally:
            api.Clear()


def missing_language_message(code: str) -> str:
    """Return what to type where the data of one language is not installed."""
    return (
        f"Tesseract's language data {code!r} is not installed. "
        f"Debian: apt-get install tesseract-ocr-{code} · macOS: brew install tesseract-lang · "
        f"conda: conda install -c conda-forge tesseract (holds {code})"
    )


def _portable_greymap(image: Pixels) -> bytes:
    height, width = image.shape[:2]
    return b"P5\n%d %d\n255\n" % (width, height) + np.ascontiguousarray(image).tobytes()


def _words_by_page(rows: Sequence[str], pages: int) -> list[list[Word]]:
    """Return the words of each page, from the rows of Tesseract's table below its head."""
    words: list[list[Word]] = [[] for _ in range(pages)]
    for row in rows:
        cells = row.split("\t")
        if len(cells) != 12 or cells[0] != "5" or not cells[11].strip():
            continue
        try:
            left, top, width, height = (float(cell) for cell in cells[6:10])
            word = Word(cells[11].strip(), left, top, width, height, float(cells[10]))
            words[int(cells[1]) - 1].append(word)
        except (ValueError, IndexError) as error:
            raise EngineFailure(f"Tesseract printed a row that is not a word: {row!r}") from error
    return words


@functools.cache
def _pytesseract() -> Any:
    """Return the package, loaded by the process that reads.

    It loads pandas where that is found, for a function that is not called here: 70 MB a process.
    """
    modules: dict[str, Any] = sys.modules
    if "pandas" in modules:
        return importlib.import_module("pytesseract")
    modules["pandas"] = None  # an import that finds this fails, as where nothing is installed
    try:
        return importlib.import_module("pytesseract")
    finally:
        del modules["pandas"]


def _version() -> str:
    """Return the version of Tesseract's command; raises PreflightError."""
    told = _said("--version")
    if told is None:
        raise PreflightError(
            "Tesseract is not installed. Debian: apt-get install tesseract-ocr "
            "tesseract-ocr-swe · macOS: brew install tesseract tesseract-lang · "
            "conda install -c conda-forge tesseract"
        )
    found = re.match(r"tesseract v?(\d[\w.]*)", told)
    if not found:
        raise PreflightError(
            f"Tesseract does not tell a version that can be used ({told[:80]!r}); "
            "reinstall it, e.g. apt-get install --reinstall tesseract-ocr"
        )
    return found[1]


def _listing() -> tuple[str, list[str]] | None:
    """Return the language data's folder and the languages in it, as Tesseract's command tells."""
    head, *languages = (_said("--list-langs") or "").splitlines() or [""]
    return (head.split('"')[1], languages) if head.count('"') >= 2 else None


def _said(question: str) -> str | None:
    """Return what Tesseract's command answers; None where there is none."""
    command = shutil.which("tesseract")
    if command is None:
        return None
    told = subprocess.run([command, question], capture_output=True, check=False)
    return (told.stdout or told.stderr).decode("utf-8", "replace")
