"""How fast screenshots are read: by each engine, from the cache, and as a first script would."""

from __future__ import annotations

import io
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from PIL import Image
from tests.bench.figure import Figure

from backfill.ocr.engine_choice import EngineChoice
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
    pool, loop = _pace(_naive_pool, images), _pace(_naive_loop, images[:LOOP_IMAGES])
    rates = {engine: _rates(engine, images) for engine in engines}
    for engine, (ours, _cached) in rates.items():
        for other, pace, limit in zip(
            ("naive pool", "plain loop"), (pool, loop), TO_REACH[engine], strict=True
        ):
            ratio = ours.rate / pace.rate
            told = (
                f"{ratio:.2f} ({ours.rate:.2f} ÷ {pace.rate:.2f} images/s; "
                f"processor time {pace.cpu_ms / ours.cpu_ms:.2f})"
            )
            name = f"{engine} ÷ {other}"
            yield Figure(name, len(images), told, f"≥ {limit:g}", ratio >= limit)
    cached = min(cached.rate for _ours, cached in rates.values())
    yield Figure(
        "cached re-run", len(images), f"{cached:.0f} images/s", f"≥ {CACHED_TO_REACH:.0f}",
        cached >= CACHED_TO_REACH,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pace:
    """Images per second, and the processor time of one: that of a busy machine means more."""

    rate: float
    cpu_ms: float


def _rates(engine: str, images: Sequence[bytes]) -> tuple[Pace, Pace]:
    """Return the pace when read, and when read again from the cache."""
    with tempfile.TemporaryDirectory() as folder:

        def ours(some: Sequence[bytes]) -> None:
            choice = EngineChoice(engine)
            for outcome in read_images(
                some, workers=PROCESSES, engine_factory=choice, cache_folder=Path(folder)
            ):
                assert isinstance(outcome, ImageReading), outcome

        return _pace(ours, images), _pace(ours, images)


def _pace(read: Callable[[Sequence[bytes]], object], images: Sequence[bytes]) -> Pace:
    started, used = time.perf_counter(), _cpu_seconds()
    read(images)
    seconds, cpu_seconds = time.perf_counter() - started, _cpu_seconds() - used
    return Pace(len(images) / seconds, 1000 * cpu_seconds / len(images))


def _cpu_seconds() -> float:
    """Return the processor time of this process and of those that it started and that ended."""
    own, ended = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


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
