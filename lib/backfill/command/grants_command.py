"""`backfill grants`: the least rights of each role, printed."""

from __future__ import annotations

import argparse
from pathlib import Path

from backfill.command.commands import terminal_of
from backfill.command.task_commands import OWN_WAY, add_fill_options, task_grants
from backfill.errors import ExitCode
from backfill.server.roles import APPLIER, OPERATOR, PLANNER, READER


def add_grants_options(parser: argparse.ArgumentParser) -> None:
    """Add what `backfill grants` takes."""
    parser.add_argument(
        "--job", default="utc", metavar="JOB", help="utc (the default), ocr, fill, or a task's name"
    )
    add_fill_options(parser)
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
    parser.add_argument("--table", metavar="FILE", help="TOML of another table; for fill its name")
    parser.add_argument("--db-schema", default="schedule_ingest", help="schema of the OCR job")


def run_grants(options: argparse.Namespace) -> int:
    """`backfill grants`: print the least rights of planner, applier, reader and operator."""
    from backfill.jobs.utc.resolve import resolve_table
    from backfill.jobs.utc.spec_file import load_spec
    from backfill.jobs.utc.table_spec import EVENTS
    from backfill.server.grants import Roles, ocr_grants, table_grants
    from backfill.server.open_database import open_database

    named = (options.reader, options.operator)
    roles = Roles(
        options.planner,
        options.applier,
        options.reader or READER,
        options.operator or OPERATOR,
        frozenset({READER, OPERATOR} - set(named)),
    )
    if options.job == "ocr":
        print(ocr_grants(options.db_schema, roles=roles))
        return int(ExitCode.OK)
    if options.job not in OWN_WAY:
        print(task_grants(options, roles))
        return int(ExitCode.OK)
    spec = load_spec(Path(options.table)) if options.table else EVENTS
    with open_database(terminal_of(options).message).connect(read_only=True) as connection:
        table = resolve_table(connection, spec).table
    print(table_grants(table, roles))
    return int(ExitCode.OK)
