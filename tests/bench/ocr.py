"""`make bench-ocr`: how exactly and how fast invented screenshots are read."""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.bench import others
from tests.bench.figure import Figure
from tests.bench.ocr_changed import keep_outcomes
from tests.bench.ocr_quality import (
    MEMORY,
    SHARED_ENV,
    goals,
    made_small,
    shared_sessions,
    tallies,
    tell,
)
from tests.bench.ocr_speed import TO_REACH, speed_figures
from tests.bench.ocr_truth import Tally, TrueSession
from tests.bench.pages import (
    ANY,
    Browser,
    has_browser,
    make_any_sessions,
    make_page_sessions,
    open_browser,
)
from tests.bench.phone_page import PAGE_LOOKS
from tests.bench.score import FIELDS_OF_SHIFT, Score, score_session
from tests.bench.strange import KINDS, Drawer, strange_sessions
from tests.bench.strange_words import Half
from tests.drawn.make import Session, make_session
from tests.drawn.style import STYLES

from backfill.folder import runs_dir
from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.reader.pool import read_images
from backfill.ocr.screen.reading import ImageReading
from backfill.workers.executor import default_workers

KINDS_OF_STRANGE = (*KINDS, *others.KINDS)
PARTS = ("quality", "shared", "strange", "speed", "memory")
# Looks that chance chose, for each session of a style that somebody did.
ANY_SHARE = 4


def main() -> None:
    """Print the figures that are promised of the reader."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=12, help="per style")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--styles", nargs="*", help="by default all, those of a browser too")
    parser.add_argument("--engine", default="tesseract")
    parser.add_argument("--misses", action="store_true", help="list every wrong shift")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="by default all")
    parser.add_argument("--images", type=int, default=48, help="of the speed's ratios, each look")
    parser.add_argument("--rounds", type=int, default=3, help="of the speed's ratios")
    parser.add_argument("--strange", type=int, default=36, help="sessions of each strange set")
    parser.add_argument("--first-strange", type=int, default=0)
    parser.add_argument("--halves", nargs="*", choices=tuple(Half), default=tuple(Half))
    parser.add_argument(
        "--kinds", nargs="*", choices=KINDS_OF_STRANGE, default=KINDS_OF_STRANGE,
        help="of strange sets",
    )  # fmt: skip
    parser.add_argument("--outcomes", type=Path, help="file for tests.bench.ocr_changed")
    parser.add_argument(
        "--made-small", type=float, default=1.0, metavar="SHARE", help="of the sides, shared sets"
    )
    parser.add_argument("--shared", help=f"folder of sets from elsewhere, by default ${SHARED_ENV}")
    parser.add_argument(
        "--memory-sessions", nargs=2, type=int, default=(50, 500), metavar=("FEW", "MANY")
    )
    options = parser.parse_args()
    found: dict[str, Tally] = {}
    if "shared" in options.parts:
        found |= _told(_shared_sessions(options), options)
    if "strange" in options.parts:
        found |= _told(_strange_sessions(options, options.kinds), options)
    if options.outcomes:
        keep_outcomes(options.outcomes, found)
    is_drawn = bool({"quality", "speed"} & set(options.parts))
    count = options.sessions if is_drawn else 0
    sessions = _make_sessions(options.styles, options.first_seed, count) if count else []
    _keep(_print_figures(itertools.chain(goals(found), _figures(options, sessions))))


def _told(sessions: list[TrueSession], options: argparse.Namespace) -> dict[str, Tally]:
    """Print what becomes of sessions whose truth is known, and return their figures."""
    found = tallies(sessions, EngineChoice(options.engine)) if sessions else {}
    if found:
        tell(found, _say, list_misses=options.misses)
    return found


def _shared_sessions(options: argparse.Namespace) -> list[TrueSession]:
    """Return the sessions of sets that others drew."""
    sessions = shared_sessions(options.shared)
    if not sessions:
        _say(f"sets from elsewhere left out: name their folder, --shared DIR or ${SHARED_ENV}")
    if options.made_small < 1:
        return [made_small(session, options.made_small) for session in sessions]
    return sessions


def _strange_sessions(options: argparse.Namespace, kinds: Sequence[str]) -> list[TrueSession]:
    """Return sessions in looks and with traps that chance chose, as a browser draws them."""
    if not has_browser():
        _say("strange screens left out, for want of Chromium")
        return []
    count, first = options.strange, options.first_strange
    with Browser() as browser:
        drawer = Drawer(MEMORY / "drawn", browser)
        camera = others.Camera(MEMORY / "others", browser)
        return [
            session
            for half in Half
            if half in options.halves
            for kind in kinds
            for session in (
                others.others_sessions(camera, half, kind, count, first)
                if kind in others.KINDS
                else strange_sessions(drawer, half, kind, count, first)
            )
        ]


def _figures(options: argparse.Namespace, sessions: list[Session]) -> Iterator[Figure]:
    """Yield the figures of the parts asked for.

    What only one part needs is imported there: each process of a pool imports this module, too.
    """
    if "quality" in options.parts:
        choice = EngineChoice(options.engine)
        yield from accuracy_figures(accuracy(sessions, choice, list_misses=options.misses))
    if "speed" in options.parts:
        looks = {"our drawings": [image for session in sessions for image in session.images]}
        if has_browser():
            like_the_app = _strange_sessions(options, ("app",))
            looks["the app's look"] = [i.data for drawn in like_the_app for i in drawn.images]
        for look, images in looks.items():
            some = images[:: max(1, len(images) // options.images)][: options.images]
            yield from speed_figures(look, some, tuple(TO_REACH), options.rounds)
    if "memory" in options.parts:
        from tests.bench.ocr_memory import memory_figures

        yield from memory_figures(*options.memory_sessions)


def _make_sessions(names: list[str] | None, first_seed: int, count: int) -> list[Session]:
    """Return `count` sessions of each style, drawn by Pillow, then those that a browser draws."""
    styles = [style for style in STYLES if not names or style.name in names]
    looks = [look for look in PAGE_LOOKS if not names or look.name in names]
    sessions = [
        make_session(first_seed + 1000 * place + number, style)
        for place, style in enumerate(styles)
        for number in range(count)
    ]
    drawn = [look.name for look in looks] + [ANY] * (not names or ANY in names)
    if drawn and not has_browser():
        _say("left out, for want of Chromium: " + ", ".join(drawn))
    elif drawn:
        with open_browser() as browser:
            for place, look in enumerate(looks, start=len(styles)):
                first = first_seed + 1000 * place
                sessions += make_page_sessions(browser, look, range(first, first + count))
            if ANY in drawn:
                first = first_seed + 1000 * (len(styles) + len(looks))
                sessions += make_any_sessions(browser, range(first, first + ANY_SHARE * count))
    return sessions


def accuracy(
    sessions: list[Session], choice: EngineChoice, *, list_misses: bool
) -> dict[str, Score]:
    """Print and return exact F1 and its companions per style, held-out styles apart."""
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
            f"  {100 * score.flags / max(1, FIELDS_OF_SHIFT * score.read):13.2f}%"
            f"   wrong dates {score.wrong_dates}/{score.sessions}"
        )
    if list_misses:
        for miss in totals["= all"].misses:
            _say(miss)
    return totals


def accuracy_figures(totals: dict[str, Score]) -> Iterator[Figure]:
    """Yield what issue 3 asks of the reading itself."""
    whole = totals["= held out"] if "= held out" in totals else totals["= all"]
    every = totals["= all"]
    styles = {name: score for name, score in totals.items() if not name.startswith("=")}
    worst = min(styles, key=lambda name: styles[name].exact_f1)
    silent = 1000 * every.wrong_unflagged / max(1, every.truth)
    flagged = 100 * every.flags / max(1, FIELDS_OF_SHIFT * every.read)
    for name, score, value, told, limit, is_reached in (
        ("exact shift F1", whole, whole.exact_f1, "", "≥ 0.985", whole.exact_f1 >= 0.985),
        ("date and time F1", whole, whole.timed_f1, "", "≥ 0.998", whole.timed_f1 >= 0.998),
        ("exact shift F1 of the worst style", styles[worst], styles[worst].exact_f1, worst,
         "≥ 0.97", styles[worst].exact_f1 >= 0.97),
        ("wrong and not flagged, of 1000", every, silent, "", "≤ 1", silent <= 1),
        ("flagged fields, of 100", every, flagged, "", "≤ 3", flagged <= 3),
    ):  # fmt: skip
        yield Figure(name, score.truth, f"{value:.4f} {told}".strip(), limit, is_reached)


def _print_figures(figures: Iterable[Figure]) -> list[Figure]:
    """Print each figure as soon as it is known; return all of them."""
    found = []
    _say(f"\n{'figure':40} {'of':>6}  {'reached':48} {'to reach':12}")
    for figure in figures:
        answer = "yes" if figure.is_reached else "no"
        _say(f"{figure.name:40} {figure.rows:6}  {figure.reached:48} {figure.to_reach:12} {answer}")
        found.append(figure)
    return found


def _keep(figures: Sequence[Figure]) -> None:
    """Leave the figures where `tests.bench.published` takes them from."""
    folder = runs_dir() / f"bench-ocr-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    text = json.dumps({"figures": [asdict(figure) for figure in figures]}, ensure_ascii=False)
    (folder / "bench.json").write_text(text + "\n", encoding="utf-8")
    _say(f"figures: {folder}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
