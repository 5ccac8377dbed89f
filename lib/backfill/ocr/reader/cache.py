"""Readings kept on disk by the content of the image, so that a second run does no OCR."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from backfill.errors import StorageError
from backfill.ocr.engines.engine import Engine, EngineParams
from backfill.ocr.screen.reading import READER_VERSION, ImageReading, reading_of_json

# Readings hold names and addresses of real people: nobody but the owner may read them.
FOLDER_MODE = 0o700


class ReadingCache:
    """One file per image and way of reading it; any number of processes may use one folder.

    A file is written beside its place and renamed, so that a reader sees all of it or nothing;
    two writers of one key write the same bytes. Failures are never stored.
    """

    def __init__(self, folder: Path, engine: Engine) -> None:
        """Raises StorageError when the folder cannot be made."""
        self.folder = folder
        self.way = _way(engine.name, engine.version, engine.language_hash, READER_VERSION)
        try:
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"The OCR cache {folder} cannot be made ({error}); name another folder."
            ) from error

    def get(self, sha256: str) -> ImageReading | None:
        """Return the stored reading of an image, None when there is none that can be used."""
        reading = _stored(self.folder, self.way, sha256)
        return reading if reading and reading.sha256 == sha256 else None

    def put(self, reading: ImageReading) -> None:
        """Store a reading; raises StorageError when the disk does not take it."""
        path = _path(self.folder, self.way, reading.sha256)
        text = json.dumps(reading.as_json(), ensure_ascii=False, separators=(",", ":"))
        try:
            path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            # mkstemp's files have mode 0600.
            handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                Path(partial).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(partial).unlink()
                raise
        except OSError as error:
            raise StorageError(f"The OCR cache {self.folder} cannot be written: {error}") from error


def find_reading(folder: Path, reader: Mapping[str, str], sha256: str) -> ImageReading | None:
    """Return the reading that a run made, from what its plan says of its reader. Read-only.

    None when the cache no longer has it, or today's program can not read it.
    """
    try:
        names = ("engine", "version", "language_data_sha256", "reader")
        way = _way(*(reader[name] for name in names))
    except KeyError:
        return None
    return _stored(folder, way, sha256)


def _way(engine: str, version: str, data_sha256: str, reader: str) -> str:
    """Return all that decides a reading beside the image."""
    return "|".join((engine, version, data_sha256, EngineParams().cache_text(), reader))


def _stored(folder: Path, way: str, sha256: str) -> ImageReading | None:
    try:
        value = json.loads(_path(folder, way, sha256).read_bytes())
        return reading_of_json({**value, "is_cached": True})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _path(folder: Path, way: str, sha256: str) -> Path:
    key = hashlib.sha256(f"{sha256}|{way}".encode()).hexdigest()
    return folder / key[:2] / f"{key}.json"
