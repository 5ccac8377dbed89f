"""`backfill selftest --chaos`: run the cases, write the report, say what was found."""

from __future__ import annotations

import datetime as dt
import signal
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos.selftest.suite import CASES, Result, choose, run_cases, stamp

from backfill.display.pages import table
from backfill.display.standalone import whole_page
from backfill.errors import ExitCode, UsageError
from backfill.folder import RunFolder
from backfill.report import Reporter
from backfill.versions import versions

DEFAULT_SEED = 20_261_122

JSON_FILE = "report.json"
HTML_FILE = "report.html"


def listed() -> list[dict[str, Any]]:
    return [{"case": case.name, "promise": case.promise} for case in CASES]


def selftest(
    runs: Path, names: Sequence[str], seed: int | None, reporter: Reporter
) -> tuple[int, dict[str, Any]]:
    """Run the cases of these names, all when there are none; return exit code and summary."""
    seed = DEFAULT_SEED if seed is None else seed
    if seed < 0:
        raise UsageError(f"The seed must be a whole number from 0 on; it is {seed}.")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # the network that we cut is our own
    _let_programs_hear()
    results = run_cases(choose(names), seed, reporter)
    folder = runs / stamp(dt.datetime.now(dt.UTC))
    write_report(folder, results, seed)
    reporter.message(f"Report: {folder / HTML_FILE}")
    totals = summary(results, seed) | {"report": str(folder)}
    return int(ExitCode.VERIFY_FAILED if totals["failed"] else ExitCode.OK), totals


def _let_programs_hear() -> None:
    """Ignore what we were told to ignore, but do not hand that on to what the cases start.

    Under `nohup`, or behind an `&`, a signal of a case would stop nothing.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _deaf)  # a program starts with the default in a handler's place


def _deaf(_number: int, _frame: types.FrameType | None) -> None:
    pass


def summary(results: Sequence[Result], seed: int) -> dict[str, Any]:
    failed = [result.case.name for result in results if result.error]
    return {
        "status": "failed" if failed else "passed",
        "cases": len(results),
        "passed": len(results) - len(failed),
        "failed": failed,
        "seed": seed,
        "elapsed_ms": sum(result.elapsed_ms for result in results),
    }


def write_report(path: Path, results: Sequence[Result], seed: int) -> None:
    """Write `report.json` and `report.html` into a folder, private."""
    folder = RunFolder(path)
    folder.create()
    document = {
        **summary(results, seed),
        "versions": versions(),
        "results": [_entry(result) for result in results],
    }
    folder.write_json(JSON_FILE, document)
    folder.write_text(HTML_FILE, page(results, seed))


def _entry(result: Result) -> dict[str, Any]:
    return {
        "case": result.case.name,
        "promise": result.case.promise,
        "seed": result.seed,
        "outcome": result.outcome,
        "elapsed_ms": result.elapsed_ms,
        "error": result.error,
    }


def page(results: Sequence[Result], seed: int) -> str:
    """Return the report as one page that names no address."""
    totals = summary(results, seed)
    title = f"Selftest: {totals['passed']} of {totals['cases']} cases passed"
    shown = table(
        f"{totals['cases']} cases, seed {seed}, {totals['elapsed_ms'] / 1000:.0f} s",
        ["case", "promise", "outcome", "seed", "ms", "what was found"],
        [
            [r.case.name, r.case.promise, r.outcome, str(r.seed), r.elapsed_ms, r.error]
            for r in results
        ],
    )
    return whole_page("base.html", title, body=shown, script="")
