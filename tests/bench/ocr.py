"""`make bench-ocr`: how exactly and how fast invented screenshots are read."""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from PIL import Image
from tests.bench.pages import has_browser, make_page_sessions, open_browser
from tests.bench.phone_page import PAGE_LOOKS
from tests.bench.score import Score, score_session

from backfill.demo.screens.make import Session, make_session
from backfill.demo.screens.style import STYLES
from backfill.executor import default_workers
from backfill.ocr.engine import EngineChoice
from backfill.ocr.pool import read_images
from backfill.ocr.reading import ImageReading


def main() -> None:
    """Print the figures that issue 3 asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=12, help="per style")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--styles", nargs="*", help="by default all, those of a browser too")
    parser.add_argument("--engine", default="tesseract")
    parser.add_argument("--misses", action="store_true", help="list every wrong shift")
    parser.add_argument("--no-speed", action="store_true")
    options = parser.parse_args()
    sessions = _make_sessions(options.styles, options.first_seed, options.sessions)
    choice = EngineChoice(options.engine)
    accuracy(sessions, choice, list_misses=options.misses)
    if not options.no_speed:
        speed(sessions, choice)


def _make_sessions(names: list[str] | None, first_seed: int, count: int) -> list[Session]:
    """Return `count` sessions of each style, drawn by Pillow, then those that a browser draws."""
    styles = [style for style in STYLES if not names or style.name in names]
    looks = [look for look in PAGE_LOOKS if not names or look.name in names]
    sessions = [
        make_session(first_seed + 1000 * place + number, style)
        for place, style in enumerate(styles)
        for number in range(count)
    ]
    if looks and not has_browser():
        _say("left out, for want of Chromium: " + ", ".join(look.name for look in looks))
    elif looks:
        with open_browser() as browser:
            for place, look in enumerate(looks, start=len(styles)):
                first = first_seed + 1000 * place
                sessions += make_page_sessions(browser, look, range(first, first + count))
    return sessions


def accuracy(sessions: list[Session], choice: EngineChoice, *, list_misses: bool) -> None:
    """Print exact F1 and its companions per style, held-out styles apart."""
    images = [image for session in sessions for image in session.images]
    outcomes = read_images(images, workers=default_workers(), engine_factory=choice)
    totals: dict[str, Score] = {}
    for session in sessions:
        readings = [next(outcomes) for _ in session.images]
        read = [reading for reading in readings if isinstance(reading, ImageReading)]
        score = score_session(session, read)
        name = session.look.style.name
        for group in (name, "= held out" if session.look.style.is_held_out else "= tuned", "= all"):
            totals.setdefault(group, Score()).add(score)
    _say(
        "style                shifts  exact F1  date+time F1  wrong, unflagged/1000  flagged fields"
    )
    for group, score in sorted(totals.items(), key=lambda pair: (pair[0][0] == "=", pair[0])):
        _say(
            f"{group:20} {score.truth:6}  {score.exact_f1:8.4f}  {score.timed_f1:12.4f}"
            f"  {1000 * score.wrong_unflagged / max(1, score.truth):21.1f}"
            f"  {100 * score.flags / max(1, 8 * score.read):13.2f}%"
            f"   wrong dates {score.wrong_dates}/{score.sessions}"
        )
    if list_misses:
        for miss in totals["= all"].misses:
            _say(miss)


def speed(sessions: list[Session], choice: EngineChoice) -> None:
    """Print images per second: ours, cached, naive in a pool, naive in a loop."""
    images = [image for session in sessions for image in session.images][:48]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)

        def ours(some: list[bytes]) -> None:
            workers = default_workers()
            for outcome in read_images(
                some, workers=workers, engine_factory=choice, cache_folder=cache
            ):
                assert isinstance(outcome, ImageReading), outcome

        rates = {"ours": _rate(ours, images), "cached": _rate(ours, images)}
    rates["naive pool"] = _rate(_naive_pool, images)
    rates["naive loop"] = _rate(_naive_loop, images[:12])
    for name, rate in rates.items():
        _say(f"{name:12} {rate:8.2f} images/s")
    _say(f"ours / naive pool {rates['ours'] / rates['naive pool']:.2f}")
    _say(f"ours / naive loop {rates['ours'] / rates['naive loop']:.2f}")


def _rate(read: Callable[[list[bytes]], object], images: list[bytes]) -> float:
    started = time.perf_counter()
    read(images)
    return len(images) / (time.perf_counter() - started)


def _naive_loop(images: list[bytes]) -> None:
    """Read whole pages one after another, as a first script would, Tesseract's threads on."""
    import os

    limit = os.environ.pop("OMP_THREAD_LIMIT", None)
    for image in images:
        _naive(image)
    if limit is not None:
        os.environ["OMP_THREAD_LIMIT"] = limit


def _naive_pool(images: list[bytes]) -> None:
    with ProcessPoolExecutor(2, get_context("spawn"), _one_thread) as pool:
        list(pool.map(_naive, images))


def _one_thread() -> None:
    import os

    os.environ["OMP_THREAD_LIMIT"] = "1"


def _naive(image: bytes) -> str:
    import pytesseract

    return str(pytesseract.image_to_data(Image.open(io.BytesIO(image)), lang="swe"))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
