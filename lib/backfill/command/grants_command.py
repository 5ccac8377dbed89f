"""`backfill grants`: the least rights of each role, printed."""

from __future__ import annotations

import argparse

from backfill.command.checks import add_job_options, job_of
from backfill.command.commands import database_of
from backfill.errors import ExitCode
from backfill.jobs.entry import Entry
from backfill.server.roles import APPLIER, OPERATOR, PLANNER, READER


def add_grants_options(parser: argparse.ArgumentParser, task: Entry | None = None) -> None:
    """Add what `backfill grants` takes."""
    add_job_options(parser, task)
    parser.add_argument("--planner", default=PLANNER, help="role that plans")
    parser.add_argument("--applier", default=APPLIER, help="role that applies")
    parser.add_argument(
        "--reader",
        metavar="ROLE",
        help=f"role that looks: status, check, verify ({READER}, where there is one)",
    )
    parser.add_argument(
        "--operator",
        metavar="ROLE",
        help=f"role that pauses and cancels ({OPERATOR}, where there is one)",
    )


def run_grants(options: argparse.Namespace) -> int:
    """`backfill grants`: print the least rights of planner, applier, reader and operator."""
    from backfill.server.grants import Roles, grants_for

    named = (options.reader, options.operator)
    roles = Roles(
        options.planner,
        options.applier,
        options.reader or READER,
        options.operator or OPERATOR,
        frozenset({READER, OPERATOR} - set(named)),
    )
    _entry, job = job_of(options)
    rights = job.rights(lambda: database_of(options).connect(read_only=True))
    print(grants_for(job.name, rights, roles))
    return int(ExitCode.OK)
