"""The report of a selftest: cases, seeds, outcomes and durations, as JSON and as a page."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backfill.display.pages import STYLE, table
from backfill.folder import FILE_MODE, FOLDER_MODE
from backfill.versions import versions
from backfill_lab.selftest.suite import Result

JSON_FILE = "report.json"
HTML_FILE = "report.html"
_ADDRESS = re.compile(r"(https?):(//)", re.IGNORECASE)


def summary(results: Sequence[Result], seed: int) -> dict[str, Any]:
    """Return what the command prints last."""
    failed = [result.case.name for result in results if result.error]
    return {
        "status": "failed" if failed else "passed",
        "cases": len(results),
        "passed": len(results) - len(failed),
        "failed": failed,
        "seed": seed,
        "elapsed_ms": sum(result.elapsed_ms for result in results),
    }


def write_report(folder: Path, results: Sequence[Result], seed: int) -> None:
    """Write `report.json` and `report.html` into `folder`, private."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    folder.chmod(FOLDER_MODE)
    document = {
        **summary(results, seed),
        "versions": versions(),
        "results": [_entry(result) for result in results],
    }
    _write(folder / JSON_FILE, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    _write(folder / HTML_FILE, page(results, seed))


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
    told = summary(results, seed)
    title = f"Selftest: {told['passed']} of {told['cases']} cases passed"
    shown = table(
        f"{told['cases']} cases, seed {seed}, {told['elapsed_ms'] / 1000:.0f} s",
        ["case", "promise", "outcome", "seed", "ms", "what was found"],
        [
            [r.case.name, r.case.promise, r.outcome, str(r.seed), r.elapsed_ms, r.error]
            for r in results
        ],
    )
    body = _ADDRESS.sub(r"\1&#58;\2", shown.markup)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main><h1>{html.escape(title)}</h1>{body}</main></body></html>\n"
    )


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
