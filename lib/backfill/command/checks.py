"""Commands that look and say: what is pending, and whether a folder agrees."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from backfill.command.commands import database_of, given_of, print_summary, terminal_of
from backfill.command.metrics import write_metrics
from backfill.command.task_commands import OWN_WAY, add_fill_options, check_task
from backfill.display.counting import counted
from backfill.errors import ExitCode, UsageError
from backfill.folder import RunFolder, runs_dir
from backfill.next_command import next_command

SHOWN_ROWS = 100
SHOWN_SCOPES = 100


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """Add what `backfill check` takes."""
    parser.add_argument(
        "--job", default="utc", metavar="JOB", help="utc (the default), fill, or a task's name"
    )
    add_fill_options(parser)
    parser.add_argument("--household-id", action="append", metavar="ID", help="only this household")
    parser.add_argument("--table", metavar="FILE", help="TOML of another table; for fill its name")
    parser.add_argument("--default-tz", metavar="TZ", help="as the runs have it")
    parser.add_argument("--default-tz-first", action="store_true", default=None, help="the same")
    parser.add_argument(
        "--deep",
        action="store_true",
        help="compare filled rows as well; exit 8 for any that differs",
    )
    parser.add_argument(
        "--allow-known",
        metavar="FILE",
        help="skips.csv of an accepted run: rows that can not be mended pass",
    )
    parser.add_argument("--output", metavar="FILE", help="CSV of every value that differs")


def run_check(options: argparse.Namespace) -> int:
    """`backfill check`: exit 8 while anything is pending, for a CI gate."""
    from backfill.jobs.registry import PARAMETERS, job_from
    from backfill.parameters import check_parameters

    if options.job == "ocr":
        raise UsageError("Nobody can count what screenshots would change without reading them.")
    if options.job not in OWN_WAY:
        return check_task(options)
    deep = {"deep", "allow_known", "output"}
    given = {name: value for name, value in given_of(options).items() if name not in deep}
    values = check_parameters(PARAMETERS[options.job], given, ())
    job = job_from(options.job, values)
    if options.deep or options.allow_known:
        return _check_rows(options, job)
    if options.output:
        raise UsageError("--output lists rows that differ: give --deep as well.")
    with database_of(options).connect(read_only=True) as connection:
        found = job.preflight(connection, writing=False)
    pending = {scope: count for scope, count in found.pending.items() if count}
    total = sum(pending.values())
    terminal = terminal_of(options)
    for text in found.hidden:
        terminal.message(text, "warning")
    shown = dict(sorted(pending.items(), key=lambda entry: -entry[1])[:SHOWN_SCOPES])
    for scope, count in shown.items():
        what = counted(count, *found.what)
        terminal.message(f"{scope or '(no household)'}: {what}", "warning")
    document: dict[str, Any] = {"job": options.job, "total_pending": total}
    document |= {"pending": {scope: count for scope, count in pending.items() if scope in shown}}
    if len(pending) > len(shown):
        terminal.message(_more(len(pending) - len(shown)), "warning")
        document["pending_scopes"] = len(pending)
    print_summary(document)
    code = ExitCode.PREFLIGHT if found.hidden else ExitCode.OK
    code = ExitCode.PENDING if total else code
    write_metrics(options.metrics_file, document, int(code), options.job)
    return int(code)


def _more(scopes: int) -> str:
    return f"… {scopes:,} more with fewer rows; all of them: {next_command('status', '--json')}"


def _check_rows(options: argparse.Namespace, job: Any) -> int:
    """Look at the rows themselves: what waits and is not known, and with --deep what differs."""
    from backfill.jobs.utc.deep_check import check_deep, load_known, write_differing
    from backfill.server.catalog import hidden_rows

    known = load_known(Path(options.allow_known)) if options.allow_known else frozenset()
    database, terminal = database_of(options), terminal_of(options)
    with database.connect(read_only=True) as connection:
        zoned = job.look_up(connection, writing=False)
        hidden = hidden_rows(connection, zoned.table)
    found = check_deep(database.dsn, zoned, job.utc_settings, known, has_filled=bool(options.deep))
    for text in hidden:
        terminal.message(text, "warning")
    for scope, count in found.pending.most_common(SHOWN_SCOPES):
        what = counted(count, "row is pending", "rows are pending")
        terminal.message(f"{scope or 'the table'}: {what}", "warning")
    for row in found.differing[:SHOWN_ROWS]:
        terminal.message(
            f"{row['key']}: {row['column']} is {row['before']}, should be {row['after']} "
            f"({row['pattern']}, {row['moves_by_s']} s)",
            "warning",
        )
    if len(found.differing) > SHOWN_ROWS:
        terminal.message(f"… {len(found.differing):,} values differ in all.", "warning")
    if options.output:
        write_differing(Path(options.output), found)
    document = {"job": options.job, **found.summary()}
    print_summary(document)
    code = ExitCode.PREFLIGHT if hidden else ExitCode.OK
    code = code if found.is_clean else ExitCode.PENDING
    write_metrics(options.metrics_file, document, int(code), options.job)
    return int(code)


def run_evidence(options: argparse.Namespace) -> int:
    """`backfill evidence check RUN_DIR`: do hashes, notebook and database agree?"""
    from backfill.archive.run_facts import find_folder
    from backfill.jobs.registry import kind_of
    from backfill.records.ledger import Ledger
    from backfill.steps.evidence_check import disagreements

    path = Path(options.run_dir).resolve()
    if path.is_dir():
        folder = RunFolder.of(path.parent, path.name)
    else:
        folder = find_folder(runs_dir(options.runs_dir), options.run_dir)
    with database_of(options).connect(read_only=True) as connection:
        found = disagreements(folder, Ledger(connection), kind_of)
    terminal = terminal_of(options)
    for text in found:
        terminal.message(text, "error")
    if not found:
        terminal.message(f"Hashes, notebook, plan and database of {folder.run_id} agree.")
    print_summary({"run_id": folder.run_id, "agrees": not found, "disagreements": found})
    return int(ExitCode.VERIFY_FAILED if found else ExitCode.OK)
