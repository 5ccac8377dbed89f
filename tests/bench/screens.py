"""Reading screenshots: ours, a first script's loop, and the bound: the network on single lines."""

from __future__ import annotations

import io
import os
import subprocess
import time
from collections.abc import Mapping

from PIL import Image
from tests.bench.contender import Contender, Measured, Setup
from tests.drawn.make import make_session

from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.reader.pool import read_images
from backfill.ocr.screen.reading import ImageReading
from backfill.workers.executor import default_workers

OURS = "ours, screenshots"
NAIVE = "pytesseract in a loop"
BOUND = "bound: the network on text lines"
FIRST_SEED = 1000


def ours(setup: Setup) -> Measured:
    images = _images(setup.rows)
    measured = Measured(len(images))
    started = time.perf_counter()
    choice = EngineChoice("tesseract")
    for outcome in read_images(images, workers=default_workers(), engine_factory=choice):
        assert isinstance(outcome, ImageReading), outcome
    measured.seconds = time.perf_counter() - started
    return measured


def naive(setup: Setup) -> Measured:
    """Whole pages one after another, Tesseract's own threads on."""
    import pytesseract

    images = _images(setup.rows)
    measured = Measured(len(images))
    os.environ.pop("OMP_THREAD_LIMIT", None)
    started = time.perf_counter()
    for image in images:
        pytesseract.image_to_data(Image.open(io.BytesIO(image)), lang="swe")
    measured.seconds = time.perf_counter() - started
    return measured


def bound(setup: Setup) -> Measured:
    """The network alone, loaded once, on the text lines of each page; detail: lines."""
    import tesserocr

    os.environ["OMP_THREAD_LIMIT"] = "1"
    pages = [Image.open(io.BytesIO(image)).convert("L") for image in _images(setup.rows)]
    measured = Measured(len(pages))
    lines = 0
    with tesserocr.PyTessBaseAPI(
        path=_tessdata(), lang="swe", oem=tesserocr.OEM.LSTM_ONLY
    ) as engine:
        for page in pages:
            engine.SetPageSegMode(tesserocr.PSM.SPARSE_TEXT)
            engine.SetImage(page)
            boxes = [box for _image, box, _block, _line in engine.GetTextlines()]
            engine.SetPageSegMode(tesserocr.PSM.SINGLE_LINE)
            started = time.perf_counter()
            for box in boxes:
                engine.SetRectangle(box["x"], box["y"], box["w"], box["h"])
                engine.GetUTF8Text()
            measured.seconds += time.perf_counter() - started
            lines += len(boxes)
    measured.detail = {"lines": lines, "ms_per_line": 1000 * measured.seconds / max(1, lines)}
    return measured


def _tessdata() -> str:
    """Return the folder of the installed language data, as the program itself names it."""
    said = subprocess.run(
        ["tesseract", "--list-langs"], capture_output=True, text=True, check=True
    ).stdout
    return said.split('"')[1]


def _images(count: int) -> list[bytes]:
    images: list[bytes] = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        images += make_session(seed).images
    return images[:count]


CONTENDERS: Mapping[str, Contender] = {OURS: ours, NAIVE: naive, BOUND: bound}
