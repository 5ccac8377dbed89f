"""What the OCR job says of itself: its parameters, and how it is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfill.folder import runs_dir
from backfill.jobs.entry import Entry, Pending, answers_from
from backfill.parameter import Kind, Parameter, count, flag, one_of, said
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
    from backfill.ocr.day.correction import Corrections
    from backfill.steps.finding import Finding
    from backfill.steps.job import Job
    from backfill.steps.kind import JobKind

_ROOT = "folder of the downloaded images; empty = the demo's, on the demo database"
_LANG = "language of the screenshots: sv or swe, en or eng, …"
_ENGINE = "what reads; -alone: no second reader of lines in doubt"
_SUMMARY = "events of a session that make one summary message"
_CORRECTIONS = "CSV of corrections: a file, or a run whose doubts were corrected"
_CACHE = "folder of readings by content; empty = BACKFILL_CACHE_DIR, .cache/ocr beside notebooks/"
OCR_PARAMETERS: tuple[Parameter, ...] = (
    said("session_id", "ID", "one capture session, or a list", Kind.TEXTS),
    Parameter(
        "user_id",
        Kind.WHOLE_OR_WORD,
        "",
        "one user; empty = all",
        metavar="N",
        bounds=(-(2**63), 2**63 - 1),
    ),
    Parameter("states", Kind.TEXT, "done,failed", "states of sessions, with commas between"),
    said("from_date", "DATE", "first UTC day of created_at, YYYY-MM-DD"),
    said("to_date", "DATE", "last UTC day of created_at, YYYY-MM-DD"),
    Parameter(
        "limit",
        Kind.WHOLE,
        None,
        "so many sessions only, the oldest, 1 or more; None = all",
        bounds=(1, MANY),
    ),
    said("local_root", "DIR", _ROOT, Kind.PATH),
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
    Parameter("ocr_lang", Kind.TEXT, "swe", _LANG),
    one_of("ocr_engine", ("tesseract", "tesserocr", "tesseract-alone", "tesserocr-alone"), _ENGINE),
    count("ocr_default_year", 0, (0, 9999), "year when no image tells it; 0 = none"),
    said("towns", "TOWN", "one more town to know, or a list", Kind.TEXTS),
    flag("store_notifications", "with apply: store messages, which are sent"),
    count("summary_threshold", 3, (1, 1_000), _SUMMARY),
    flag("notify_past", "store messages about days gone by as well"),
    flag("allow_older", "let a session overwrite a newer one's snapshot"),
    flag("allow_removals", "let a reading remove more than half of a day's shifts"),
    flag("accept_review", "write sessions that need a review as well"),
    DECISIONS,
    said("corrections", "FILE|RUN_ID|latest", _CORRECTIONS, Kind.SHEET),
    count("max_failed", 0, COUNT_OR_NO_LIMIT, "exit 7 when more sessions fail; -1 = no limit"),
    count("max_held", 0, COUNT_OR_NO_LIMIT, "exit 7 when apply holds more back; -1 = no limit"),
    count("workers", 0, (0, 256), "processes that read images; 0 = one for each core"),
    SCHEDULER,
    said("cache_dir", "DIR", _CACHE, Kind.PATH),
    # One session is one transaction: there is no chunk size to choose.
    *(p for p in ENGINE if p.name not in ("chunk_size", "chunk_time")),
    *THROTTLE,
    *PLACES,
    APPLY,
)


def _make(values: Mapping[str, Any]) -> Job:
    from backfill.jobs.ocr.job import OcrTask
    from backfill.jobs.ocr.settings import settings_from
    from backfill.ocr.day.session import WORDS
    from backfill.steps.job import Job

    if values["output_file"]:
        check_target("--output-file", Path(values["output_file"]), makes_folder=True)
    answers = answers_from(values, "ocr", WORDS)
    task = OcrTask(settings_from(values, answers, _corrections_from(values)))
    return Job(task, answers=answers)


def _corrections_from(values: Mapping[str, Any]) -> Corrections:
    from backfill.jobs.ocr.correction_sheet import load_corrections
    from backfill.ocr.day.correction import Corrections
    from backfill.ocr.text.vocabulary import known_towns
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


def _examine_machine(anew: str) -> list[Finding]:
    from backfill.jobs.ocr.machine import examine_machine

    return examine_machine(anew)


def _cache() -> Path:
    from backfill.jobs.ocr.settings import default_cache_dir

    return default_cache_dir()


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
    groups={
        "which rows": (
            *("session_id", "user_id", "states", "from_date", "to_date", "limit", "db_schema"),
            "local_root",
        ),
        "how values come about": (
            *("corrections", "ocr_lang", "ocr_engine", "ocr_default_year", "towns"),
            *("allow_older", "allow_removals", "accept_review", "cache_dir"),
        ),
        "messages to people": ("store_notifications", "summary_threshold", "notify_past"),
        "files that it writes": ("output_file", "output_dir"),
    },
    examine_machine=_examine_machine,
    cache=_cache,
)
