"""`backfill status` on a terminal: a table of runs and one of what is pending, as wide as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backfill.command.runs_table import Cells, print_runs
from backfill.display.on_terminal import console_of, print_grid
from backfill.display.pages import Grid

MOST_SCOPES = 20


def print_tables(document: Mapping[str, Any]) -> None:
    """Print runs and pending rows."""
    print_runs([_cells(run) for run in document["runs"]])
    console = console_of()
    for run in document["runs"]:
        if run["waiting"]:
            console.print(f"{run['run_id']} waits: {run['waiting']}", style="yellow")
    console.print()
    _print_pending(console, document["pending"])


def _cells(run: Mapping[str, Any]) -> Cells:
    whole = run["scanned"] + run["remaining"]
    rows = whole if run["scanned"] == whole else f"{run['scanned']:,} of {whole:,}"
    return Cells(run["run_id"], run["status"], "", (rows, run["updated"], run["skipped"]))


def _print_pending(console: Any, pending: Mapping[str, Any]) -> None:
    counts = pending.get("utc")
    if counts is None:
        console.print(f"Pending rows are not known: {pending.get('why', '')}")
        return
    most = sorted(counts.items(), key=lambda entry: -entry[1])[:MOST_SCOPES]
    rows = [(scope or "(no household)", count) for scope, count in most]
    print_grid(console, Grid("", (f"pending ({pending['utc_total']:,})", "rows"), rows))
    if (more := pending["utc_scopes"] - len(most)) > 0:
        console.print(f"… {more:,} more; a dry run's summary.json has all")
    for text in pending.get("hidden") or ():
        console.print(str(text), style="yellow")
