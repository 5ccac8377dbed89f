"""The engine holds no word of a job: what is left of them stands here, each with its reason."""

from __future__ import annotations

import re
from pathlib import Path

LIB = Path(__file__).parents[2] / "lib" / "backfill"
ENGINE = ("steps", "plans", "chunks", "records", "archive", "server")
WORDS = re.compile(
    r"\b(walls?|zones?|tzdata|households?|shifts?|folds?|gaps?|phones?|customers?)\b", re.IGNORECASE
)
#: SQL's own words for what the server prints in UTC.
SQL_S_OWN = "AT TIME ZONE 'UTC'"
ALLOWED = {
    "archive/run_report.py": "the version of the time zone data, which every run's page tells",
    "plans/review_sheet.py": "columns of files that people have filled in",
    "plans/worksheet.py": "the same: questions.csv and decisions.csv of every earlier run",
    "steps/comparison.py": "the version of the time zone data, which explains differences",
    "steps/planning.py": "the order of the OCR job's table in a dataframe; plan.json names the "
    "version of the time zone data, which plans of earlier versions are checked by",
    "steps/record.py": "a key of the summary that scripts read",
    "steps/running.py": "a plan is stale when the time zone data is not the one it was made with",
}


def found() -> dict[str, list[str]]:
    """Return lines with a job's word, by module."""
    lines: dict[str, list[str]] = {}
    for room in ENGINE:
        for path in sorted((LIB / room).rglob("*.py")):
            for line in path.read_text(encoding="utf-8").splitlines():
                if WORDS.search(line.replace(SQL_S_OWN, "")):
                    lines.setdefault(path.relative_to(LIB).as_posix(), []).append(line.strip())
    return lines


def test_the_engine_holds_no_word_of_a_job() -> None:
    others = {name: lines for name, lines in found().items() if name not in ALLOWED}

    assert others == {}


def test_nothing_is_allowed_that_is_not_there_any_more() -> None:
    assert set(ALLOWED) - set(found()) == set()
