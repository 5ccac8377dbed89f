"""What the UTC job says of itself: its parameters, and how it is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfill.jobs.entry import Entry, Pending, answers_from
from backfill.parameter import Kind, Parameter
from backfill.parameters import (
    APPLY,
    DECISIONS,
    ENGINE,
    PLACES,
    SCHEDULER,
    THROTTLE,
    WORKERS,
)

if TYPE_CHECKING:
    from backfill.steps.job import Job
    from backfill.steps.kind import JobKind

UTC_PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "household_id", Kind.TEXTS, "", "one household, or a list; empty = all", metavar="ID"
    ),
    Parameter(
        "default_tz", Kind.TEXT, "", "last resort: zone of rows that have none, nor their household"
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
    DECISIONS,
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


def _make(values: Mapping[str, Any]) -> Job:
    from backfill.jobs.utc.job import UtcTask
    from backfill.jobs.utc.settings import Order, UtcSettings
    from backfill.jobs.utc.spec_file import load_spec
    from backfill.jobs.utc.table_spec import EVENTS
    from backfill.steps.job import Job
    from backfill.utc.convert import FoldPolicy, GapPolicy
    from backfill.utc.described import Encoding
    from backfill.utc.doubts import WORDS
    from backfill.workers.cluster import check_scheduler

    answers = answers_from(values, "utc", WORDS)
    task = UtcTask(
        UtcSettings(
            households=tuple(values["household_id"]),
            default_tz=values["default_tz"] or None,
            fold=FoldPolicy(values["fold"]),
            gap=GapPolicy(values["gap"]),
            encoding=Encoding(values["encoding"]),
            order=Order(values["order"]),
            skip_deleted=values["skip_deleted"],
            strict=values["strict"],
            fallback_on_invalid_tz=values["fallback_on_invalid_tz"],
            default_tz_first=values["default_tz_first"],
            accept_years=values["accept_years"],
            repair=values["repair"],
            table=load_spec(Path(values["table"])) if values["table"] else EVENTS,
            answers=answers,
            scheduler=check_scheduler(values["scheduler"]),
        )
    )
    return Job(task, answers=answers)


def _kind() -> JobKind:
    from backfill.jobs.utc.kind import UtcRuns
    from backfill.steps.kind import JobKind

    return JobKind("utc", UtcRuns)


def _check_rows(*arguments: Any, **named: Any) -> Any:
    from backfill.jobs.utc.deep_check import check_rows

    return check_rows(*arguments, **named)


ENTRY = Entry(
    "utc",
    "fill missing *_utc columns",
    UTC_PARAMETERS,
    _make,
    _kind,
    notebook="01_utc_backfill",
    command=("utc",),
    pending=Pending.COUNTED,
    asked_by=("household_id", "table", "default_tz", "default_tz_first"),
    check_rows=_check_rows,
)
