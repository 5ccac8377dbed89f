"""What each command about this machine does: its database, its health, JupyterLab, the demo."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from backfill.command.commands import terminal_of
from backfill.command.ending import print_summary
from backfill.display.on_terminal import is_watched
from backfill.errors import ExitCode, UsageError
from backfill.folder import project_root, runs_dir
from backfill.next_command import next_command
from backfill.printing import let_out

CASES = "tests/chaos/selftest"


def run_db(options: argparse.Namespace) -> int:
    """`backfill db start|stop|url|seed|reset`: the embedded database."""
    from backfill.server.embedded import EmbeddedServer, default_home

    server = EmbeddedServer(default_home())
    terminal = terminal_of(options)
    if options.action == "stop":
        server.stop()
        terminal.message("The embedded PostgreSQL is stopped.")
    elif options.action == "reset":
        server.reset()
        terminal.message("The embedded PostgreSQL and its data are gone.")
    else:
        server.start()
        if options.action == "url":
            print(server.dsn)
            return int(ExitCode.OK)
        if options.action == "seed":
            terminal.message(_seed(server.dsn, options.encoding))
        else:
            terminal.message(
                f"The embedded PostgreSQL is running. Stop it: {next_command('db', 'stop')}"
            )
    print_summary({"action": options.action, "running": server.is_running()})
    return int(ExitCode.OK)


def _seed(dsn: str, encoding: Any) -> str:
    """Load the demo; return what was loaded, for a person."""
    from backfill.server.postgres import connect
    from backfill_lab.demo.seed import SEEDED, seed

    with connect(dsn) as connection:
        seed(connection, encoding)
    return SEEDED


def run_doctor(options: argparse.Namespace) -> int:
    """`backfill doctor`: what is wrong here, and the command that mends it."""
    from backfill.command.doctor import examine, print_findings

    findings = examine(options.runs_dir, options.table)
    if is_watched():
        print_findings(findings)
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.is_well else 'BAD '} {finding.what}: {finding.detail}")
            if not finding.is_well and finding.mend:
                print(f"     mend: {finding.mend}")
    let_out()
    bad = [finding.what for finding in findings if not finding.is_well]
    print_summary({"healthy": not bad, "wrong": bad})
    return int(ExitCode.PREFLIGHT if bad else ExitCode.OK)


def run_lab(options: argparse.Namespace) -> int:
    """`backfill lab`: JupyterLab on copies of the notebooks, with the database ready."""
    from backfill.notebook.lab import open_lab

    _hand_on_runs(options)
    folder = Path(options.notebooks_dir) if options.notebooks_dir else None
    return open_lab(options.lab_options, terminal_of(options), folder)


def run_demo(options: argparse.Namespace) -> int:
    """`backfill demo`: the three jobs on invented data, from dry run to proof."""
    from backfill.command.demo_command import tour

    _hand_on_runs(options)
    return tour(terminal_of(options))


def _hand_on_runs(options: argparse.Namespace) -> None:
    """Let `--runs-dir` hold for the processes that this command starts."""
    if options.runs_dir:
        os.environ["BACKFILL_RUNS_DIR"] = str(runs_dir(options.runs_dir))


def run_selftest(options: argparse.Namespace) -> int:
    """`backfill selftest --chaos`: break things on throw-away data; exit 6 if a promise fails.

    The cases stand with the tests, where there is a checkout.
    """
    from backfill.report import Reporter

    terminal = terminal_of(options)
    cases = _cases()
    if options.list:
        print_summary({"cases": cases.listed()})
        return int(ExitCode.OK)
    reporter = Reporter(lambda event: terminal.say(event, is_answer=True))
    runs = runs_dir(options.runs_dir)
    code, summary = cases.selftest(runs, options.case or [], options.seed, reporter)
    print_summary(summary)
    return int(code)


def _cases() -> Any:
    """Return the module of the cases; raise `UsageError` where the package is without them."""
    root = project_root()
    if root is None or not (root / CASES).is_dir():
        raise UsageError(
            "The cases of the selftest come with the sources, not with the installed package, and "
            f"there is no {CASES} here. In a checkout: make setup, then the same command again."
        )
    sys.path.insert(0, str(root))
    return importlib.import_module(f"{CASES.replace('/', '.')}.command")
