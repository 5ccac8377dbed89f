"""`make bench`: our way beside what a user would write instead, and beside the bound.

Everything runs on one throw-away server, each contender in a process of its own on a fresh copy
of the same database, in interleaved rounds. Ratios first: seconds of a shared machine mean
little. Writes JSON, a table and plots into `runs/bench-…/`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench import (
    computing,
    contender,
    fill,
    page,
    pooler,
    reading,
    screens,
    shapes,
    start,
    tables,
    whole,
    writing,
)
from tests.bench.figures import Measures, figures, needed_beside
from tests.bench.server import Server

from backfill.folder import runs_dir
from backfill.stop import handled

GROUPS = {
    "writing": writing.CONTENDERS,
    "reading": reading.CONTENDERS,
    "computing": computing.CONTENDERS,
    "whole": whole.CONTENDERS,
    "screens": screens.CONTENDERS,
    "shapes": shapes.CONTENDERS,
    "fill": fill.CONTENDERS,
    "tables": tables.CONTENDERS,
    "pooler": pooler.CONTENDERS,
    "start": start.CONTENDERS,
}
#: No figure to reach depends on what a table's order, indexes and triggers cost.
USUAL_GROUPS = [name for name in GROUPS if name != "shapes"]
SIZELESS_GROUPS = ("screens", "start")
SCREENSHOTS = 12
#: Beyond this many rows nobody waits for these, and the list of all rows needs 7 GB.
LARGE_ROWS = 2_000_000
TOO_SLOW_FOR_LARGE = {
    "fetchall, zoneinfo, executemany",
    "fetchall, dataframe, into DuckDB",
    "executemany, 500",
}


def main(arguments: Sequence[str] | None = None) -> Path:
    """Measure what was asked for, print the table, and return the folder with all of it."""
    options = _options(arguments)
    sizes: list[Measures] = []
    with (
        # As an error, so that the server is stopped on the way out.
        handled([signal.SIGTERM], lambda number, _frame: sys.exit(128 + number)),
        tempfile.TemporaryDirectory(prefix="backfill-bench-") as home,
    ):
        server = Server(Path(home))
        try:
            for rows in sorted(options.rows):
                sizes.append(_measure(server, rows, options))
        finally:
            server.close()
    found = figures(sizes) + [figure for size in sizes for figure in tables.figures(size)]
    folder = runs_dir() / f"bench-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    page.write(folder, sizes, found)
    print(page.markdown(sizes, found))
    print(f"figures: {folder}")
    return folder


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=USUAL_GROUPS)
    parser.add_argument("--only", nargs="+", help="contenders whose name holds one of these texts")
    parser.add_argument("--screenshots", type=int, default=SCREENSHOTS)
    return parser.parse_args(arguments)


def _measure(server: Server, rows: int, options: argparse.Namespace) -> Measures:
    """Return all rounds of one size. What does not depend on it runs with the first only."""
    measures = Measures(rows)
    is_first = rows == min(options.rows)
    for number in range(options.rounds):
        for group, name in _chosen(rows, options, is_first=is_first):
            print(f"{rows:,} rows, round {number + 1}: {name}", file=sys.stderr, flush=True)
            dsn = "" if group in ("computing", "screens") else server.fresh(rows)
            items = options.screenshots if group == "screens" else rows
            measures.add(name, contender.run(group, name, dsn, items))
    return measures


def _chosen(rows: int, options: argparse.Namespace, *, is_first: bool) -> list[tuple[str, str]]:
    """Return (group, contender) in the order of a round."""
    return [
        (group, name)
        for group, name in _asked(options)
        if rows < LARGE_ROWS or name not in TOO_SLOW_FOR_LARGE
        if is_first
        or (group not in ("screens", "start") and name not in (whole.HELP, whole.STATUS))
        if group != "tables" or rows == _rows_of_tables(options)
    ]


def _asked(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the contenders of the groups asked for, or of those `only` some; without `only` also
    what stands beside them in a figure."""
    groups = {group: [*GROUPS[group]] for group in options.groups}
    if options.only:
        for group, names in groups.items():
            groups[group] = [n for n in names if any(text in n for text in options.only)]
    asked = [(group, name) for group, names in groups.items() for name in names]
    beside = [] if options.only else needed_beside({name for _group, name in asked})
    return asked + [(g, name) for name in beside for g in GROUPS if name in GROUPS[g]]


def _rows_of_tables(options: argparse.Namespace) -> int:
    """Return the size at which tables of other shapes run: the largest for which one waits."""
    sizes: list[int] = options.rows
    return max((rows for rows in sizes if rows < LARGE_ROWS), default=min(sizes))


if __name__ == "__main__":
    main()
