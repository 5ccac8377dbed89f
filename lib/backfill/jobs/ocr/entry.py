"""What the OCR job says of itself: its parameters, and how it is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfill.folder import runs_dir
from backfill.jobs.entry import Entry, Pending, answers_from
from backfill.parameter import Kind, Parameter
from backfill.parameters import (
    APPLY,
    COUNT_OR_NO_LIMIT,
    DECISIONS,
    ENGINE,
    MANY,
    PLACES,
    SCHEDULER,
    THROTTLE,
)
from backfill.regular_file import check_target

if TYPE_CHECKING:
    from backfill.ocr.correction import Corrections
    from backfill.steps.job import Job
    from backfill.steps.kind import JobKind

OCR_PARAMETERS: tuple[Parameter, ...] = (
    Parameter("session_id", Kind.TEXTS, "", "one capture session, or a list", metavar="ID"),
    Parameter(
        "user_id",
        Kind.WHOLE_OR_WORD,
        "",
        "one user; empty = all",
        metavar="N",
        bounds=(-(2**63), 2**63 - 1),
    ),
    Parameter("states", Kind.TEXT, "done,failed", "states of sessions, with commas between"),
    Parameter(
        "from_date", Kind.TEXT, "", "first UTC day of created_at, YYYY-MM-DD", metavar="DATE"
    ),
    Parameter("to_date", Kind.TEXT, "", "last UTC day of created_at, YYYY-MM-DD", metavar="DATE"),
    Parameter(
        "limit",
        Kind.WHOLE,
        None,
        "so many sessions only, the oldest, 1 or more; None = all",
        bounds=(1, MANY),
    ),
    Parameter(
        "local_root",
        Kind.PATH,
        "",
        "folder of the downloaded images; empty = the demo's, on the demo database",
        metavar="DIR",
    ),
    Parameter("db_schema", Kind.TEXT, "schedule_ingest", "schema of the schedule system"),
    Parameter(
        "output_file",
        Kind.PATH,
        "",
        "the report; empty = in the run's folder only",
        usual_path="backfill_report.json",
    ),
    Parameter(
        "output_dir",
        Kind.PATH,
        "",
        "folder of one JSON file a session; empty = in the run's folder only",
        metavar="DIR",
        usual_path="backfill_sessions",
    ),
    Parameter("ocr_lang", Kind.TEXT, "swe", "language of the screenshots: sv or swe, en or eng, …"),
    Parameter(
        "ocr_engine",
        Kind.TEXT,
        "tesseract",
        "what reads; -alone: no second reader of lines in doubt",
        choices=("tesseract", "tesserocr", "tesseract-alone", "tesserocr-alone"),
    ),
    Parameter(
        "ocr_default_year", Kind.WHOLE, 0, "year when no image tells it; 0 = none", bounds=(0, 9999)
    ),
    Parameter("towns", Kind.TEXTS, "", "one more town to know, or a list", metavar="TOWN"),
    Parameter(
        "store_notifications", Kind.FLAG, False, "with apply: store messages, which are sent"
    ),
    Parameter(
        "summary_threshold",
        Kind.WHOLE,
        3,
        "events of a session that make one summary message",
        bounds=(1, 1_000),
    ),
    Parameter("notify_past", Kind.FLAG, False, "store messages about days gone by as well"),
    Parameter("allow_older", Kind.FLAG, False, "let a session overwrite a newer one's snapshot"),
    Parameter(
        "allow_removals", Kind.FLAG, False, "let a reading remove more than half of a day's shifts"
    ),
    Parameter("accept_review", Kind.FLAG, False, "write sessions that need a review as well"),
    DECISIONS,
    Parameter(
        "corrections",
        Kind.SHEET,
        "",
        "CSV of corrections: a file, or a run whose doubts were corrected",
        metavar="FILE|RUN_ID|latest",
    ),
    Parameter(
        "max_failed",
        Kind.WHOLE,
        0,
        "exit 7 when more sessions fail; -1 = no limit",
        bounds=COUNT_OR_NO_LIMIT,
    ),
    Parameter(
        "max_held",
        Kind.WHOLE,
        0,
        "exit 7 when apply holds more back; -1 = no limit",
        bounds=COUNT_OR_NO_LIMIT,
    ),
    Parameter(
        "workers",
        Kind.WHOLE,
        0,
        "processes that read images; 0 = one for each core",
        bounds=(0, 256),
    ),
    SCHEDULER,
    Parameter(
        "cache_dir",
        Kind.PATH,
        "",
        "folder of readings by content; empty = BACKFILL_CACHE_DIR, .cache/ocr beside notebooks/",
        metavar="DIR",
    ),
    # One session is one transaction: there is no chunk size to choose.
    *(p for p in ENGINE if p.name not in ("chunk_size", "chunk_time")),
    *THROTTLE,
    *PLACES,
    APPLY,
)


def _make(values: Mapping[str, Any]) -> Job:
    from backfill.jobs.ocr.job import OcrTask
    from backfill.jobs.ocr.settings import settings_from
    from backfill.ocr.session import WORDS
    from backfill.steps.job import Job

    if values["output_file"]:
        check_target("--output-file", Path(values["output_file"]), makes_folder=True)
    answers = answers_from(values, "ocr", WORDS)
    task = OcrTask(settings_from(values, answers, _corrections_from(values)))
    return Job(task, answers=answers)


def _corrections_from(values: Mapping[str, Any]) -> Corrections:
    from backfill.jobs.ocr.correction_sheet import load_corrections
    from backfill.ocr.correction import Corrections
    from backfill.ocr.vocabulary import known_towns
    from backfill.plans.worksheet import CORRECTIONS_FILE, named_sheet

    if not values["corrections"]:
        return Corrections()
    runs = runs_dir(values["runs_dir"])
    sheet = named_sheet(values["corrections"], runs, "ocr", CORRECTIONS_FILE, "--corrections")
    return load_corrections(sheet, known_towns(values["towns"]))


def _kind() -> JobKind:
    from backfill.jobs.ocr.kind import OcrRuns
    from backfill.steps.kind import JobKind

    return JobKind("ocr", OcrRuns)


ENTRY = Entry(
    "ocr",
    "read screenshots again",
    OCR_PARAMETERS,
    _make,
    _kind,
    notebook="02_ocr_backfill",
    command=("ocr",),
    pending=Pending.UNKNOWN,
    asked_by=("db_schema",),
)
