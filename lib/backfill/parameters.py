"""The engine's parameters: how a plan is written, what makes a run wait, where things are.

What only a job takes, it declares itself, beside these: `jobs/*/entry.py`. Flags, checks of
notebooks and the reference are made from both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from backfill.parameter import (
    Kind,
    Parameter,
    check_parameters,
    count,
    defaults_of,
    flag,
    injected_names,
    said,
)

__all__ = ["Kind", "Parameter", "check_parameters", "defaults_of", "injected_names"]

MANY = 2**53  # beyond it JSON readers disagree on whole numbers
COUNT_OR_NO_LIMIT = (-1, MANY)
MILLISECONDS = (0, 86_400_000)
CHUNK_ROWS_BOUNDS = (1, 100_000)


CHUNK_SIZE = Parameter(
    "chunk_size",
    Kind.WHOLE_OR_WORD,
    500,
    "rows of one transaction, 1 to 100000; auto aims at --chunk-time",
    metavar="N|auto",
    bounds=CHUNK_ROWS_BOUNDS,
)
_PROGRESS = "rows between two progress reports; 0 = only first and last"
ENGINE = (
    CHUNK_SIZE,
    Parameter(
        "chunk_time", Kind.NUMBER, 0.5, "seconds a chunk should take with auto", bounds=(0.01, 60.0)
    ),
    count("progress_interval", 5000, (0, 1_000_000_000), _PROGRESS, "ROWS"),
    Parameter(
        "max_skips",
        Kind.WHOLE_OR_WORD,
        -1,
        "exit 7 when more rows are skipped, in all or for a reason; -1 = no limit",
        metavar="N|REASON=N",
        bounds=COUNT_OR_NO_LIMIT,
    ),
    Parameter(
        "max_refused",
        Kind.NUMBER,
        0.1,
        "share of rows that the database may refuse before the run stops as failed, 0 to 1",
        metavar="SHARE",
        bounds=(0.0, 1.0),
    ),
    count("lease_seconds", 60, (1, 86_400), "how long a claim lasts unless it is renewed"),
    count("lock_timeout_ms", 5000, MILLISECONDS, "how long a statement waits for a row lock"),
    count(
        "statement_timeout_ms", 60000, MILLISECONDS, "how long a statement may run; 0 = any time"
    ),
)
_WAIT_WHILE = "wait while a signal is above this, like connections:75% or replay-lag:10s; or a list"
_WAITERS = "wait while more sessions wait for a lock of ours; -1 = do not look"
_STANDBY = "a standby that must be connected while --max-replay-lag is watched, or a list"
_GO_WHEN = "wait unless this query returns true; it is kept with the run's parameters"
_CRITICAL = "stop above this, resumable, like connections:95% or replay-lag:60s; or a list"
THROTTLE = (
    said("wait_while", "NAME:LIMIT", _WAIT_WHILE, Kind.TEXTS),
    said("wal_budget", "BYTES", "WAL that the run may write a second, like 16MB; empty = any"),
    count("max_lock_waiters", 0, COUNT_OR_NO_LIMIT, _WAITERS),
    said("max_replay_lag", "LAG", "wait while a standby is further behind: 10s, 64MB, or 10s,64MB"),
    said("standby", "NAME", _STANDBY, Kind.TEXTS),
    said("max_transaction_age", "TIME", "wait while a transaction of others is older, like 5min"),
    said(
        "max_wal_rate", "BYTES", "wait while the whole server writes more WAL a second, like 64MB"
    ),
    Parameter(
        "max_connections",
        Kind.WHOLE_OR_WORD,
        "",
        "wait while more connections are open: 80, or 75% of the server's maximum",
        metavar="N|PERCENT",
        bounds=(1, 1_000_000),
    ),
    flag("yield_to_vacuum", "wait while a vacuum is at work on a table we write"),
    said("go_when", "SQL", _GO_WHEN),
    said("go_when_file", "FILE", "the same, read from a file", Kind.PATH),
    said("window", "TIMES", "write at this time of day only, like '22:00-05:00 Europe/Stockholm'"),
    said("critical", "NAME:AMOUNT", _CRITICAL, Kind.TEXTS),
)
SCHEDULER = said(
    "scheduler", "ADDRESS", "compute on a Dask cluster: tcp://HOST:8786; empty = on this machine"
)
PLACES = (
    Parameter("runs_dir", Kind.PATH, "", "folder of the runs; empty = runs/ beside notebooks/"),
    Parameter(
        "dsn_env",
        Kind.TEXT,
        "DATABASE_URL",
        "name of the environment variable that holds the connection string",
    ),
)
WORKERS = count("workers", 1, (1, 64), "connections that write at once, each a range")
APPLY = flag("apply", "write the plan; without it nothing is written")
_ONLY = "approve these changes only: a condition in SQL, like: rule LIKE 'fold%'; empty = all left"
_CANARY = "approve a sample of them first: a share like 1%, or a number of rows"
PART = (
    said("only", "CONDITION", _ONLY),
    said("canary", "SHARE", _CANARY, Kind.WHOLE_OR_WORD),
)
_JOIN = flag("join", "write beside whoever applies the run already")
_DECISIONS = "CSV of decisions: a file, or a run whose questions were answered"
DECISIONS = said("decisions", "FILE|RUN_ID|latest", _DECISIONS, Kind.SHEET)

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
    count("max_failed", 0, COUNT_OR_NO_LIMIT, "exit 7 when more sessions failed; -1 = no limit"),
    count(
        "max_held", 0, COUNT_OR_NO_LIMIT, "exit 7 when more sessions are held back; -1 = no limit"
    ),
)
#: How a plan is written unless it is said, by name. A run keeps what differs from this.
KEPT_DEFAULTS: Mapping[str, Any] = {parameter.name: parameter.default for parameter in _KEPT}
APPLY_PARAMETERS: tuple[Parameter, ...] = (
    *(_RUN_ID, *PART, _JOIN, *_as_kept(*_KEPT), *PLACES, APPLY),
)
VERIFY_PARAMETERS: tuple[Parameter, ...] = (_RUN_ID, *PLACES)
REVERT_PARAMETERS: tuple[Parameter, ...] = (
    *(_RUN_ID, *ENGINE, WORKERS, *THROTTLE, *PLACES, APPLY),
)
_ONE_OF = ("go_when", "go_when_file")


def settled(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return kept settings of which later layers say some anew; None says nothing."""
    values: dict[str, Any] = {}
    for layer in layers:
        said = {n: v for n, v in layer.items() if n in KEPT_DEFAULTS and v is not None}
        if any(said.get(name) for name in _ONE_OF):
            values = {name: value for name, value in values.items() if name not in _ONE_OF}
        values |= said
    return values
