"""Every parameter, declared once: flags, notebook checks and reference are made from it."""

from __future__ import annotations

from backfill.parameter import Kind, Parameter, check_parameters, injected_names

__all__ = ["Kind", "Parameter", "check_parameters", "injected_names"]

_ENGINE = (
    Parameter(
        "chunk_size",
        Kind.WHOLE_OR_WORD,
        500,
        "rows of one transaction, 1 to 100000; auto aims at --chunk-time",
        metavar="N|auto",
    ),
    Parameter("chunk_time", Kind.NUMBER, 0.5, "seconds a chunk should take with auto"),
    Parameter(
        "progress_interval",
        Kind.WHOLE,
        5000,
        "rows between two progress reports; 0 = only first and last",
        metavar="ROWS",
    ),
    Parameter("max_skips", Kind.WHOLE, -1, "exit 7 when more rows are skipped; -1 = no limit"),
    Parameter("lease_seconds", Kind.WHOLE, 60, "how long a claim lasts unless it is renewed"),
    Parameter("lock_timeout_ms", Kind.WHOLE, 5000, "how long a statement waits for a row lock"),
    Parameter("statement_timeout_ms", Kind.WHOLE, 60000, "how long a statement may run; 0 = ever"),
)
_THROTTLE = (
    Parameter(
        "wal_budget",
        Kind.TEXT,
        "",
        "WAL that the run may write a second, like 16MB; empty = any",
        metavar="BYTES",
    ),
    Parameter(
        "max_lock_waiters",
        Kind.WHOLE,
        0,
        "wait while more sessions wait for a lock of ours; -1 = do not look",
    ),
    Parameter(
        "max_replay_lag",
        Kind.TEXT,
        "",
        "wait while a standby is further behind: 10s, 64MB, or 10s,64MB",
        metavar="LAG",
    ),
    Parameter(
        "standby",
        Kind.TEXTS,
        "",
        "a standby that must be connected while --max-replay-lag is watched, or a list",
        metavar="NAME",
    ),
    Parameter(
        "max_transaction_age",
        Kind.TEXT,
        "",
        "wait while a transaction of others is older, like 5min",
        metavar="TIME",
    ),
    Parameter(
        "max_wal_rate",
        Kind.TEXT,
        "",
        "wait while the whole server writes more WAL a second, like 64MB",
        metavar="BYTES",
    ),
    Parameter(
        "max_connections",
        Kind.WHOLE_OR_WORD,
        "",
        "wait while more connections are open: 80, or 75% of the server's maximum",
        metavar="N|PERCENT",
    ),
    Parameter(
        "yield_to_vacuum", Kind.FLAG, False, "wait while a vacuum is at work on a table we write"
    ),
    Parameter(
        "go_when",
        Kind.TEXT,
        "",
        "wait unless this query returns true; it is kept with the run's parameters",
        metavar="SQL",
    ),
    Parameter("go_when_file", Kind.PATH, "", "the same, read from a file", metavar="FILE"),
    Parameter(
        "window",
        Kind.TEXT,
        "",
        "write at this time of day only, like '22:00-05:00 Europe/Stockholm'",
        metavar="TIMES",
    ),
    Parameter(
        "critical",
        Kind.TEXTS,
        "",
        "stop above this, resumable, like connections:95% or replay-lag:60s; or a list",
        metavar="NAME:AMOUNT",
    ),
)
_SCHEDULER = Parameter(
    "scheduler",
    Kind.TEXT,
    "",
    "compute on a Dask cluster: tcp://HOST:8786; empty = on this machine",
    metavar="ADDRESS",
)
_PLACES = (
    Parameter("runs_dir", Kind.PATH, "", "folder of the runs; empty = runs/ beside notebooks/"),
    Parameter(
        "dsn_env",
        Kind.TEXT,
        "DATABASE_URL",
        "name of the environment variable that holds the connection string",
    ),
)
_WORKERS = Parameter("workers", Kind.WHOLE, 1, "connections that write at once, each a range")
_ONLY = "approve these changes only: a condition in SQL, like: rule = 'normal'; empty = all left"
_CANARY = "approve a sample of them first: a share like 1%, or a number of rows"
_IN_PARTS = (
    Parameter("only", Kind.TEXT, "", _ONLY, metavar="CONDITION"),
    Parameter("canary", Kind.WHOLE_OR_WORD, "", _CANARY, metavar="SHARE"),
    Parameter("join", Kind.FLAG, False, "write beside whoever applies the run already"),
)
_APPLY = Parameter("apply", Kind.FLAG, False, "write the plan; without it nothing is written")
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
        "default_tz", Kind.TEXT, "", "zone of rows that have none; empty = their household's"
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
    _DECISIONS,
    Parameter("table", Kind.PATH, "", "TOML that describes another table", metavar="FILE"),
    Parameter(
        "order",
        Kind.TEXT,
        "key",
        "in which order the plan walks: heap, as rows lie in the table, writes less WAL",
        choices=("key", "heap"),
    ),
    _SCHEDULER,
    *_ENGINE,
    _WORKERS,
    *_THROTTLE,
    *_PLACES,
    _APPLY,
)
OCR_PARAMETERS: tuple[Parameter, ...] = (
    Parameter("session_id", Kind.TEXTS, "", "one capture session, or a list", metavar="ID"),
    Parameter("user_id", Kind.WHOLE_OR_WORD, "", "one user; empty = all", metavar="N"),
    Parameter("states", Kind.TEXT, "done,failed", "states of sessions, with commas between"),
    Parameter(
        "from_date", Kind.TEXT, "", "first UTC day of created_at, YYYY-MM-DD", metavar="DATE"
    ),
    Parameter("to_date", Kind.TEXT, "", "last UTC day of created_at, YYYY-MM-DD", metavar="DATE"),
    Parameter("limit", Kind.WHOLE, -1, "how many sessions, the oldest first; -1 = all"),
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
        "ocr_engine", Kind.TEXT, "tesseract", "what reads", choices=("tesseract", "tesserocr")
    ),
    Parameter("ocr_default_year", Kind.WHOLE, 0, "year when no image tells it; 0 = none"),
    Parameter("towns", Kind.TEXTS, "", "one more town to know, or a list", metavar="TOWN"),
    Parameter(
        "store_notifications", Kind.FLAG, False, "with apply: store messages, which are sent"
    ),
    Parameter(
        "summary_threshold", Kind.WHOLE, 3, "events of a session that make one summary message"
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
    Parameter("max_failed", Kind.WHOLE, 0, "exit 7 when more sessions fail; -1 = no limit"),
    Parameter("max_held", Kind.WHOLE, 0, "exit 7 when apply holds more back; -1 = no limit"),
    Parameter("workers", Kind.WHOLE, 0, "processes that read images; 0 = one for each core"),
    _SCHEDULER,
    Parameter(
        "cache_dir",
        Kind.PATH,
        "",
        "folder of readings by content; empty = BACKFILL_CACHE_DIR, .cache/ocr beside notebooks/",
        metavar="DIR",
    ),
    # One session is one transaction: there is no chunk size to choose.
    *(p for p in _ENGINE if p.name not in ("chunk_size", "chunk_time")),
    *_THROTTLE,
    *_PLACES,
    _APPLY,
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
    *_ENGINE,
    _WORKERS,
    *_THROTTLE,
    *_PLACES,
    _APPLY,
)
_RUN_ID = Parameter("run_id", Kind.TEXT, "latest", "a run id, its unique beginning, or latest")
AS_PLANNED = -2
APPLY_PARAMETERS: tuple[Parameter, ...] = (
    _RUN_ID,
    *_IN_PARTS,
    *_ENGINE,
    _WORKERS,
    *_THROTTLE,
    Parameter(
        "max_failed",
        Kind.WHOLE,
        AS_PLANNED,
        "exit 7 when more sessions failed; -1 = no limit, -2 = as planned",
    ),
    Parameter(
        "max_held",
        Kind.WHOLE,
        AS_PLANNED,
        "exit 7 when more sessions are held back; -1 = no limit, -2 = as planned",
    ),
    *_PLACES,
    _APPLY,
)
VERIFY_PARAMETERS: tuple[Parameter, ...] = (_RUN_ID, *_PLACES)
REVERT_PARAMETERS: tuple[Parameter, ...] = (
    *(_RUN_ID, *_ENGINE, _WORKERS, *_THROTTLE, *_PLACES, _APPLY),
)
