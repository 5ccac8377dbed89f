"""`backfill explain RUN_ID KEY`: why a value is what it is."""

from __future__ import annotations

import argparse

from backfill.command.commands import print_summary, terminal_of
from backfill.errors import ExitCode
from backfill.folder import runs_dir


def run_explain(options: argparse.Namespace) -> int:
    """Print what folder, ledger and table tell of one row. Writes nothing anywhere."""
    from backfill.notebook.asking import explain_row
    from backfill.server.open_database import open_database

    database = open_database(terminal_of(options).message)
    found = explain_row(database, options.run_id, runs_dir(options.runs_dir), options.key)
    if options.json:
        print_summary(found.document)
    else:
        print(found.shown.text, flush=True)
    return int(ExitCode.OK)
