"""What the UTC job says of itself: its parameters, and how it is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfill.jobs.entry import Entry, Guessed, Pending, PendingCounts, Tables, answers_from
from backfill.parameter import Kind, Parameter, flag, one_of, said
from backfill.parameters import APPLY, DECISIONS, ENGINE, PLACES, SCHEDULER, THROTTLE, WORKERS

if TYPE_CHECKING:
    from backfill.server.postgres import Connection
    from backfill.steps.finding import Finding
    from backfill.steps.job import Job
    from backfill.steps.kind import JobKind

_LAST_RESORT = "last resort: zone of rows that have none, nor their household"
_FIRST = "use --default-tz before the household's zone, and count the rows that have one"
_YEARS = "plan instants that lie more than 150 years from the others or from today"
_REPAIR = "look at filled rows as well, and mend values that their wall time does not give"
_ORDER = "in which order the plan walks: heap, as rows lie in the table, writes less WAL"
UTC_PARAMETERS: tuple[Parameter, ...] = (
    said("household_id", "ID", "one household, or a list; empty = all", Kind.TEXTS),
    said("default_tz", "", _LAST_RESORT),
    flag("default_tz_first", _FIRST),
    one_of("fold", ("earlier", "later", "skip"), "a wall time that happened twice"),
    one_of("gap", ("shift_forward", "first_valid", "skip"), "a wall time that never happened"),
    one_of(
        "encoding",
        ("auto", "timestamp", "epoch_ms", "epoch_s", "iso_text"),
        "how the wall-clock columns are written",
    ),
    flag("skip_deleted", "leave soft-deleted rows out"),
    flag("strict", "skip rows whose end is before their start"),
    flag("fallback_on_invalid_tz", "use the default for an unknown zone name, and list the row"),
    flag("accept_years", _YEARS),
    flag("repair", _REPAIR),
    DECISIONS,
    said("table", "FILE", "TOML that describes another table", Kind.PATH),
    one_of("order", ("key", "heap"), _ORDER),
    SCHEDULER,
    *ENGINE,
    WORKERS,
    *THROTTLE,
    *PLACES,
    APPLY,
)

#: Parameters of which a setting has the name.
_SWITCHES = (
    "skip_deleted", "strict", "fallback_on_invalid_tz",
    "default_tz_first", "accept_years", "repair",
)  # fmt: skip


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
            **{name: values[name] for name in _SWITCHES},
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


def _pending(table: str) -> Callable[[Connection], PendingCounts]:
    from backfill.jobs.utc.pending import pending_of

    return pending_of(table)


def _examine_table(connection: Connection, path: Path) -> list[Finding]:
    from backfill.jobs.utc.examine import examine_table

    return examine_table(connection, path)


def _guess_table(connection: Connection, name: str) -> Guessed:
    from backfill.jobs.utc.guess.toml import first_specification

    return first_specification(connection, name)


def _examine_machine(anew: str) -> list[Finding]:
    from backfill.jobs.utc.machine import examine_machine

    return examine_machine(anew)


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
    groups={
        "which rows": ("household_id", "table", "skip_deleted"),
        "how values come about": (
            *("default_tz", "default_tz_first", "fold", "gap", "encoding", "strict"),
            *("fallback_on_invalid_tz", "accept_years", "repair"),
        ),
        "how it is written": ("order",),
    },
    check_rows=_check_rows,
    tables=Tables("utc", _pending, _examine_table, _guess_table, no_member="no household"),
    examine_machine=_examine_machine,
)
