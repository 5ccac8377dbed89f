"""Progress where the person is: in JupyterLab a line that updates in place, in the record lines."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from backfill.display.counting import counted
from backfill.display.pages import Shown, note
from backfill.errors import UsageError
from backfill.folder import RUN_ID_ENV
from backfill.report import (
    RELAY_ENV,
    Listener,
    listener_from_environment,
    paused,
    print_event,
    progress_line,
)

SKIPS_AT_ONCE = 50
TOLD_EVERY_SECONDS = 0.5
LEAST_SHARE = 0.02  # of a run between two lines of the record: some fifty lines, however long it is
_PAUSES = ("pause", "go_on")


class NotebookLine:
    """Listens to a run: progress in one line, rows left alone in another, messages below.

    Nothing is said on stderr, which a notebook paints red: the tables tell every row left alone.
    """

    def __init__(self) -> None:
        self._lines: dict[str, Any] = {}  # handles of what is updated in place, by what it tells
        self._skips: Counter[str] = Counter()  # by reason
        self._told_at = 0.0
        self._told_skips = 0
        self._last: Mapping[str, Any] = {}

    def __call__(self, event: Mapping[str, Any]) -> None:
        kind, level = event["type"], event.get("level", "info")
        if kind == "outcome" or level == "debug":
            return
        if not _has_notebook():
            print_event(event)
        elif kind == "skip":
            self._count(str(event.get("reason", "")))
        elif kind == "progress":
            self._last = event
            self._update("progress", progress_line(event))
        elif kind in _PAUSES and self._last:
            self._update("progress", progress_line(paused(self._last, event)))
        elif kind == "message" and level == "info":
            print(event["text"], flush=True)
        elif kind == "message":
            self._show(note(event["text"], level))
        elif kind != "tick":
            print_event(event)

    def end_step(self) -> None:
        """Say what a step counted last and kept to itself."""
        if self._told_skips != self._skips.total():
            self._tell_skips()

    def _count(self, reason: str) -> None:
        """Count a row left alone; of very many, not each is worth a word to the browser."""
        self._skips[reason] += 1
        is_time = time.monotonic() > self._told_at + TOLD_EVERY_SECONDS
        if self._skips.total() <= SKIPS_AT_ONCE or is_time:
            self._tell_skips()

    def _tell_skips(self) -> None:
        self._told_at, self._told_skips = time.monotonic(), self._skips.total()
        self._update("skips", _left_alone(self._skips))

    def _show(self, shown: Shown) -> None:
        from IPython.display import display

        display(shown)  # type: ignore[no-untyped-call]

    def _update(self, what: str, line: str) -> None:
        from IPython.display import display

        content = {"text/plain": line}
        if what not in self._lines:
            self._lines[what] = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._lines[what].update(content, raw=True)


def _left_alone(skips: Counter[str]) -> str:
    """Return how many rows were left alone and why, in a line."""
    listed = ", ".join(f"{reason} {count:,}" for reason, count in sorted(skips.items()))
    says = counted(skips.total(), "row is", "rows are")
    return f"{says} left alone so far ({listed}): run.skips has each of them."


class RecordLines:
    """Passes events on, and prints progress into the cell: plain lines, which the archive keeps."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._share: float | None = None  # that was printed last

    def __call__(self, event: Mapping[str, Any]) -> None:
        if _has_notebook() and self._is_worth_a_line(event):
            print(event["text"] if event["type"] in _PAUSES else progress_line(event), flush=True)
        self._listener(event)

    def end_step(self) -> None:
        """Nothing is kept back from the record."""

    def _is_worth_a_line(self, event: Mapping[str, Any]) -> bool:
        if event["type"] in _PAUSES:
            return True
        if event["type"] != "progress":
            return False
        whole = event["scanned"] + event["remaining"]
        share = event["scanned"] / whole if whole else 1.0
        before = self._share
        if before is not None and share < before + LEAST_SHARE and event["remaining"]:
            return False
        self._share = share
        return True


def _has_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    return get_ipython() is not None


def is_beside() -> bool:
    """Whether a command runs this kernel and has its run: what else is opened is the notebook's."""
    return RELAY_ENV in os.environ and RUN_ID_ENV not in os.environ


def listener(*, beside: bool) -> NotebookLine | RecordLines:
    """Return where events go: to the command line that started us, or below the cell."""
    relayed = None if beside else listener_from_environment()
    return RecordLines(relayed) if relayed else NotebookLine()


#: The run of the command that runs this kernel, as long as its end is not told.
_runs: list[str] = []


def note_run(run_id: str) -> None:
    _runs.extend([run_id] if run_id else [])


def note_end(run_id: str) -> None:
    _runs[:] = [known for known in _runs if known != run_id]


def refuse_second() -> None:
    """Raise `UsageError` where a notebook that a command runs has not ended its run yet.

    What is opened then is no run of the command's: it would not know what that one writes.
    """
    if is_beside() and _runs:
        raise UsageError(
            f"Run {_runs[0]} of this notebook has not ended, and a cell opens another one. Open it "
            "once, or the second one behind run.summary() of the first."
        )
