"""`backfill init-table TABLE`: a first specification of another table, for a person to read."""

from __future__ import annotations

import argparse
from pathlib import Path

from backfill.command.commands import terminal_of
from backfill.command.ending import print_summary
from backfill.errors import ExitCode, UsageError
from backfill.next_command import next_command
from backfill.regular_file import check_target, whole


def add_init_table_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="a table's name, or schema.table")
    parser.add_argument(
        "--output", metavar="FILE", help="where the specification goes (default TABLE.toml)"
    )


def run_init_table(options: argparse.Namespace) -> int:
    """Write the specification; the connection is read-only, and no file is overwritten."""
    from backfill.jobs.registry import TABLES
    from backfill.server.database import open_database

    terminal = terminal_of(options)
    path = Path(options.output or f"{options.table}.toml").expanduser()
    check_target("--output", path)
    with open_database(terminal.message).connect(read_only=True) as connection:
        guessed = TABLES.guess(connection, options.table)
    _write_new(path, guessed.text)
    missing = guessed.to_fill_in
    if missing:
        terminal.message(
            f"{path} is not complete: fill in {', '.join(missing)}, where it says FILL IN.",
            "warning",
        )
    terminal.message(
        f"Wrote {path} with {guessed.guesses} guesses. Read them, then: "
        + next_command(TABLES.job, "--table", str(path))
    )
    print_summary(
        {
            "table": guessed.table,
            "file": str(path),
            "guesses": guessed.guesses,
            "to_fill_in": missing,
        }
    )
    return int(ExitCode.OK)


def _write_new(path: Path, text: str) -> None:
    try:
        with whole(path) as partial:
            partial.write_text(text, encoding="utf-8")
            path.touch(exist_ok=False)  # nobody else's from here on
    except FileExistsError:
        raise UsageError(
            f"{path} is there already and stays as it is. Name another file with --output FILE, "
            "or take that one away."
        ) from None
    except OSError as error:
        raise UsageError(
            f"{path} can not be written: {error.strerror}. Name another file with --output FILE."
        ) from None
