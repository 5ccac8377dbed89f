"""Notebook 01 with a cell that nobody foresaw, and a notebook as a command executes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from backfill.folder import RunFolder
from backfill.notebook import headless
from backfill.notebook.kernel import kernel_ahead
from backfill.notebook.relay import Terminal
from backfill.notebook.run_signals import RunSignals, listening


def with_extra_cell(tmp_path: Path, before: str, source: str) -> Path:
    """Copy notebook 01 with one more cell before the first that holds the text `before`.

    An empty one stands for its end.
    """
    document = json.loads(headless.notebook_path("01_utc_backfill").read_text(encoding="utf-8"))
    cells = document["cells"]
    places = (n for n, cell in enumerate(cells) if before in "".join(cell["source"]))
    place = next(places) if before else len(cells)
    extra = {"cell_type": "code", "id": "extra", "metadata": {}, "source": source}
    cells.insert(place, extra | {"outputs": [], "execution_count": None})
    path = tmp_path / "copied.ipynb"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def run_notebook(
    name: str,
    folder: RunFolder,
    parameters: Mapping[str, Any],
    signals: RunSignals | None = None,
    *,
    output: str = "notebook.ipynb",
    meanwhile: Callable[[], None] = lambda: None,
) -> headless.Ended:
    """Execute a notebook as a command does, with a kernel and, unless given, signals of its own."""
    terminal = Terminal(quiet=True)
    with kernel_ahead() as kernel, listening(lambda _text: None) as own:
        heard = signals or own
        return headless.run_notebook(
            name, folder, output, parameters, terminal, meanwhile, heard, kernel
        )
