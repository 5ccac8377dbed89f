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
#: By module the words that are left there, and why.
ALLOWED = {
    "cli.py": ("wall", "the demo's tables are seeded with wall times of either kind"),
    "command/demo_command.py": (
        "customers households ocr phone schedules screenshots utc",
        "it shows the jobs one after the other, on data of its own",
    ),
    "command/ending.py": ("household", "the demand's own keys come first in every summary"),
    "command/runs_command.py": ("utc", "where no run is, a newcomer's first command is named"),
    "records/ledger.py": ("utc", "the same"),
    "notebook/asking.py": ("zone", "what people ask for a question by: columns of decisions.csv"),
    "notebook/frames.py": ("ocr shifts", "run.shifts, which notebooks that people copied rely on"),
    "plans/held.py": ("utc zone", "what stands behind a time that a server does not hold"),
    "plans/review_sheet.py": ("schedule shift zone", "columns of files that people have filled in"),
    "plans/worksheet.py": ("zone", "the same: questions.csv and decisions.csv of earlier runs"),
    "workbook.py": ("household utc", "an example, and the demo's run that a newcomer opens"),
}


def found() -> dict[str, str]:
    """Return the words of a job that are left, by module."""
    words: dict[str, set[str]] = {}
    for room in ENGINE:
        place = LIB / room
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            text = NOT_OF_A_JOB.sub("", path.read_text(encoding="utf-8"))
            if left := {word.lower() for word in WORDS.findall(text)}:
                words[path.relative_to(LIB).as_posix()] = left
    return {name: " ".join(sorted(left)) for name, left in words.items()}


def test_the_engine_holds_no_word_of_a_job_but_those_that_are_allowed_and_still_there() -> None:
    assert found() == {name: words for name, (words, _why) in ALLOWED.items()}
