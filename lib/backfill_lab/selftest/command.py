"""`backfill selftest --chaos`: run the cases, write the report, say what was found."""

from __future__ import annotations

import datetime as dt
import signal
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backfill.errors import ExitCode, UsageError
from backfill.report import Reporter
from backfill_lab.selftest.page import HTML_FILE, summary, write_report
from backfill_lab.selftest.suite import CASES, choose, run_cases, stamp

DEFAULT_SEED = 20_261_122


def listed() -> list[dict[str, Any]]:
    """Return name and promise of every case."""
    return [{"case": case.name, "promise": case.promise} for case in CASES]


def selftest(
    runs: Path, names: Sequence[str], seed: int, reporter: Reporter
) -> tuple[int, dict[str, Any]]:
    """Run the cases of these names, all when there are none; return exit code and summary."""
    if seed < 0:
        raise UsageError(f"The seed must be a whole number from 0 on; it is {seed}.")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # the network that we cut is our own
    _let_programs_hear()
    results = run_cases(choose(names), seed, reporter)
    folder = runs / stamp(dt.datetime.now(dt.UTC))
    write_report(folder, results, seed)
    reporter.message(f"Report: {folder / HTML_FILE}")
    told = summary(results, seed) | {"report": str(folder)}
    return int(ExitCode.VERIFY_FAILED if told["failed"] else ExitCode.OK), told


def _let_programs_hear() -> None:
    """Ignore what we were told to ignore, but do not hand that on to what the cases start.

    Under `nohup`, or behind an `&`, a signal of a case would stop nothing.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _deaf)  # a program starts with the default in a handler's place


def _deaf(_number: int, _frame: types.FrameType | None) -> None:
    pass
