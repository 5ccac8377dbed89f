"""`check` and `grants` for values that somebody has, and for tasks: as the task itself says."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from backfill.command.commands import database_of, given_of, print_summary, terminal_of
from backfill.command.metrics import write_metrics
from backfill.display.counting import counted
from backfill.errors import ExitCode, UsageError
from backfill.folder import RunFolder
from backfill.server.grants import Roles

#: Jobs that have ways of their own to be asked.
OWN_WAY = ("utc", "ocr")


def add_fill_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which rows of which table, for `--job fill`."""
    parser.add_argument("--set", action="append", metavar="COLUMN", help="columns of --job fill")
    parser.add_argument("--key", action="append", metavar="COLUMN", help="key of --job fill")
    parser.add_argument("--values", metavar="FILE", help="values of --job fill")
    parser.add_argument("--query", metavar="SQL", help="the same from DuckDB's SQL")


def _job(options: argparse.Namespace) -> Any:
    from backfill.jobs.registry import job_from, parameters_of
    from backfill.parameters import check_parameters

    return job_from(
        options.job, check_parameters(parameters_of(options.job), given_of(options), ())
    )


def check_task(options: argparse.Namespace) -> int:
    """Compute as a dry run does, and keep nothing of it: exit 8 while a row would be written."""
    from backfill.plans.staging import STAGING_FILE, Staging
    from backfill.report import Reporter

    job = _job(options)
    database, terminal = database_of(options), terminal_of(options)
    if not getattr(job, "has_values", True):
        raise UsageError("Which values are to be there? --values FILE, or --query SQL.")
    with database.connect(read_only=True) as connection:
        job.preflight(connection, writing=False)
    quiet = Reporter(lambda _event: None)
    with tempfile.TemporaryDirectory(prefix="backfill-check-") as name:
        folder = RunFolder(Path(name))
        staging = Staging(folder.file(STAGING_FILE))
        job.extract(database.dsn, staging, quiet)
        counts = job.compute(staging, folder, quiet).counts["by_scope"]
        staging.close()
    pending = {scope: part["updated"] for scope, part in counts.items() if part["updated"]}
    total = sum(pending.values())
    for scope, rows in pending.items():
        what = counted(rows, "row is to be written", "rows are to be written")
        terminal.message(f"{scope}: {what}", "warning")
    document = {"job": options.job, "total_pending": total, "pending": pending}
    print_summary(document)
    code = ExitCode.PENDING if total else ExitCode.OK
    write_metrics(options.metrics_file, document, int(code), options.job)
    return int(code)


def task_grants(options: argparse.Namespace, roles: Roles) -> str:
    """Return the script of the rights that a task needs, for each role."""
    from backfill.server.grants import grants_for
    from backfill.steps.task_rights import rights_of
    from backfill.steps.task_table import resolve

    job = _job(options)
    with database_of(options).connect(read_only=True) as connection:
        found = resolve(connection, job.task.names())
    rights = rights_of(found)
    relation = found.table.relation
    return grants_for(job.name, {relation: rights["SELECT"]}, {relation: rights["UPDATE"]}, roles)
