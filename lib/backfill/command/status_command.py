"""`backfill status`: once, or again and again until Ctrl-C or the run's end."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from backfill.command.commands import database_of, print_summary, terminal_of
from backfill.command.words import counted_in
from backfill.display.on_terminal import is_watched
from backfill.errors import ExitCode
from backfill.printing import say

WATCH_SECONDS = 2
_CLEAR = "\x1b[H\x1b[2J"


def add_status_options(parser: argparse.ArgumentParser) -> None:
    """Add what `backfill status` takes."""
    parser.add_argument("run_id", nargs="?", help="a run id, its unique beginning, or latest")
    parser.add_argument("--table", metavar="FILE", help="pending rows of the table of this TOML")
    parser.add_argument(
        "--watch",
        nargs="?",
        type=counted_in(1, 3600),
        const=WATCH_SECONDS,
        metavar="SECONDS",
        help=f"look again every so many seconds ({WATCH_SECONDS}), until Ctrl-C or the run's end",
    )


def run_status(options: argparse.Namespace) -> int:
    """Show runs, progress, pending rows."""
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
            if not _goes_on(document):
                return
            wait(options.watch)
    except KeyboardInterrupt:
        terminal_of(options).message("No longer watching; the run goes on.")


def _goes_on(document: dict[str, Any]) -> bool:
    return document.get("status", "running") == "running" or "runs" in document


def _show(options: argparse.Namespace, document: dict[str, Any]) -> None:
    from backfill.command.status_view import status_text

    if options.json:
        print_summary(document)
    elif document.get("runs") and is_watched():
        from backfill.command.status_table import print_tables

        print_tables(document)
    else:
        print(status_text(document), flush=True)
