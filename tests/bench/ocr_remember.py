"""An engine that remembers on disk what it read of each picture, so that a change is measured fast.

The benchmark of quality runs over the same drawings again and again while the reader changes:
what the engine is asked mostly stays the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from backfill.ocr.engines.engine import Engine, EngineParams, LineReader, PageEngine, Pixels
from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.words import Word

# Under this way lines are remembered.
_LINE = EngineParams(page_mode=7)


@dataclass(frozen=True, slots=True)
class RememberingChoice:
    """An engine's choice as a value; calling it makes one that remembers in `folder`."""

    choice: EngineChoice
    folder: str

    def __call__(self) -> Engine:
        """Return the engine; raises UsageError, PreflightError."""
        return _Remembering(self.choice(), Path(self.folder))


class _Remembering:
    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self.name, self.version = engine.name, engine.version
        self.language_hash = engine.language_hash
        self.letters: frozenset[str] = getattr(engine, "letters", frozenset())

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        """Read `image`; see `Engine.words`."""
        return self.pages([image], params)[0]

    def pages(self, images: Sequence[Pixels], params: EngineParams) -> list[list[Word]]:
        """Read each image, or remember what was read of it."""
        paths = [self._path(image, params) for image in images]
        unknown = [place for place, path in enumerate(paths) if not path.is_file()]
        asked = [images[place] for place in unknown]
        if len(asked) > 1 and isinstance(self._engine, PageEngine):
            read = self._engine.pages(asked, params)
        else:
            read = [self._engine.words(image, params) for image in asked]
        for place, words in zip(unknown, read, strict=True):
            _write(paths[place], json.dumps([asdict(word) for word in words]))
        return [[Word(**word) for word in json.loads(path.read_bytes())] for path in paths]

    def lines(self, images: Sequence[Pixels]) -> list[str]:
        """Ask the second reader about each line, or remember what it said."""
        paths = [self._path(image, _LINE) for image in images]
        unknown = [place for place, path in enumerate(paths) if not path.is_file()]
        if unknown and isinstance(self._engine, LineReader):
            texts = self._engine.lines([images[place] for place in unknown])
            for place, text in zip(unknown, texts, strict=True):
                _write(paths[place], json.dumps(text))
        return [str(json.loads(path.read_bytes())) if path.is_file() else "" for path in paths]

    def _path(self, image: Pixels, params: EngineParams) -> Path:
        way = f"{self.name}|{self.version}|{self.language_hash}|{params.cache_text()}|"
        digest = hashlib.sha256(f"{way}{params.script}|{image.shape}".encode() + image.tobytes())
        return self._folder / digest.hexdigest()[:2] / f"{digest.hexdigest()}.json"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(partial).replace(path)
