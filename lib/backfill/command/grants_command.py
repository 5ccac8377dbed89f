"""`backfill grants`: the least rights of each role, printed."""

from __future__ import annotations

import argparse
from pathlib import Path

from backfill.command.commands import terminal_of
from backfill.errors import ExitCode


def run_grants(options: argparse.Namespace) -> int:
    """`backfill grants`: print the least rights of planner, applier, reader and operator."""
    from backfill.server.catalog import resolve_table
    from backfill.server.grants import OPERATOR, READER, Roles, ocr_grants, table_grants
    from backfill.server.open_database import open_database
    from backfill.server.table import EVENTS, load_spec

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
    spec = load_spec(Path(options.table)) if options.table else EVENTS
    with open_database(terminal_of(options).message).connect(read_only=True) as connection:
        table = resolve_table(connection, spec)
    print(table_grants(table, roles))
    return int(ExitCode.OK)
