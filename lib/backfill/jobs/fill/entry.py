"""What fill says of itself: its parameters, and how it is made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backfill.errors import UsageError
from backfill.jobs.entry import Entry
from backfill.next_command import next_command
from backfill.parameter import Kind, Parameter, flag, flags_of, said
from backfill.parameters import APPLY, ENGINE, PART, PLACES, THROTTLE, WORKERS

if TYPE_CHECKING:
    from backfill.steps.job import Job
    from backfill.steps.kind import JobKind

_NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,]*?))\s*(?:,|\Z)')
_KEY = "columns that name a row, with commas between; empty = the primary key"
_VALUES = "file of values: .parquet .csv .tsv .json .jsonl .arrow .feather"
_QUERY = "the same from DuckDB's SQL over local files; it is kept with the run"
_WHERE = "rows to compute in a notebook; empty = those of which a target is NULL"
FILL_PARAMETERS: tuple[Parameter, ...] = (
    said("table", "", "the table: schema.name, or found by the search path"),
    said("set", "COLUMN", "columns to write, with commas between", Kind.TEXTS),
    said("key", "COLUMN", _KEY, Kind.TEXTS),
    said("values", "", _VALUES, Kind.PATH),
    said("query", "SQL", _QUERY),
    said("where", "CONDITION", _WHERE),
    flag("overwrite", "also rows whose target holds something else now"),
    flag("allow_null", "a new value may be NULL; without it, left alone"),
    *PART,
    *ENGINE,
    WORKERS,
    *THROTTLE,
    *PLACES,
    APPLY,
)


def _make(values: Mapping[str, Any]) -> Job:
    from backfill.jobs.fill.job import FillTask
    from backfill.jobs.fill.settings import FillSettings
    from backfill.steps.job import Job

    if not values["apply"] and any(values[parameter.name] for parameter in PART):
        raise UsageError(
            "--only and --canary say what of a plan is written: give them with --apply, or to the "
            f"command that writes it: {next_command('apply', 'RUN_ID', *flags_of(PART, values))}"
        )
    if values["where"] and (values["values"] or values["query"]):
        raise UsageError(
            "--where chooses rows for a notebook to compute; with --values or --query the rows are "
            'those of the values. Leave it out, or filter them: --query "SELECT … WHERE …"'
        )
    settings = FillSettings(
        table=values["table"],
        targets=_listed(values["set"]),
        key=_listed(values["key"]),
        overwrite=values["overwrite"],
        allow_null=values["allow_null"],
    )
    return Job(FillTask(settings, values["values"], values["query"], values["where"]))


def _listed(names: Sequence[str]) -> tuple[str, ...]:
    """Return names given one by one, or with commas between; one with a comma stands in quotes."""
    parts = (match for text in names for match in _NAME.finditer(text))
    return tuple(name for m in parts if (name := m[2] if m[1] is None else m[1].replace('""', '"')))


def _kind() -> JobKind:
    from backfill.jobs.fill.settings import FillRuns
    from backfill.steps.kind import JobKind

    return JobKind("fill", FillRuns)


ENTRY = Entry(
    "fill",
    "write values that you have to any columns",
    FILL_PARAMETERS,
    _make,
    _kind,
    notebook="06_fill_columns",
    command=("fill",),
    asked_by=("table", "set", "key", "values", "query"),
    groups={"which rows": ("table", "where")},
    takes_notebook=True,
)
