"""Progress where the person is: in JupyterLab a line that updates in place, in the record lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from backfill.report import Listener, paused, print_event, progress_line

SHOWN_SKIPS = 20
LEAST_SHARE = 0.02  # of a run between two lines of the record: some fifty lines, however long it is
_PAUSES = ("pause", "go_on")


class NotebookLine:
    """Listens to a run: progress in one line, messages below, the first skips in full.

    Every skip is in skips.csv and in the table `skips`; a cell is no place for thousands.
    """

    def __init__(self) -> None:
        self._handle: Any = None
        self._skips = 0
        self._last: Mapping[str, Any] = {}

    def __call__(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "outcome" or event.get("level") == "debug":
            return
        if event["type"] == "skip":
            self._skips += 1
            if self._skips == SHOWN_SKIPS + 1:
                print("… more skips: see skips.csv, or the table skips", file=sys.stderr)
            if self._skips > SHOWN_SKIPS:
                return
        if _has_notebook() and event["type"] == "progress":
            self._last = event
            self._update(progress_line(event))
        elif _has_notebook() and event["type"] in _PAUSES and self._last:
            self._update(progress_line(paused(self._last, event)))
        elif _has_notebook() and event["type"] == "message" and event.get("level") == "info":
            print(event["text"], flush=True)  # on stderr a notebook paints it red
        else:
            print_event(event)

    def _update(self, line: str) -> None:
        from IPython.display import display

        content = {"text/plain": line}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(content, raw=True)


class RecordLines:
    """Passes events on, and prints progress into the cell: plain lines, which the archive keeps."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._share: dict[str, float] = {}  # that was printed last, by phase

    def __call__(self, event: Mapping[str, Any]) -> None:
        if _has_notebook() and self._is_worth_a_line(event):
            print(event["text"] if event["type"] in _PAUSES else progress_line(event), flush=True)
        self._listener(event)

    def _is_worth_a_line(self, event: Mapping[str, Any]) -> bool:
        if event["type"] in _PAUSES:
            return True
        if event["type"] != "progress":
            return False
        whole = event["scanned"] + event["remaining"]
        share = event["scanned"] / whole if whole else 1.0
        before = self._share.get(event["phase"])
        if before is not None and share < before + LEAST_SHARE and event["remaining"]:
            return False
        self._share[event["phase"]] = share
        return True


def _has_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    return get_ipython() is not None
