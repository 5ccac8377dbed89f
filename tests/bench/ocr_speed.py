"""How fast screenshots are read: by each engine, from the cache, and as a first script would."""

from __future__ import annotations

import io
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from PIL import Image
from tests.bench.figure import Figure

from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.reader.pool import read_images
from backfill.ocr.screen.reading import ImageReading

# The naive pool of the promise has two processes, and so have ours beside it.
PROCESSES = 2
# As fast as the naive pool, as fast as the plain loop.
TO_REACH = {"tesseract": (1.7, 6.0), "tesserocr": (2.2, 9.0)}
CACHED_TO_REACH = 1000.0
# Of the slow loop, fewer images tell enough.
LOOP_IMAGES = 16


def speed_figures(
    look: str, images: Sequence[bytes], engines: Sequence[str], rounds: int
) -> Iterator[Figure]:
    """Yield the ratios of each engine on images of one look, the second reader where installed.

    Each round measures everything on the same images, one after another, so that a busy machine
    slows all of it; of the rounds' ratios the median counts.
    """
    loop = _pace(_naive_loop, images[:LOOP_IMAGES])
    pools: list[Pace] = []
    ours: dict[str, list[Pace]] = {engine: [] for engine in engines}
    cached: list[Pace] = []
    for _ in range(rounds):
        pools.append(_pace(_naive_pool, images))
        for engine in engines:
            read, again = _rates(engine, images)
            ours[engine].append(read)
            cached.append(again)
    for engine, paces in ours.items():
        for other, others, limit in zip(
            ("naive pool", "plain loop"), (pools, [loop] * rounds), TO_REACH[engine], strict=True
        ):
            pairs = list(zip(paces, others, strict=True))
            ratio = statistics.median(pace.rate / base.rate for pace, base in pairs)
            by_cpu = statistics.median(base.cpu_ms / pace.cpu_ms for pace, base in pairs)
            ms = statistics.median(pace.cpu_ms for pace in paces)
            told = f"{ratio:.2f} (processor time {by_cpu:.2f}, {ms:.0f} ms an image)"
            name = f"{engine} ÷ {other}, {look}"
            yield Figure(name, len(images), told, f"≥ {limit:g}", ratio >= limit)
    rate = statistics.median(pace.rate for pace in cached)
    cpu_ms = statistics.median(pace.cpu_ms for pace in cached)
    yield Figure(
        f"cached re-run, {look}", len(images), f"{rate:.0f} images/s ({cpu_ms:.2f} ms an image)",
        f"≥ {CACHED_TO_REACH:.0f}", rate >= CACHED_TO_REACH,
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
