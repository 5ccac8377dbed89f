"""`backfill runs`, `backfill compare`: which runs there are, and how two of them differ."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from backfill.command.commands import terminal_of
from backfill.command.ending import print_result, print_summary
from backfill.command.runs_table import Cells, print_runs, run_line
from backfill.command.words import counted_in
from backfill.display.counting import counted
from backfill.display.on_terminal import is_watched
from backfill.errors import BackfillError, ExitCode, UsageError, first_line
from backfill.folder import runs_dir
from backfill.next_command import next_command

if TYPE_CHECKING:
    from pathlib import Path

    from backfill.archive.runs_list import ListedRun

MOST_RUNS = 1_000
_TOLD_APART = ("folder only", "database only")


def add_runs_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "prune"),
        default="list",
        help="prune removes what can be had again of old runs, and keeps what proves",
    )
    parser.add_argument(
        "--keep-days",
        type=counted_in(0, 100_000),
        metavar="N",
        help="prune: touch no run of the last N days",
    )
    parser.add_argument("--dry-run", action="store_true", help="prune: say only what would go")
    parser.add_argument(
        "--job", metavar="NAME", help="only runs of this job, like utc, or of a task"
    )
    parser.add_argument("--status", metavar="WORD", help="only runs of this status, like planned")
    parser.add_argument(
        "--limit",
        type=counted_in(1, MOST_RUNS),
        default=50,
        metavar="N",
        help="the newest N, 1 to 1000 (default 50)",
    )


def run_runs(options: argparse.Namespace) -> int:
    """List runs, newest first, and make `runs/index.html` anew."""
    if options.action == "prune":
        return _prune(options)
    from backfill.archive.runs_index import rebuild_index
    from backfill.archive.runs_list import matching

    terminal = terminal_of(options)
    runs = runs_dir(options.runs_dir)
    listed, was_asked = _listed(runs, terminal.message)
    wanted = matching(listed, options.job, options.status)
    shown = wanted[: options.limit]
    if options.json:
        documents = [run.as_json() for run in shown]
        print_summary({"runs": documents, "total": len(wanted), "database_asked": was_asked})
    else:
        _print(shown, len(wanted))
    if runs.is_dir() and rebuild_index(runs):
        terminal.message(f"The same as a page: {runs / 'index.html'}")
    return int(ExitCode.OK)


def _prune(options: argparse.Namespace) -> int:
    """Remove working copies, leftovers and readings that are older than so many days."""
    from backfill.archive.prune import prune
    from backfill.jobs.registry import JOBS

    if options.keep_days is None:
        example = next_command("runs", "prune", "--keep-days", "30")
        raise UsageError(f"Say of how many days to keep all, for example: {example}")
    now = dt.datetime.now(dt.UTC)
    caches = [job.cache() for job in JOBS.values() if job.cache]
    runs, days = runs_dir(options.runs_dir), options.keep_days
    pruned = prune(runs, caches, days, now, dry_run=options.dry_run)
    would = "would go" if options.dry_run else "are gone"
    terminal_of(options).message(
        f"{counted(pruned.files, 'file')} of {pruned.bytes / 1e6:,.1f} MB {would}: working copies "
        f"of {counted(pruned.runs, 'run')}, and caches. What proves a run stays."
    )
    document = {"files": pruned.files, "bytes": pruned.bytes, "dry_run": bool(options.dry_run)}
    print_summary(document)
    return int(ExitCode.OK)


def add_compare_options(parser: argparse.ArgumentParser) -> None:
    says = "a run id, its unique beginning, latest, or a run's folder"
    parser.add_argument("run_a", metavar="RUN_A", help=f"the earlier run: {says}")
    parser.add_argument("run_b", metavar="RUN_B", help=f"the later run: {says}")
    parser.add_argument(
        "--output", metavar="FILE", help="write every difference to a .csv or .parquet file"
    )


def run_compare(options: argparse.Namespace) -> int:
    """Say which rows came, went and changed from one run to another, and what explains it."""
    from backfill.workbook import compare

    comparison = compare(
        options.run_a,
        options.run_b,
        runs_folder=options.runs_dir or "",
        output=options.output or "",
    )
    print_result(comparison.as_json(), comparison.as_shown(), as_json=options.json)
    if options.output:
        terminal_of(options).message(f"All {comparison.total:,} differences: {options.output}")
    return int(ExitCode.OK)


def _listed(runs: Path, say: Callable[[str, str], None]) -> tuple[list[ListedRun], bool]:
    """Return the runs of the folder and of the database, and whether it could be asked."""
    from backfill.archive.runs_list import list_runs
    from backfill.records.ledger import Ledger
    from backfill.server.database import open_database

    try:
        database = open_database(lambda text: say(text, "info"))
        with database.connect(read_only=True) as connection:
            ledger = Ledger(connection)
            return list_runs(runs, ledger.runs(MOST_RUNS), ledger.totals_by_run), True
    except BackfillError as error:
        said = f"The database was not asked, folders only: {first_line(error)}"
        say(f"{said} See: {next_command('doctor')}", "warning")
        return list_runs(runs), False


def _print(runs: Sequence[ListedRun], total: int) -> None:
    """Print a table for a person, a line each for a pipe."""
    if not (runs and is_watched()):
        print("\n".join(_lines(runs, total)), flush=True)
        return
    print_runs([_cells(run) for run in runs])
    if total > len(runs):
        print(f"… {total - len(runs):,} more: --limit N", flush=True)


def _cells(run: ListedRun) -> Cells:
    nothing = 0 if run.counts else "–"
    names = ("scanned", "updated", "skipped")
    counts = [run.counts.get(f"total_{name}", nothing) for name in names]
    kind = "dry run" if run.is_dry_run else "apply"
    return Cells(run.run_id, run.status, kind, counts, "; ".join(_remarks(run)))


def _remarks(run: ListedRun) -> Iterator[str]:
    if run.reverts:
        yield f"puts back {run.reverts}"
    if run.reverted_by:
        yield f"put back by {run.reverted_by}"
    if run.where in _TOLD_APART:
        yield f"[{run.where}]"
    if run.status in ("broken", "failed"):
        yield run.error[:100]


def _lines(runs: Sequence[ListedRun], total: int) -> list[str]:
    if not runs:
        return [
            f"No run matches. All runs: {next_command('runs')} · a first one: {next_command('utc')}"
        ]
    lines = [run_line(_cells(run)) for run in runs]
    if total > len(runs):
        lines.append(f"… {total - len(runs):,} more: --limit N")
    return lines
