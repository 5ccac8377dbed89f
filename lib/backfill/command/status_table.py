"""`backfill status` on a terminal: a table of runs and one of what is pending, as wide as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_SCOPES = 20
_COLOURS = {
    "succeeded": "green",
    "failed": "red",
    "interrupted": "yellow",
    "paused": "yellow",
    "running": "cyan",
}


def print_tables(document: Mapping[str, Any]) -> None:
    """Print runs and pending rows; rich leaves colours out where `NO_COLOR` asks for that."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    runs = Table(box=None, pad_edge=False)
    # A run id that is cut off can not be typed; the numbers may go below each other.
    runs.add_column(
        "run", no_wrap=True, min_width=max((len(r["run_id"]) for r in document["runs"]), default=0)
    )
    runs.add_column("status")
    for name in ("rows", "updated", "skipped"):
        runs.add_column(name, justify="right")
    for run in document["runs"]:
        colour = _COLOURS.get(run["status"], "default")
        whole = run["scanned"] + run["remaining"]
        runs.add_row(
            run["run_id"],
            f"[{colour}]{run['status']}[/]",
            f"{whole:,}" if run["scanned"] == whole else f"{run['scanned']:,} of {whole:,}",
            f"{run['updated']:,}",
            f"{run['skipped']:,}",
        )
    console.print(runs)
    for run in document["runs"]:
        if run["waiting"]:
            console.print(f"{run['run_id']} waits: {escape(run['waiting'])}", style="yellow")
    _print_pending(console, document["pending"], Table, escape)


def _print_pending(console: Any, pending: Mapping[str, Any], table: Any, escape: Any) -> None:
    counts = pending.get("utc")
    if counts is None:
        console.print(f"\nPending rows are not known: {escape(str(pending.get('why', '')))}")
        return
    shown = table(f"pending ({pending['utc_total']:,})", box=None, pad_edge=False)
    shown.add_column("rows", justify="right")
    most = sorted(counts.items(), key=lambda entry: -entry[1])
    for scope, count in most[:MOST_SCOPES]:
        shown.add_row(escape(scope or "(no household)"), f"{count:,}")
    console.print()
    console.print(shown)
    if (more := pending["utc_scopes"] - len(most[:MOST_SCOPES])) > 0:
        console.print(f"… {more:,} more; a dry run's summary.json has all")
    for text in pending.get("hidden") or ():
        console.print(escape(str(text)), style="yellow")
