"""How fast screenshots are read: by each engine, from the cache, and as a first script would."""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from PIL import Image
from tests.bench.figures import Figure

from backfill.ocr.engine import EngineChoice
from backfill.ocr.pool import read_images
from backfill.ocr.reading import ImageReading

# The naive pool of the promise has two processes, and so have ours beside it.
PROCESSES = 2
# As fast as the naive pool, as fast as the plain loop.
TO_REACH = {"tesseract": (1.5, 6.0), "tesserocr": (2.2, 9.0)}
CACHED_TO_REACH = 200.0
# Of the slow loop, fewer images tell enough.
LOOP_IMAGES = 16


def speed_figures(images: Sequence[bytes], engines: Sequence[str]) -> Iterator[Figure]:
    """Yield the ratios of each engine, all measured on the same images one after another."""
    pool, loop = _rate(_naive_pool, images), _rate(_naive_loop, images[:LOOP_IMAGES])
    rates = {engine: _rates(engine, images) for engine in engines}
    for engine, (ours, _cached) in rates.items():
        for other, rate, limit in zip(
            ("naive pool", "plain loop"), (pool, loop), TO_REACH[engine], strict=True
        ):
            told = f"{ours / rate:.2f} ({ours:.2f} ÷ {rate:.2f} images/s)"
            name = f"{engine} ÷ {other}"
            yield Figure(name, len(images), told, f"≥ {limit:g}", ours / rate >= limit)
    cached = min(cached for _ours, cached in rates.values())
    yield Figure(
        "cached re-run", len(images), f"{cached:.0f} images/s", f"≥ {CACHED_TO_REACH:.0f}",
        cached >= CACHED_TO_REACH,
    )  # fmt: skip


def _rates(engine: str, images: Sequence[bytes]) -> tuple[float, float]:
    """Return images per second when read, and when read again from the cache."""
    with tempfile.TemporaryDirectory() as folder:

        def ours(some: Sequence[bytes]) -> None:
            choice = EngineChoice(engine)
            for outcome in read_images(
                some, workers=PROCESSES, engine_factory=choice, cache_folder=Path(folder)
            ):
                assert isinstance(outcome, ImageReading), outcome

        return _rate(ours, images), _rate(ours, images)


def _rate(read: Callable[[Sequence[bytes]], object], images: Sequence[bytes]) -> float:
    started = time.perf_counter()
    read(images)
    return len(images) / (time.perf_counter() - started)


def _naive_loop(images: Sequence[bytes]) -> None:
    """Read whole pages one after another, as a first script would, Tesseract's threads on."""
    limit = os.environ.pop("OMP_THREAD_LIMIT", None)
    for image in images:
        _naive(image)
    if limit is not None:
        os.environ["OMP_THREAD_LIMIT"] = limit


def _naive_pool(images: Sequence[bytes]) -> None:
    with ProcessPoolExecutor(PROCESSES, get_context("spawn"), _one_thread) as pool:
        list(pool.map(_naive, images))


def _one_thread() -> None:
    os.environ["OMP_THREAD_LIMIT"] = "1"


def _naive(image: bytes) -> str:
    import pytesseract

    return str(pytesseract.image_to_data(Image.open(io.BytesIO(image)), lang="swe"))
