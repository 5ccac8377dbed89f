"""Commands that look and say: what is pending, and whether a folder agrees."""

from __future__ import annotations

import argparse
from pathlib import Path

from backfill.command.commands import database_of, given_of, print_summary, terminal_of
from backfill.display.counting import counted
from backfill.errors import ExitCode
from backfill.folder import RunFolder, runs_dir


def run_check(options: argparse.Namespace) -> int:
    """`backfill check`: exit 8 while anything is pending, for a CI gate."""
    from backfill.jobs.registry import PARAMETERS, job_from
    from backfill.parameters import check_parameters

    values = check_parameters(PARAMETERS[options.job], {**given_of(options)}, ())
    job = job_from(options.job, values)
    with database_of(options).connect(read_only=True) as connection:
        found = job.preflight(connection, writing=False)
    pending = {scope: count for scope, count in found.pending.items() if count}
    total = sum(pending.values())
    terminal = terminal_of(options)
    for text in found.hidden:
        terminal.message(text, "warning")
    for scope, count in pending.items():
        what = counted(count, *found.what)
        terminal.message(f"{scope or '(no household)'}: {what}", "warning")
    print_summary({"job": options.job, "total_pending": total, "pending": pending})
    if total:
        return int(ExitCode.PENDING)
    return int(ExitCode.PREFLIGHT if found.hidden else ExitCode.OK)


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
