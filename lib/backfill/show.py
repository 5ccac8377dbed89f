"""Progress where the person is: in JupyterLab a line that updates in place."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from backfill.report import print_event, progress_line

SHOWN_SKIPS = 20


class NotebookLine:
    """Listens to a run: progress in one line, messages below, the first skips in full.

    Every skip is in skips.csv and in the table `skips`; a cell is no place for thousands.
    """

    def __init__(self) -> None:
        self._handle: Any = None
        self._skips = 0

    def __call__(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "outcome" or event.get("level") == "debug":
            return
        if event["type"] == "skip":
            self._skips += 1
            if self._skips == SHOWN_SKIPS + 1:
                print("… more skips: see skips.csv, or the table skips", file=sys.stderr)
            if self._skips > SHOWN_SKIPS:
                return
        if event["type"] == "progress" and "IPython" in sys.modules:
            self._update(progress_line(event))
        else:
            print_event(event)

    def _update(self, line: str) -> None:
        from IPython.core.getipython import get_ipython
        from IPython.display import display

        if get_ipython() is None:
            print(line, file=sys.stderr, flush=True)
            return
        content = {"text/plain": line}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(content, raw=True)
