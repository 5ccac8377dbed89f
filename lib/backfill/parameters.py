"""Every parameter, declared once: flags, notebook checks and reference are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from backfill.engine_parameters import (
    APPLY,
    COUNT_OR_NO_LIMIT,
    ENGINE,
    MANY,
    PLACES,
    SCHEDULER,
    THROTTLE,
    WORKERS,
)
from backfill.parameter import Kind, Parameter, check_parameters, injected_names

__all__ = ["Kind", "Parameter", "check_parameters", "injected_names"]

_ONLY = "approve these changes only: a condition in SQL, like: rule LIKE 'fold%'; empty = all left"
_CANARY = "approve a sample of them first: a share like 1%, or a number of rows"
_IN_PARTS = (
    Parameter("only", Kind.TEXT, "", _ONLY, metavar="CONDITION"),
    Parameter("canary", Kind.WHOLE_OR_WORD, "", _CANARY, metavar="SHARE"),
    Parameter("join", Kind.FLAG, False, "write beside whoever applies the run already"),
)
_DECISIONS = Parameter(
    "decisions",
    Kind.SHEET,
    "",
    "CSV of decisions: a file, or a run whose questions were answered",
    metavar="FILE|RUN_ID|latest",
)

UTC_PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "household_id",
        Kind.TEXTS,
        "",
        "one household, or a list; empty = all",
        metavar="ID",
    ),
    Parameter(
        "default_tz",
        Kind.TEXT,
        "",
        "last resort: zone of rows that have none, nor their household",
    ),
    Parameter(
        "default_tz_first",
        Kind.FLAG,
        False,
        "use --default-tz before the household's zone, and count the rows that have one",
    ),
    Parameter(
        "fold",
        Kind.TEXT,
        "earlier",
        "a wall time that happened twice",
        choices=("earlier", "later", "skip"),
    ),
    Parameter(
        "gap",
        Kind.TEXT,
        "shift_forward",
        "a wall time that never happened",
        choices=("shift_forward", "first_valid", "skip"),
    ),
    Parameter(
        "encoding",
        Kind.TEXT,
        "auto",
        "how the wall-clock columns are written",
        choices=("auto", "timestamp", "epoch_ms", "epoch_s", "iso_text"),
    ),
    Parameter("skip_deleted", Kind.FLAG, False, "leave soft-deleted rows out"),
    Parameter("strict", Kind.FLAG, False, "skip rows whose end is before their start"),
    Parameter(
        "fallback_on_invalid_tz",
        Kind.FLAG,
        False,
        "use the default for an unknown zone name, and list the row",
    ),
    Parameter(
        "accept_years",
        Kind.FLAG,
        False,
        "plan instants that lie more than 150 years from the others or from today",
    ),
    Parameter(
        "repair",
        Kind.FLAG,
        False,
        "look at filled rows as well, and mend values that their wall time does not give",
    ),
    _DECISIONS,
    Parameter("table", Kind.PATH, "", "TOML that describes another table", metavar="FILE"),
    Parameter(
        "order",
        Kind.TEXT,
        "key",
        "in which order the plan walks: heap, as rows lie in the table, writes less WAL",
        choices=("key", "heap"),
    ),
    SCHEDULER,
    *ENGINE,
    WORKERS,
    *THROTTLE,
    *PLACES,
    APPLY,
)
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
        "so many sessions only, the oldest; None = all",
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
        bounds=(1, MANY),
    ),
    Parameter("notify_past", Kind.FLAG, False, "store messages about days gone by as well"),
    Parameter("allow_older", Kind.FLAG, False, "let a session overwrite a newer one's snapshot"),
    Parameter(
        "allow_removals", Kind.FLAG, False, "let a reading remove more than half of a day's shifts"
    ),
    Parameter("accept_review", Kind.FLAG, False, "write sessions that need a review as well"),
    _DECISIONS,
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
FILL_PARAMETERS: tuple[Parameter, ...] = (
    Parameter("table", Kind.TEXT, "", "the table: schema.name, or found by the search path"),
    Parameter("set", Kind.TEXTS, "", "columns to write, with commas between", metavar="COLUMN"),
    Parameter(
        "key",
        Kind.TEXTS,
        "",
        "columns that name a row, with commas between; empty = the primary key",
        metavar="COLUMN",
    ),
    Parameter(
        "values",
        Kind.PATH,
        "",
        "file of values: .parquet .csv .json .jsonl .arrow .feather",
    ),
    Parameter(
        "query",
        Kind.TEXT,
        "",
        "the same from DuckDB's SQL over local files; it is kept with the run",
        metavar="SQL",
    ),
    Parameter(
        "where",
        Kind.TEXT,
        "",
        "rows to compute in a notebook; empty = those of which a target is NULL",
        metavar="CONDITION",
    ),
    Parameter("overwrite", Kind.FLAG, False, "also rows whose target holds something else now"),
    Parameter("allow_null", Kind.FLAG, False, "a new value may be NULL; without it, left alone"),
    *ENGINE,
    WORKERS,
    *THROTTLE,
    *PLACES,
    APPLY,
)
#: What every task takes beside its own.
TASK_PARAMETERS: tuple[Parameter, ...] = (*ENGINE, WORKERS, *THROTTLE, *PLACES, APPLY)
_RUN_ID = Parameter("run_id", Kind.TEXT, "latest", "a run id, its unique beginning, or latest")


def _as_kept(*declared: Parameter) -> tuple[Parameter, ...]:
    """Return parameters of which nothing said means: as the run has it."""
    return tuple(
        replace(parameter, default=None, help=f"{parameter.help}; None = as the run has it")
        for parameter in declared
    )


_KEPT = (
    *(*ENGINE, WORKERS, *THROTTLE),
    Parameter(
        "max_failed",
        Kind.WHOLE,
        0,
        "exit 7 when more sessions failed; -1 = no limit",
        bounds=COUNT_OR_NO_LIMIT,
    ),
    Parameter(
        "max_held",
        Kind.WHOLE,
        0,
        "exit 7 when more sessions are held back; -1 = no limit",
        bounds=COUNT_OR_NO_LIMIT,
    ),
)
#: How a plan is written unless it is said, by name. A run keeps what differs from this.
KEPT_DEFAULTS: Mapping[str, Any] = {parameter.name: parameter.default for parameter in _KEPT}
APPLY_PARAMETERS: tuple[Parameter, ...] = (
    *(_RUN_ID, *_IN_PARTS, *_as_kept(*_KEPT), *PLACES, APPLY),
)
VERIFY_PARAMETERS: tuple[Parameter, ...] = (_RUN_ID, *PLACES)
REVERT_PARAMETERS: tuple[Parameter, ...] = (
    *(_RUN_ID, *ENGINE, WORKERS, *THROTTLE, *PLACES, APPLY),
)
_ONE_OF = ("go_when", "go_when_file")


def settled(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return kept settings of which later layers say some anew; None says nothing."""
    found: dict[str, Any] = {}
    for layer in layers:
        said = {n: v for n, v in layer.items() if n in KEPT_DEFAULTS and v is not None}
        if any(said.get(name) for name in _ONE_OF):
            found = {name: value for name, value in found.items() if name not in _ONE_OF}
        found |= said
    return found
