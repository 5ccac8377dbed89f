"""A second reader of another make for lines in doubt: a recognition network run by OpenCV.

It is PP-OCRv6's small network for single lines, out of the wheel `rapidocr`, whose code is not
imported. Tesseract reads first and everything; this one only what stays in doubt, and only letters:
its scores prove nothing (1.0 for a wrong text), its agreement with the first does.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backfill.ocr import limits
from backfill.ocr.engines.engine import EngineFailure, Pixels

PACKAGE = "rapidocr"
MODEL = "rapidocr/models/PP-OCRv6_rec_small.onnx"
MODEL_SHA256 = "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884"
# The key under which the model's metadata keeps its letters, one a line.
_LETTERS_KEY = b"\n\tcharacter\x12"


@dataclass(frozen=True, slots=True)
class SecondReader:
    """Reads single lines of text; `version` names the wheel and the model's file.

    The network, 80 MB in memory, is loaded by the process that asks about a line, and kept there.
    """

    version: str
    _path: Path

    def lines(self, images: Sequence[Pixels]) -> list[str]:
        """Return the text of each grey picture of one line, dark on white.

        Raises EngineFailure.
        """
        import cv2  # here and below: who only wants to know the version does not load it

        try:
            return [_load(self._path).read(image) for image in images]
        except cv2.error as error:
            raise EngineFailure(f"the second reader failed: {error}") from error


@dataclass(frozen=True, slots=True)
class _Network:
    net: Any
    letters: tuple[str, ...]

    def read(self, image: Pixels) -> str:
        self.net.setInput(_prepared(image))
        best = np.asarray(self.net.forward())[0].argmax(axis=1)
        first = np.concatenate(([True], best[1:] != best[:-1]))
        return "".join(self.letters[index] for index in best[first] if index).strip()


def find_second_reader() -> SecondReader | None:
    """Return the reader, None where its model is not installed or is another file."""
    path = _model_path()
    version = f"{PACKAGE}-{importlib.metadata.version(PACKAGE)}-{MODEL_SHA256[:12]}" if path else ""
    return SecondReader(version, path) if path else None


@cache
def _model_path() -> Path | None:
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(MODEL)))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (importlib.metadata.PackageNotFoundError, OSError):
        return None
    return path if digest == MODEL_SHA256 else None


@cache
def _load(path: Path) -> _Network:
    import cv2

    data = path.read_bytes()
    net = cv2.dnn.readNetFromONNX(np.frombuffer(data, dtype=np.uint8))
    return _Network(net, _letters_of(data))


def _letters_of(data: bytes) -> tuple[str, ...]:
    """Return the network's letters: nothing, those of the model's metadata, a blank."""
    start = data.rindex(_LETTERS_KEY) + len(_LETTERS_KEY)
    length = shift = 0
    while True:  # a number of seven bits a byte, the lowest first
        byte = data[start]
        length |= (byte & 0x7F) << shift
        start, shift = start + 1, shift + 7
        if byte < 0x80:
            break
    text = data[start : start + length].decode("utf-8")
    return ("", *text.split("\n"), " ")


def _prepared(image: Pixels) -> npt.NDArray[np.float32]:
    """Return the picture as the network takes it: its height, values from -1 to 1, padded."""
    import cv2

    height, width = image.shape[:2]
    wide = min(limits.WIDTH_MAX_PX, max(1, round(width * limits.LINE_PX / height)))
    method = cv2.INTER_AREA if height > limits.LINE_PX else cv2.INTER_CUBIC
    line = cv2.resize(image, (wide, limits.LINE_PX), interpolation=method)
    values = np.asarray(line, dtype=np.float32) / 127.5 - 1.0
    padded = np.zeros((1, 3, limits.LINE_PX, max(limits.WIDTH_MIN_PX, wide)), dtype=np.float32)
    padded[0, :, :, :wide] = values
    return padded
