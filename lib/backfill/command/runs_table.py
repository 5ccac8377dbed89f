"""Runs as a command lists them: a table on a terminal, else a line each. Ids are whole, since one
that is cut off can not be typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backfill.display.on_terminal import console_of

#: How a status looks; the word says it as well.
TONES = {
    "succeeded": "green",
    "failed": "red",
    "broken": "red",
    "interrupted": "yellow",
    "paused": "yellow",
    "running": "cyan",
}


@dataclass(frozen=True, slots=True)
class Cells:
    """A run as a row. `counts` are numbers, or a text like "5 of 12"; `remarks` stand below."""

    run_id: str
    status: str
    kind: str
    counts: Sequence[int | str]
    remarks: str = ""


def run_line(run: Cells) -> str:
    scanned, updated, skipped = (f"{n:,}" if isinstance(n, int) else n for n in run.counts)
    kind = f"{run.kind:<7} " if run.kind else ""
    line = f"{run.run_id}  {run.status:<11} {kind}{scanned:>10} rows {updated:>10} updated "
    return "  ".join([f"{line}{skipped:>6} skipped", *([run.remarks] if run.remarks else [])])


def print_runs(runs: Sequence[Cells]) -> None:
    """Print runs, as wide as the terminal is; what is remarked stands below an id."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    widest = max((len(run.run_id) for run in runs), default=0)
    table.add_column("run", min_width=widest, max_width=max(widest, 40), overflow="fold")
    table.add_column("status")
    has_kinds = any(run.kind for run in runs)
    if has_kinds:
        table.add_column("")
    for name in ("rows", "updated", "skipped"):
        table.add_column(name, justify="right")
    for run in runs:
        remark = Text(f"\n{run.remarks}", style="dim") if run.remarks else Text()
        counts = (f"{count:,}" if isinstance(count, int) else count for count in run.counts)
        table.add_row(
            Text(run.run_id).append_text(remark),
            Text(run.status, style=TONES.get(run.status, "")),
            *([run.kind] if has_kinds else []),
            *counts,
        )
    console_of().print(table)
