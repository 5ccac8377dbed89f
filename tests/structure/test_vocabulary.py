"""The engine holds no word of a job: what is left of them stands here, each with its reason."""

from __future__ import annotations

import re
from pathlib import Path

LIB = Path(__file__).parents[2] / "lib" / "backfill"
ENGINE = (
    *("steps", "plans", "chunks", "records", "archive", "server", "command", "notebook"),
    *("cli.py", "skips.py", "status.py", "workbook.py"),
)
#: Also as a part of a name, as in `pending_utc` and `wall_at`.
WORDS = re.compile(
    r"(?<![a-z])(walls?|zones?|tz|households?|shifts?|folds?|gaps?|phones?|customers?|towns?"
    r"|screenshots?|tesseract|utc|ocr|schedules?)(?![a-z])",
    re.IGNORECASE,
)
#: What the database and others' libraries call so, and the one version that every plan names: a
#: column of `backfill.run`, a key of plan.json, and in words `time zone data (tzdata)`.
NOT_OF_A_JOB = re.compile(
    r"AT TIME ZONE|UTC|in_utc\b|type\.tz\b|overflow=\"fold\"|import tzdata_version|time zone data"
    r"|from backfill\.utc\.zone_names"
)
ALLOWED = {
    "cli.py": "the demo's tables are seeded with wall times of either kind",
    "command/demo_command.py": "it shows the jobs one after the other, on data of its own",
    "command/ending.py": "the demand's own keys come first in every summary",
    "command/runs_command.py": "where no run is, the first command of a newcomer is named",
    "records/ledger.py": "the same",
    "notebook/asking.py": "what people ask for a question by: columns of decisions.csv",
    "notebook/frames.py": "run.shifts, which notebooks that people copied rely on",
    "plans/held.py": "the zone behind a time, of the values that a server does not hold",
    "plans/review_sheet.py": "columns of files that people have filled in",
    "plans/worksheet.py": "the same: questions.csv and decisions.csv of every earlier run",
    "workbook.py": "an example, and the job whose settings open a run that is only looked at",
}


def found() -> dict[str, list[str]]:
    """Return lines with a job's word, by module."""
    lines: dict[str, list[str]] = {}
    for room in ENGINE:
        place = LIB / room
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            for line in path.read_text(encoding="utf-8").splitlines():
                if WORDS.search(NOT_OF_A_JOB.sub("", line)):
                    lines.setdefault(path.relative_to(LIB).as_posix(), []).append(line.strip())
    return lines


def test_the_engine_holds_no_word_of_a_job() -> None:
    others = {name: lines for name, lines in found().items() if name not in ALLOWED}

    assert others == {}


def test_nothing_is_allowed_that_is_not_there_any_more() -> None:
    assert set(ALLOWED) - set(found()) == set()
