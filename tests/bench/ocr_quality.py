"""How well sessions are read that the reader's makers did not draw: asked rightly, never wrong."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image
from tests.bench.figure import Figure
from tests.bench.ocr_remember import RememberingChoice
from tests.bench.ocr_truth import HEAD, Tally, TrueSession, judge, lines_of, load_truth, misses_of

from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.reader.pool import read_images
from backfill.workers.executor import default_workers

#: The folder with sets of screens from elsewhere, each a folder with a `truth.json`.
SHARED_ENV = "BACKFILL_SCREENS"
MEMORY = Path(".cache/bench-ocr")
COMMON_REASONS = 12


def shared_sessions(folder: str | None) -> list[TrueSession]:
    """Return the sessions of every set in the folder; none where there is no such folder."""
    root = Path(folder or os.environ.get(SHARED_ENV, ""))
    return (
        [
            session
            for path in sorted(root.glob("*/truth.json"))
            for session in load_truth(path.parent)
        ]
        if folder or SHARED_ENV in os.environ
        else []
    )


def made_small(session: TrueSession, share: float) -> TrueSession:
    """Return a session with pictures of that share of their sides, as a messenger makes them."""
    images = []
    for image in session.images:
        view = Image.open(io.BytesIO(image.data)).convert("RGB")
        buffer = io.BytesIO()
        view.resize((int(view.width * share), int(view.height * share))).save(buffer, "PNG")
        images.append(replace(image, data=buffer.getvalue()))
    return replace(session, images=tuple(images))


def tallies(sessions: Iterable[TrueSession], choice: EngineChoice) -> dict[str, Tally]:
    """Return the figures of each group of sessions, read on all cores."""
    todo = list(sessions)
    outcomes = read_images(
        [image.data for session in todo for image in session.images],
        workers=default_workers(),
        engine_factory=RememberingChoice(choice, str(MEMORY)),
    )
    found: dict[str, Tally] = {}
    for session in todo:
        read = list(itertools.islice(outcomes, len(session.images)))
        found.setdefault(session.group, Tally()).verdicts.append(judge(session, read))
    return found


def tell(found: dict[str, Tally], say: Callable[[str], object], *, list_misses: bool) -> None:
    """Print the table, the commonest doubts of each set, and each session that needs a word."""
    lines: Sequence[str] = HEAD.split("\n")
    for line in lines:
        say(line)
    for name, tally in sorted(found.items()):
        for line in lines_of(name, tally):
            say(line)
    for name, tally in sorted(found.items()):
        told = ", ".join(f"{why} {n}" for why, n in tally.reasons.most_common(COMMON_REASONS))
        say(f"{name}, flagged by reason: {told or 'nothing'}")
        if list_misses:
            for line in misses_of(tally):
                say(line)


def goals(found: dict[str, Tally]) -> Iterator[Figure]:
    """Yield what is promised of looks never seen; of sets that may be tuned on, nothing."""
    for name, tally in sorted(found.items()):
        if "tune" in name:
            continue
        silent, shifts = tally.silently_wrong_shifts, tally.truth
        if tally.is_of_traps:
            yield Figure(f"{name}: silently wrong", shifts, f"{silent} shifts", "0", silent == 0)
            continue
        exact = 0.99 if name.startswith("app") else 0.985
        held = tally.held_though_right - tally.held_for_the_end
        told = f"{held} of {len(tally.verdicts)}, beside {tally.held_for_the_end} without an end"
        yield from (
            Figure(f"{name}: exact F1", shifts, f"{tally.exact_f1:.4f}", f"≥ {exact}",
                   tally.exact_f1 >= exact),
            Figure(f"{name}: date and time F1", shifts, f"{tally.timed_f1:.4f}", "≥ 0.998",
                   tally.timed_f1 >= 0.998),
            Figure(f"{name}: silently wrong", shifts, f"{silent} shifts", "≤ 1 in 1000",
                   1000 * silent <= shifts),
            Figure(f"{name}: held though right", shifts, told, "≤ 1 in 20",
                   20 * held <= len(tally.verdicts)),
        )  # fmt: skip
