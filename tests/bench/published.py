"""`python -m tests.bench.published FILE …`: put the figures of benchmarks into docs/performance.md.

Each FILE is the `bench.json` of a call of `make bench`, `make bench-quick`, `make bench-10m` or
`make bench-ocr`. Of a figure that several calls have for the same number of rows the last one
counts; one that was promised and that no call has is listed as not measured.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import tables
from tests.bench.figure import Figure
from tests.bench.figures import promised
from tests.bench.page import figures_table

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- figures of make bench -->", "<!-- end of figures -->"


def with_figures(text: str, documents: Sequence[Mapping[str, Any]]) -> str:
    """Return the page with the figures between its marks."""
    found: dict[tuple[str, int], Figure] = {}
    for document in documents:
        for entry in document["figures"]:
            figure = Figure(**entry)
            found[figure.name, figure.rows] = figure
    head, _, rest = text.partition(BEGIN)
    _, mark, tail = rest.partition(END)
    if not mark:
        raise SystemExit(f"{PAGE} has no place for the figures: {BEGIN} … {END}")
    measured = {name for name, _rows in found}
    missing = [
        f"| {name} |  | not measured | {to_reach} |  |"
        for name, to_reach in (promised() | tables.promised()).items()
        if name not in measured
    ]
    table = "\n".join([*figures_table(list(found.values())), *missing])
    return f"{head}{BEGIN}\n{table}\n{END}{tail}"


def main(files: Sequence[str]) -> None:
    """Renew the page from these files."""
    documents = [json.loads(Path(name).read_text(encoding="utf-8")) for name in files]
    PAGE.write_text(with_figures(PAGE.read_text(encoding="utf-8"), documents), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
