"""`backfill status`: once, or again and again until Ctrl-C or the run's end."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from backfill.command.commands import database_of, terminal_of
from backfill.command.ending import print_summary
from backfill.command.options import path_option
from backfill.command.runs_table import print_runs
from backfill.command.words import counted_in
from backfill.display.on_terminal import console_of, is_watched, print_grid
from backfill.display.pages import Grid
from backfill.errors import ExitCode
from backfill.printing import say

WATCH_SECONDS = 2
_CLEAR = "\x1b[H\x1b[2J"


def add_status_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", nargs="?", help="a run id, its unique beginning, or latest")
    parser.add_argument(
        "--table", metavar="FILE", type=path_option, help="pending rows of this TOML's table"
    )
    parser.add_argument(
        "--watch",
        nargs="?",
        type=counted_in(1, 3600),
        const=WATCH_SECONDS,
        metavar="SECONDS",
        help=f"look again every so many seconds ({WATCH_SECONDS}), until Ctrl-C or the run's end",
    )


def run_status(options: argparse.Namespace) -> int:
    database = database_of(options)

    def look() -> dict[str, Any]:
        from backfill.command.status_view import status_document

        with database.connect(read_only=True) as connection:
            return status_document(connection, options.run_id, options.table)

    if not options.watch:
        _show(options, look())
        return int(ExitCode.OK)
    watch(options, look, time.sleep)
    return int(ExitCode.OK)


def watch(
    options: argparse.Namespace, look: Callable[[], dict[str, Any]], wait: Callable[[float], None]
) -> None:
    """Show again and again, in one place on a terminal, until the run that is watched has ended."""
    is_screen = is_watched() and not options.json
    try:
        while True:
            document = look()
            if is_screen:
                say(_CLEAR, sys.stdout, end="")
            _show(options, document)
            if document.get("status", "running") != "running" and "runs" not in document:
                return
            wait(options.watch)
    except KeyboardInterrupt:
        terminal_of(options).message("No longer watching; the run goes on.")


def _show(options: argparse.Namespace, document: dict[str, Any]) -> None:
    from backfill.command.status_view import status_text

    if options.json:
        print_summary(document)
    elif document.get("runs") and is_watched():
        print_tables(document)
    else:
        print(status_text(document), flush=True)


MOST_SCOPES = 20


def print_tables(document: Mapping[str, Any]) -> None:
    from backfill.command.status_view import cells_of, shown_pending

    print_runs([cells_of(run) for run in document["runs"]])
    console = console_of()
    for run in document["runs"]:
        if run["waiting"]:
            console.print(f"{run['run_id']} waits: {run['waiting']}", style="yellow")
    console.print()
    pending = shown_pending(document["pending"], MOST_SCOPES)
    if isinstance(pending, str):
        console.print(pending)
        return
    print_grid(console, Grid("", (f"pending ({pending.heading})", "rows"), pending.rows))
    if pending.beyond:
        console.print(pending.beyond)
    for text in pending.warnings:
        console.print(str(text), style="yellow")
