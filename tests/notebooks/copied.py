"""Notebook 01 with a cell that nobody foresaw."""

from __future__ import annotations

import json
from pathlib import Path

from backfill.notebook import headless


def with_extra_cell(tmp_path: Path, before: str, source: str) -> Path:
    """Copy notebook 01 with one more cell before the first that holds the text `before`."""
    document = json.loads(headless.notebook_path("01_utc_backfill").read_text(encoding="utf-8"))
    cells = document["cells"]
    place = next(n for n, cell in enumerate(cells) if before in "".join(cell["source"]))
    extra = {"cell_type": "code", "id": "extra", "metadata": {}, "source": source}
    cells.insert(place, extra | {"outputs": [], "execution_count": None})
    path = tmp_path / "copied.ipynb"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
